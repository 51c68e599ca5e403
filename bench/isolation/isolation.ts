/*
 * Question: what do others notice of a client that asks for much? How long does a read of one object take while another
 * client lists 100 MB without pages, and how long does a watch's progress take while everybody writes, beside a real etcd
 * with default settings on the same machine in the same run?
 */

import { objectKey, storeResource } from "./objects.ts";
import { getRequest } from "./requests.ts";
import { type Round, runRound, type Times } from "./round.ts";
import { type Scale, type Scenario, scenariosOf } from "./scenarios.ts";
import { compact } from "../kv/compact.ts";
import { etcdVersion, startEtcdTarget, startPlinthTarget, type Target } from "../kv/targets.ts";
import { LeanClient } from "../client/lean-client.ts";
import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, type SuiteReport } from "../report.ts";
import { median } from "../statistics.ts";

const LARGE = { prefix: "/registry/configmaps/", objectBytes: 8 * 1024 };
const SMALL = { prefix: "/registry/events/", objectBytes: 300 };

const FULL_SCALE: Scale = {
  large: { ...LARGE, objects: 12_800 },
  small: { ...SMALL, objects: 300_032 },
  connections: 10,
  inFlight: 50,
};
const SMALL_SCALE: Scale = {
  large: { ...LARGE, objects: 128 },
  small: { ...SMALL, objects: 5_120 },
  connections: 2,
  inFlight: 10,
};

const GET_BESIDE_LISTS_GOAL_MS = 50;
const PROGRESS_GOAL_MS = 100;

interface Contender {
  readonly target: Target;
  readonly client: LeanClient;
}

/** The rounds of one scenario, in the order of the contenders. */
interface Result {
  readonly scenario: Scenario;
  readonly rounds: readonly (readonly Round[])[];
}

export async function benchIsolation(options: BenchOptions): Promise<SuiteReport> {
  const scale = options.small ? SMALL_SCALE : FULL_SCALE;
  const versions = [await etcdVersion()];
  const contenders: Contender[] = [];
  const results: Result[] = [];
  try {
    for (const start of [startPlinthTarget, startEtcdTarget]) {
      contenders.push(await prepare(await start(), scale));
    }
    for (const scenario of scenariosOf(scale)) {
      results.push({ scenario, rounds: await runRounds(contenders, scale, scenario, options) });
    }
  } finally {
    for (const { client, target } of contenders) {
      client.destroy();
      await target.stop();
    }
  }
  return report(results, contenders, versions, scale);
}

async function prepare(target: Target, { large, small }: Scale): Promise<Contender> {
  try {
    const client = await LeanClient.connect(target.url);
    for (const resource of [large, small]) await storeResource(client, resource);
    return { target, client };
  } catch (error) {
    await target.stop();
    throw error;
  }
}

async function runRounds(
  contenders: readonly Contender[],
  { large }: Scale,
  scenario: Scenario,
  options: BenchOptions,
): Promise<Round[][]> {
  const get = getRequest(objectKey(large, 0));
  const rounds: Round[][] = contenders.map(() => []);
  for (let round = 0; round < options.rounds; round++) {
    const order = contenders.map((_, i) => i);
    // Every other round the other way about: what the machine does over time falls on both.
    for (const i of round % 2 === 0 ? order : order.toReversed()) {
      const { target, client } = contenders[i];
      rounds[i].push(await runRound(target.url, client, get, scenario, options));
      await compact(client);
    }
  }
  return rounds;
}

function report(
  results: readonly Result[],
  contenders: readonly Contender[],
  versions: readonly string[],
  { large, small, connections, inFlight }: Scale,
): SuiteReport {
  const rows = results.flatMap(({ scenario, rounds }) =>
    contenders.map(({ target }, i) => [
      scenario.name,
      target.name,
      ...cellsOf(rounds[i].map((round) => round.gets)),
      ...cellsOf(rounds[i].map((round) => round.beside)),
      countCell(median(rounds[i].map((round) => round.writesPerSecond))),
    ]),
  );
  const [, ofLarge, ofSmall, idle, busy] = results.map(({ rounds }) => rounds[0]);
  return {
    name: "isolation",
    question:
      "What do others notice of a client that asks for much? How long does a read of one object take while another client " +
      `lists ${formatCount(large.objects)} objects of 8 KiB or ${formatCount(small.objects)} of 300 B without pages, one ` +
      "list after the other; and how long does a watch's progress take, from the request to the answer, while others put " +
      "objects of 600 B to 1 KiB on " +
      `${connections} connections with ${inFlight} calls in flight each?`,
    versions,
    columns: ["beside the Get", "server", ...columnsOf("Get"), ...columnsOf("other"), "writes/s"],
    rows,
    notes: [
      goalNote("a Get beside lists of large objects", GET_BESIDE_LISTS_GOAL_MS, p99Of(ofLarge, "gets")),
      goalNote("a Get beside lists of small objects", GET_BESIDE_LISTS_GOAL_MS, p99Of(ofSmall, "gets")),
      goalNote("progress of an idle watch", PROGRESS_GOAL_MS, p99Of(idle, "beside")),
      goalNote("progress of a busy watch", PROGRESS_GOAL_MS, p99Of(busy, "beside")),
      "Get: one of the large objects every 2 ms on a connection of its own, whether the last was answered or not",
      "other: a whole list, or progress; max is the highest of all rounds",
      "progress: a client reads the store's revision, asks for progress, and asks again every 100 ms, as kube-apiserver " +
        "does, until an answer has that revision or a later one; the time counts from the first request. Both servers leave " +
        "a request unanswered while a watch of the stream is behind",
      "a busy watch is one of the prefix that is written: its client reads every event",
      "who lists, who writes and who watches are processes of their own; with the server and the process that reads " +
        "objects they share the machine's cores, and waiting for a core is in all figures",
    ],
  };
}

function columnsOf(what: string): string[] {
  return ["p50", "p99", "max"].map((share) => `${what} ${share} ms`);
}

/** A round in which nothing was timed, as where a list takes longer than a round, has no say. */
function cellsOf(all: readonly Times[]): string[] {
  const rounds = all.filter(({ p50 }) => !Number.isNaN(p50));
  if (rounds.length === 0) return ["", "", ""];
  const values = [
    median(rounds.map(({ p50 }) => p50)),
    median(rounds.map(({ p99 }) => p99)),
    Math.max(...rounds.map(({ max }) => max)),
  ];
  return values.map((value) => formatNumber(value, 2));
}

function countCell(value: number): string {
  return value === 0 ? "" : formatCount(value);
}

function p99Of(rounds: readonly Round[], what: "gets" | "beside"): number {
  return median(rounds.map((round) => round[what].p99).filter((p99) => !Number.isNaN(p99)));
}

function goalNote(what: string, goalMs: number, p99: number): string {
  return `goal: p99 of ${what} at most ${goalMs} ms: ${formatNumber(p99, 1)} ms, ${p99 <= goalMs ? "met" : "not met"}`;
}
