/*
 * Question: what do puts notice while snapshots of very many keys are taken, one after the other, and how long does the next start
 * take with the newest of them?
 */

import { LeanClient } from "../client/lean-client.ts";
import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, formatSpread, type SuiteReport } from "../report.ts";
import { median, spread } from "../statistics.ts";
import { MANY_KEYS_FLAGS, manyKeysText, storeKeys } from "./many-keys.ts";
import { runRound } from "./rounds.ts";
import type { Round } from "./rounds.ts";
import { startPlinthTarget, type Target } from "./targets.ts";
import { makeKeys, puts } from "./workloads.ts";

const CLIENTS = 10;
const IN_FLIGHT = 50;
const UPDATED_KEYS = 10_000;
const CALLS_MAX = 5_000_000;

/** Snapshots by the length of the journal would come into the quiet rounds as well. */
const FLAGS = [
  ...MANY_KEYS_FLAGS,
  "--quota-backend-bytes=-1",
  "--snapshot-tail-bytes=1000000000000",
  "--snapshot-tail-records=1000000000000",
];

const GOAL_RATE_SHARE = 0.85;
const GOAL_P99_FACTOR = 2;

interface Taken {
  readonly count: number;
  readonly seconds: number;
  readonly megabytes: number;
}

export async function benchSnapshots(options: BenchOptions): Promise<SuiteReport> {
  const target = await startPlinthTarget(FLAGS);
  const clients: LeanClient[] = [];
  try {
    for (let i = 0; i < CLIENTS; i++) clients.push(await LeanClient.connect(target.url));
    await storeKeys(clients[0], options.keys);
    const workload = puts(makeKeys(UPDATED_KEYS));
    const run = (): Promise<Round> => runRound(target, clients, workload, IN_FLIGHT, CALLS_MAX, options);
    const quiet: Round[] = [];
    const beside: Round[] = [];
    const taken: Taken[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const both = [
        async () => void quiet.push(await run()),
        async () => {
          const snapshots = takeWhile(target);
          beside.push(await run());
          taken.push(await snapshots.end());
        },
      ];
      for (const phase of round % 2 === 0 ? both : both.toReversed()) await phase();
    }
    const share = median(beside.map(rateOf)) / median(quiet.map(rateOf));
    const factor = median(beside.map(p99Of)) / median(quiet.map(p99Of));
    return {
      name: "snapshots",
      question:
        "What do puts notice while snapshots of very many keys are taken, one after the other? " +
        `${formatCount(options.keys)} ${manyKeysText}.`,
      versions: [],
      columns: ["", "Put/s", "spread", "p50 ms", "p99 ms", "CPU us/Put", "snapshots", "s each", "MB each", "goal"],
      rows: [
        row("nothing else", quiet, null, ""),
        row(
          "snapshots",
          beside,
          taken,
          `≥ ${GOAL_RATE_SHARE} of the rate: ${formatNumber(share, 2)}, p99 ≤ ${GOAL_P99_FACTOR} x: ${formatNumber(factor, 1)}`,
        ),
      ],
      notes: [
        `${CLIENTS} clients with ${IN_FLIGHT} puts under way each, to ${formatCount(UPDATED_KEYS)} keys besides`,
        "a snapshot is asked for as soon as the one before is complete: a server by itself takes them minutes apart",
        "CPU is that of the whole process: the threads that write and read back are in it",
      ],
    };
  } finally {
    for (const client of clients) client.destroy();
    await target.stop();
  }
}

/** Takes one after the other; `end` waits for the last. */
function takeWhile({ url }: Target): { end(): Promise<Taken> } {
  const over = new AbortController();
  const taking = (async (): Promise<Taken> => {
    const begun = performance.now();
    let [count, megabytes] = [0, 0];
    while (!over.signal.aborted || count === 0) {
      const response = await fetch(`${url}/plinth/snapshot`, { method: "POST" });
      if (!response.ok) throw new Error(await response.text());
      const { bytes } = (await response.json()) as { bytes: number };
      count++;
      megabytes = bytes / 1e6;
    }
    return { count, megabytes, seconds: (performance.now() - begun) / 1_000 / count };
  })();
  return {
    end() {
      over.abort();
      return taking;
    },
  };
}

const rateOf = ({ callsPerSecond }: Round): number => callsPerSecond;
const p99Of = ({ p99 }: Round): number => p99;

function row(name: string, rounds: readonly Round[], taken: readonly Taken[] | null, goal: string): string[] {
  const rates = rounds.map(rateOf);
  const of = (figure: keyof Taken): number => median((taken ?? []).map((each) => each[figure]));
  return [
    name,
    formatCount(median(rates)),
    formatSpread(spread(rates)),
    formatNumber(median(rounds.map(({ p50 }) => p50)), 1),
    formatNumber(median(rounds.map(p99Of)), 1),
    formatNumber(median(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds)), 1),
    taken === null ? "" : formatNumber(of("count"), 0),
    taken === null ? "" : formatNumber(of("seconds"), 1),
    taken === null ? "" : formatNumber(of("megabytes"), 0),
    goal,
  ];
}
