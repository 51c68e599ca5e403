/*
 * Question: how many reads a second does Plinth answer over very many keys, of one key, of a page and of their number, beside
 * a real etcd on the same machine in the same run?
 */

import { LeanClient } from "../client/lean-client.ts";
import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, formatSpread, type SuiteReport } from "../report.ts";
import { residentBytes } from "../server-process.ts";
import { median, spread } from "../statistics.ts";
import { counts, MANY_KEYS_FLAGS, manyKeysText, pages, pointRanges, storeKeys } from "./many-keys.ts";
import { runInTurns, runRound } from "./rounds.ts";
import type { Round } from "./rounds.ts";
import { etcdVersion, startEtcdTarget, startPlinthTarget, type Target } from "./targets.ts";
import type { Workload } from "./workloads.ts";

const STARTS = [startPlinthTarget, startEtcdTarget] as const;
const ETCD = STARTS.indexOf(startEtcdTarget);

interface Scenario {
  readonly workload: (keys: number) => Workload;
  /** On each of the connections. */
  readonly inFlight: number;
  /** How many times etcd's rate. */
  readonly goal: number;
}

const CALLS_MAX = 50_000_000;
const CONNECTIONS = 10;

/** Of etcd's counts of a million keys ten take seconds, so no more are in flight, nor many pages of 150 kB. */
const SCENARIOS: readonly Scenario[] = [
  { workload: pointRanges, inFlight: 50, goal: 7 },
  { workload: pages, inFlight: 5, goal: 5 },
  { workload: counts, inFlight: 1, goal: 1_000 },
];

interface Contender {
  readonly target: Target;
  readonly clients: readonly LeanClient[];
  readonly loadSeconds: number;
}

export async function benchLists(options: BenchOptions): Promise<SuiteReport> {
  const versions = [await etcdVersion()];
  const contenders: Contender[] = [];
  const rows: string[][] = [];
  const notes: string[] = [];
  try {
    for (const start of STARTS) contenders.push(await prepare(await start(MANY_KEYS_FLAGS), options.keys));
    for (const scenario of SCENARIOS) {
      const workload = scenario.workload(options.keys);
      const rounds = await runInTurns(contenders, options, ({ target, clients }) =>
        runRound(target, clients, workload, scenario.inFlight, CALLS_MAX, options),
      );
      rows.push(...contenders.map(({ target }, i) => row(workload, scenario, target, rounds[i], rounds[ETCD])));
    }
    for (const { target, loadSeconds } of contenders) {
      const resident = target.pids.reduce((sum, pid) => sum + residentBytes(pid), 0) / 1e6;
      notes.push(
        `${target.name}: filled in ${formatNumber(loadSeconds, 1)} s, resident ${formatNumber(resident, 0)} MB`,
      );
    }
  } finally {
    for (const { clients, target } of contenders) {
      for (const client of clients) client.destroy();
      await target.stop();
    }
  }
  return {
    name: "lists",
    question:
      "How many reads a second does Plinth answer over very many keys, beside a real etcd, each with one copy of the data? " +
      `${formatCount(options.keys)} ${manyKeysText}.`,
    versions,
    columns: [
      "call",
      "in flight",
      "server",
      "calls/s",
      "spread",
      "p50 ms",
      "p99 ms",
      "CPU µs/call",
      "× etcd",
      "CPU, etcd ×",
      "goal",
    ],
    rows,
    notes: [
      ...notes,
      "every answer is looked at: that it has the key, as many items as a page has, or the right number",
      "× etcd is the rate; CPU, etcd × is how much more processor time a call takes in etcd, which says more on a busy machine",
      `default settings but for ${MANY_KEYS_FLAGS.join(" ")}, with which the keys are stored`,
    ],
  };
}

async function prepare(target: Target, keys: number): Promise<Contender> {
  try {
    const clients: LeanClient[] = [];
    for (let i = 0; i < CONNECTIONS; i++) clients.push(await LeanClient.connect(target.url));
    const begun = performance.now();
    await storeKeys(clients[0], keys);
    return { target, clients, loadSeconds: (performance.now() - begun) / 1_000 };
  } catch (error) {
    await target.stop();
    throw error;
  }
}

function row(
  { name }: Workload,
  { inFlight, goal }: Scenario,
  target: Target,
  rounds: readonly Round[],
  ofEtcd: readonly Round[],
): string[] {
  const rates = rounds.map(({ callsPerSecond }) => callsPerSecond);
  const times = median(rates.map((rate, i) => rate / ofEtcd[i].callsPerSecond));
  const costs = median(rounds.map(({ cpuMicroseconds }, i) => ofEtcd[i].cpuMicroseconds / cpuMicroseconds));
  const isEtcd = rounds === ofEtcd;
  return [
    name,
    `${CONNECTIONS} × ${inFlight}`,
    target.name,
    formatCount(median(rates)),
    formatSpread(spread(rates)),
    formatNumber(median(rounds.map(({ p50 }) => p50)), 3),
    formatNumber(median(rounds.map(({ p99 }) => p99)), 3),
    formatNumber(median(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds)), 2),
    formatNumber(times, 1),
    formatNumber(costs, 1),
    isEtcd ? "" : `≥ ${formatCount(goal)} ×: ${times >= goal ? "met" : "missed"}`,
  ];
}
