/**
 * Everything at once: clients in the shapes of kube-apiserver, watches, leases and compactions against a server that is
 * killed again and again, and then every guarantee checked over all that they saw.
 *
 *     GUARANTEE_SECONDS=600   runs so long, in rounds of half a minute
 *     GUARANTEE_SEED=1234     repeats what was chosen in another run, though not the timing
 */
import process from "node:process";
import { expect, test } from "vitest";
import { checkHistory } from "./checks/check-history.ts";
import { runRound } from "./traffic/round.ts";

const SECONDS_DEFAULT = 15;
const ROUND_SECONDS_MAX = 30;
const KILLS_MIN = 3;
const SHOWN_MAX = 5;

const totalSeconds = Number(process.env["GUARANTEE_SECONDS"] ?? SECONDS_DEFAULT);
const firstSeed = Number(process.env["GUARANTEE_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const rounds = Math.ceil(totalSeconds / ROUND_SECONDS_MAX);
const seconds = totalSeconds / rounds;

for (let round = 0; round < rounds; round++) {
  const seed = firstSeed + round;
  test(`under load and kills no guarantee is broken (GUARANTEE_SEED=${seed})`, { timeout: 180_000 }, async () => {
    const { history, kills, stops, calls, events, revision } = await runRound({ seed, seconds, killsMin: KILLS_MIN });
    const startedMs = performance.now();
    const violations = checkHistory(history);
    const checkedMs = Math.round(performance.now() - startedMs);
    console.log(
      `seed ${seed}: ${calls} calls, ${revision} revisions, ${history.watches.length} watches with ${events} events, ` +
        `${kills.length} kills (${kills.join(", ")}), ${stops} stops, checked in ${checkedMs} ms`,
    );
    expect(violations.slice(0, SHOWN_MAX).map(({ guarantee, text }) => `${guarantee}: ${text}`)).toEqual([]);
  });
}
