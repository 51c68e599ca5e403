/*
 * Question: what do leases notice of events? How long does the update of a lease take, 5,000 a second whatever is answered,
 * while the partition of events is flooded with three times as many writes as the server takes, and while it is flooded at
 * its quota; beside the same alone?
 */

import { writePutRequest, writeTxnRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { runClosedLoop } from "../client/closed-loop.ts";
import { LatencyHistogram } from "../client/latency-histogram.ts";
import { LeanClient } from "../client/lean-client.ts";
import { type OpenLoopResult, runOpenLoop } from "../client/open-loop.ts";
import { put, putRequest, txnRequest } from "../client/requests.ts";
import { startPlinthWithMap } from "../kv/targets.ts";
import { LoadProcess } from "../load-process.ts";
import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, type SuiteReport } from "../report.ts";
import { median } from "../statistics.ts";
import { EVENTS_PREFIX, FLOOD_CONNECTIONS, FLOOD_VALUE, WRITTEN_PREFIX } from "./objects.ts";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const LEASES = 10_000;
const LEASES_PER_SECOND = 5_000;
const LEASE_CONNECTIONS = 4;
const FLOOD_FACTOR = 3;
const P99_FACTOR_GOAL = 2;
/** In flight on each connection while the server's capacity is measured. */
const CAPACITY_IN_FLIGHT = 100;

const ROOMY = "1TiB";
const TIGHT = "1MiB";
const LEASE_VALUE = Buffer.alloc(300, 0x6c);

/** One round of lease updates, and what became of the flood beside it. */
interface Round {
  readonly leases: OpenLoopResult;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly floodAnswered: number;
  readonly floodRefused: number;
}

interface Scenario {
  readonly name: string;
  readonly quota: string;
  readonly isFlooded: boolean;
}

const SCENARIOS: readonly Scenario[] = [
  { name: "nothing", quota: ROOMY, isFlooded: false },
  { name: "three times what the server takes", quota: ROOMY, isFlooded: true },
  { name: "the same at the partition's quota", quota: TIGHT, isFlooded: true },
];

export async function benchPartitions(options: BenchOptions): Promise<SuiteReport> {
  const rounds: Round[][] = SCENARIOS.map(() => []);
  const capacities: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const capacity = await measureCapacity(options);
    capacities.push(capacity);
    for (const [i, scenario] of SCENARIOS.entries()) {
      rounds[i].push(await runRound(scenario, capacity * FLOOD_FACTOR, options));
    }
  }
  return report(rounds, median(capacities));
}

/** Puts of events that a server answers in a second, with nobody else. */
async function measureCapacity(options: BenchOptions): Promise<number> {
  const target = await startPlinthWithMap(mapOf(ROOMY));
  const clients = await connect(target.url, FLOOD_CONNECTIONS);
  try {
    const writer = new Writer();
    writePutRequest(writer, putRequest(`${EVENTS_PREFIX}default/event`, FLOOD_VALUE));
    const request = writer.copy();
    const load = { clients, inFlight: CAPACITY_IN_FLIGHT, path: "/etcdserverpb.KV/Put", request: () => request };
    const { warmUpSeconds, seconds } = options;
    const { calls, seconds: took } = await runClosedLoop(load, {
      warmUpSeconds,
      seconds,
      callsMax: Number.POSITIVE_INFINITY,
    });
    return calls / took;
  } finally {
    for (const client of clients) client.destroy();
    await target.stop();
  }
}

