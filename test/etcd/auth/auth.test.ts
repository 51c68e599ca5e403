/**
 * Plinth and a real etcd get the same random commands about users, roles and permissions, and calls by those users, and
 * must answer the same. Seeds and effort as in differential.test.ts.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MINIMISING } from "../differential.ts";
import { effort, remark, seed, skipReason, timeout } from "../effort.ts";
import { minimise } from "../minimise.ts";
import type { AuthStep } from "./auth-commands.ts";
import { authSequence } from "./auth-commands.ts";
import { AuthDifference, AuthLockstep } from "./auth-lockstep.ts";

const some = effort(8_000, 1 / 10);

describe.skipIf(skipReason !== null)(`Plinth lets users do what etcd does (${remark})`, () => {
  test("§9.3 §3.2: any commands by any users in any order", { timeout: timeout(some) }, async () => {
    const started = performance.now();
    const servers = await AuthLockstep.start();
    try {
      for (let i = 0; servers.commands < some.commandsMax && performance.now() - started < some.millisecondsMax; i++) {
        const [steps] = fc.sample(authSequence, { seed: (seed + i) | 0, numRuns: 1 });
        await servers.run(steps).catch(async (error: unknown) => {
          if (error instanceof AuthDifference) throw await explained(error, (seed + i) | 0, steps);
          throw error;
        });
      }
      console.log(`seed ${seed}: ${servers.commands} commands`, Object.fromEntries([...servers.outcomes].toSorted()));
      expect(servers.outcomes.get("KV/Put 7")).toBeGreaterThan(0);
    } finally {
      await servers.remove();
    }
  });
});

/** The difference in as few commands as can be found, on fresh servers. */
async function explained(difference: AuthDifference, at: number, steps: readonly AuthStep[]): Promise<Error> {
  let last = difference;
  const shortest = await minimise(
    steps,
    async (fewer) => {
      const servers = await AuthLockstep.start();
      try {
        await servers.run(fewer);
        return false;
      } catch (error) {
        if (!(error instanceof AuthDifference)) return false;
        last = error;
        return true;
      } finally {
        await servers.remove();
      }
    },
    MINIMISING,
  );
  const what = shortest === null ? "It does not fail on fresh servers:" : "On fresh servers:";
  return new Error([`Begin with this sequence: DIFFERENTIAL_SEED=${at}`, what, last.message].join("\n"), {
    cause: difference,
  });
}
