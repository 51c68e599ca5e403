/*
 * Question: how many puts, reads and updates a second does Plinth answer, with one replica of its journal and with three, and
 * how long does each take, beside a real etcd with default settings, with one member and with three, on the same machine in
 * the same run? And how many of them over TLS? With 10 connections of 50 calls in flight each, and with one call in flight.
 */

import { compact } from "./compact.ts";
import { runInTurns, runRound } from "./rounds.ts";
import type { Round } from "./rounds.ts";
import {
  etcdVersion,
  startEtcdClusterTarget,
  startEtcdTarget,
  startPlinthOnDirectories,
  startPlinthOnProcesses,
  startPlinthOverTls,
  startPlinthTarget,
  type Target,
} from "./targets.ts";
import { makeKeys, puts, ranges, UpdateTxns, type Workload } from "./workloads.ts";
import { LeanClient } from "../client/lean-client.ts";
import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, formatSpread, type SuiteReport } from "../report.ts";
import { median, spread } from "../statistics.ts";

const STARTS = [
  startPlinthTarget,
  startPlinthOverTls,
  startPlinthOnDirectories,
  startPlinthOnProcesses,
  startEtcdTarget,
  startEtcdClusterTarget,
] as const;
const PLAIN = STARTS.indexOf(startPlinthTarget);
const OVER_TLS = STARTS.indexOf(startPlinthOverTls);
const ETCD = STARTS.indexOf(startEtcdTarget);
const ETCD_CLUSTER = STARTS.indexOf(startEtcdClusterTarget);

const CALLS_MAX = 5_000_000;
const PRELOADS_IN_FLIGHT = 500;

/** One server with its connections and its workloads. */
interface Contender {
  readonly target: Target;
  readonly clients: readonly LeanClient[];
  readonly workloads: readonly Workload[];
}

interface Shape {
  readonly connections: number;
  readonly inFlight: number;
}

export async function benchKv(options: BenchOptions): Promise<SuiteReport> {
  const wide: Shape = options.small ? { connections: 2, inFlight: 10 } : { connections: 10, inFlight: 50 };
  const shapes: readonly Shape[] = [wide, { connections: 1, inFlight: 1 }];
  const keys = makeKeys(options.small ? 200 : 10_000);
  const versions = [await etcdVersion()];
  const contenders: Contender[] = [];
  const rows: string[][] = [];
  try {
    for (const start of STARTS) {
      contenders.push(await prepare(await start(), wide.connections, keys));
    }
    const workloadCount = contenders[0].workloads.length;
    for (let workload = 0; workload < workloadCount; workload++) {
      for (const shape of shapes) {
        const results = await runInTurns(contenders, options, async ({ target, clients, workloads }) => {
          const used = clients.slice(0, shape.connections);
          const round = await runRound(target, used, workloads[workload], shape.inFlight, CALLS_MAX, options);
          await compact(clients[0]);
          return round;
        });
        rows.push(...rowsOf(contenders, workload, shape, results));
      }
    }
  } finally {
    for (const { clients, target } of contenders) {
      for (const client of clients) client.destroy();
      await target.stop();
    }
  }
  return {
    name: "kv",
    question:
      "How many puts, reads and updates a second does Plinth answer, and how long does each take, beside a real etcd with " +
      `default settings, each with one copy of the data and with three? ${formatCount(keys.length)} keys of 43 bytes with values of 300 bytes.`,
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
      "× plain",
      "× etcd",
      "× 3 members",
    ],
    rows,
    notes: [
      "goals with 500 calls in flight, against etcd with one member: Plinth's Put and Txn at least 6 × with a lower p99, " +
        "Range at least 8 ×; with three directories Put and Txn at least 5 × with a lower p99, and not slower at 1 in flight",
      "goal with 500 calls in flight over TLS, against the same without it (× plain): Put and Range at least 0.60",
      "goal with 500 calls in flight, against etcd with three members: Put and Txn with three processes at least 4 ×",
      "3 directories: a server whose journal has three replicas on the disk; 3 processes: three more processes keep them, " +
        "over TCP on the loopback interface; etcd with three members is called at its leader",
      "processor time is of all processes of a server: its replicas, or all members",
      "all servers are compacted after each round, outside of the measured time",
      "at these rates the generator needs a good part of one core, which a server with several threads would have liked",
    ],
  };
}

async function prepare(target: Target, connections: number, keys: readonly Buffer[]): Promise<Contender> {
  try {
    const clients: LeanClient[] = [];
    for (let i = 0; i < connections; i++) clients.push(await LeanClient.connect(target.url, { tls: target.tls ?? {} }));
    const put = puts(keys);
    for (let begin = 0; begin < keys.length; begin += PRELOADS_IN_FLIGHT) {
      const count = Math.min(PRELOADS_IN_FLIGHT, keys.length - begin);
      await Promise.all(Array.from({ length: count }, () => clients[0].call(put.path, put.request(0, 1))));
    }
    const created = keys.map((key) => Buffer.concat([key, Buffer.from("-txn")]));
    return { target, clients, workloads: [put, ranges(keys), new UpdateTxns(created)] };
  } catch (error) {
    await target.stop();
    throw error;
  }
}

/** The lines of one comparison, one of each contender. */
function rowsOf(
  contenders: readonly Contender[],
  workload: number,
  { connections, inFlight }: Shape,
  results: readonly (readonly Round[])[],
): string[][] {
  return contenders.map(({ target, workloads }, i) => {
    const rounds = results[i];
    const rates = rounds.map((round) => round.callsPerSecond);
    const times = (other: number): string =>
      formatNumber(
        median(rates.map((rate, round) => rate / results[other][round].callsPerSecond)),
        other === PLAIN ? 2 : 1,
      );
    return [
      workloads[workload].name,
      connections * inFlight === 1 ? "1" : `${connections} × ${inFlight}`,
      target.name,
      formatCount(median(rates)),
      formatSpread(spread(rates)),
      formatNumber(median(rounds.map((round) => round.p50)), 3),
      formatNumber(median(rounds.map((round) => round.p99)), 3),
      formatNumber(median(rounds.map((round) => round.cpuMicroseconds)), 2),
      i === OVER_TLS ? times(PLAIN) : "",
      times(ETCD),
      times(ETCD_CLUSTER),
    ];
  });
}