async function runRound(scenario: Scenario, floodPerSecond: number, options: BenchOptions): Promise<Round> {
  const target = await startPlinthWithMap(mapOf(scenario.quota));
  const clients = await connect(target.url, LEASE_CONNECTIONS);
  let flood: LoadProcess | null = null;
  try {
    const updates = (seconds: number, histogram: LatencyHistogram): Promise<OpenLoopResult> =>
      runOpenLoop({
        clients,
        path: "/etcdserverpb.KV/Txn",
        request: leaseUpdate,
        perSecond: LEASES_PER_SECOND,
        seconds,
        openMax: Number.POSITIVE_INFINITY,
        histogram,
      });
    if (scenario.isFlooded) {
      const script = join(import.meta.dirname, "flood.ts");
      flood = await LoadProcess.start(script, [target.url, String(Math.round(floodPerSecond))]);
    }
    await pause(options.warmUpSeconds * 1_000);
    await updates(options.warmUpSeconds, new LatencyHistogram());
    const before = await putsHandled(target.url);
    const histogram = new LatencyHistogram();
    const leases = await updates(options.seconds, histogram);
    const after = await putsHandled(target.url);
    return {
      leases,
      p50: histogram.quantile(0.5),
      p99: histogram.quantile(0.99),
      max: histogram.quantile(1),
      floodAnswered: (after.answered - before.answered) / options.seconds,
      floodRefused: (after.refused - before.refused) / options.seconds,
    };
  } finally {
    await flood?.stop();
    for (const client of clients) client.destroy();
    await target.stop();
  }
}

const writer = new Writer();

/** As kube-apiserver updates an object, without the compare. */
function leaseUpdate(i: number): Uint8Array {
  writer.reset();
  writeTxnRequest(writer, txnRequest([put(`${WRITTEN_PREFIX}default/node-${i % LEASES}`, LEASE_VALUE)]));
  return writer.bytes();
}

/** The flood's puts, as the server counts them: leases are updated by txns. */
async function putsHandled(url: string): Promise<{ answered: number; refused: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const numbers = { answered: 0, refused: 0 };
  for (const [, code, value] of text.matchAll(/^grpc_server_handled_total\{.*"Put",grpc_code="(\w+)"\} (\d+)$/gm)) {
    numbers[code === "OK" ? "answered" : "refused"] += Number(value);
  }
  return numbers;
}

function mapOf(quota: string): string {
  return JSON.stringify({ partitions: [{ prefix: EVENTS_PREFIX, quota }], otherResources: true });
}

function connect(url: string, count: number): Promise<LeanClient[]> {
  return Promise.all(Array.from({ length: count }, () => LeanClient.connect(url)));
}

function report(rounds: readonly (readonly Round[])[], capacity: number): SuiteReport {
  const p99Of = (i: number): number => median(rounds[i].map(({ p99 }) => p99));
  const refused = rounds.flat().reduce((sum, { leases }) => sum + leases.refused, 0);
  const goals = [1, 2].map((i) => {
    const factor = p99Of(i) / p99Of(0);
    const isMet = factor <= P99_FACTOR_GOAL;
    return `goal: p99 beside ${SCENARIOS[i].name} at most ${P99_FACTOR_GOAL} times that alone: ${formatNumber(factor, 2)} times, ${isMet ? "met" : "not met"}`;
  });
  return {
    name: "partitions",
    question:
      "What do leases notice of events? How long does the update of a lease take, 5,000 a second whatever is answered, while " +
      "the partition of events is flooded with puts at three times the rate that the server takes, and while that partition is " +
      "at its quota, beside the same alone?",
    versions: [],
    columns: ["beside the leases", "p50 ms", "p99 ms", "max ms", "leases refused", "events/s", "events refused/s"],
    rows: rounds.map((of, i) => [
      SCENARIOS[i].name,
      formatNumber(median(of.map(({ p50 }) => p50)), 2),
      formatNumber(p99Of(i), 2),
      formatNumber(Math.max(...of.map(({ max }) => max)), 2),
      formatCount(of.reduce((sum, { leases }) => sum + leases.refused, 0)),
      formatCount(median(of.map(({ floodAnswered }) => floodAnswered))),
      formatCount(median(of.map(({ floodRefused }) => floodRefused))),
    ]),
    notes: [
      ...goals,
      `goal: no lease refused: ${formatCount(refused)}, ${refused === 0 ? "met" : "not met"}`,
      `three times what the server takes: ${formatCount(capacity * FLOOD_FACTOR)} puts of 600 B a second; the client leaves out ` +
        "what comes due while 30,000 are not answered",
      "a lease's time counts from the moment at which it was meant to be written; all weights are 1",
      "flood, leases and server share the machine's cores, the flood at the lowest priority; waiting for a core is in all figures",
    ],
  };
}
