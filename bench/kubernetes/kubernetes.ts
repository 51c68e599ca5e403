/*
 * Question: how does Plinth serve the kube-apiservers of a cluster with N nodes, and of how many nodes does this machine
 * bear, beside a real etcd with one member on the same machine in the same run?
 */

import { totalmem } from "node:os";
import { join } from "node:path";

import {
  etcdVersion,
  startEtcdTarget,
  startPlinthOnDirectories,
  startPlinthTarget,
  type Target,
} from "../kv/targets.ts";
import type { BenchOptions } from "../options.ts";
import type { SuiteReport } from "../report.ts";
import type { CallersCommands } from "./callers-process.ts";
import { CommandedProcess } from "./commands.ts";
import { type Contender, judge, type Round, runRound } from "./round.ts";
import { type Found, reportOf } from "./report-tables.ts";
import { SaturationSearch } from "./saturation-search.ts";
import { preloadFor } from "./scale.ts";
import type { WatchersCommands } from "./watchers-process.ts";

const NODES_MIN = 50;
const NODES_MAX = 100_000;

/** Values that are stored beforehand take at most this share of the machine's memory for each server, who needs more. */
const PRELOAD_MEMORY_SHARE = 1 / 16;

const STARTS = [startPlinthTarget, startPlinthOnDirectories, startEtcdTarget];
const SMALL_STARTS = [startPlinthTarget, startEtcdTarget];
/** Beyond what any number of nodes brings: the defaults are of 2 GiB. */
const FLAGS = [`--quota-backend-bytes=${16 * 2 ** 30}`];

export async function benchKubernetes(options: BenchOptions): Promise<SuiteReport> {
  const versions = [await etcdVersion()];
  const contenders: Contender[] = [];
  try {
    for (const start of options.small ? SMALL_STARTS : STARTS) contenders.push(await prepare(await start(FLAGS)));
    const rounds = await runRounds(contenders, options);
    const searches = await search(contenders, rounds, options);
    const found: Found[] = [];
    for (const [i, { target, callers }] of contenders.entries()) {
      const verified = await callers.tell("verify", undefined);
      const { tries, outcome } = searches[i];
      const wrong = [...rounds[i], ...tries].flatMap((round) => round.wrong);
      found.push({
        name: target.name,
        rounds: rounds[i],
        tries,
        outcome,
        verified,
        wrong: [...verified.wrong, ...wrong],
      });
    }
    return reportOf(found, versions, options);
  } finally {
    for (const { callers, watchers, target } of contenders) {
      await callers.stop();
      await watchers.stop();
      await target.stop();
    }
  }
}

async function prepare(target: Target): Promise<Contender> {
  const callers = new CommandedProcess<CallersCommands>(join(import.meta.dirname, "callers-process.ts"));
  const watchers = new CommandedProcess<WatchersCommands>(join(import.meta.dirname, "watchers-process.ts"));
  try {
    await callers.tell("connect", target.url);
    await watchers.tell("connect", target.url);
    return { target, callers, watchers };
  } catch (error) {
    await callers.stop();
    await watchers.stop();
    await target.stop();
    throw error;
  }
}

function run(contender: Contender, nodes: number, options: BenchOptions): Promise<Round> {
  return runRound(contender, nodes, options.preload ?? preloadFor(nodes, totalmem() * PRELOAD_MEMORY_SHARE), options);
}

async function runRounds(contenders: readonly Contender[], options: BenchOptions): Promise<Round[][]> {
  const rounds: Round[][] = contenders.map(() => []);
  for (let round = 0; round < options.rounds; round++) {
    const order = contenders.map((_, i) => i);
    // Every other round the other way about: what the machine does over time falls on all.
    for (const i of round % 2 === 0 ? order : order.toReversed()) {
      rounds[i].push(await run(contenders[i], options.nodes, options));
    }
  }
  return rounds;
}

interface Searched {
  readonly tries: Round[];
  readonly outcome: string;
}

/** The servers take turns here too. */
async function search(
  contenders: readonly Contender[],
  rounds: readonly (readonly Round[])[],
  options: BenchOptions,
): Promise<Searched[]> {
  const searches = contenders.map((_, i) => {
    const each = new SaturationSearch(options.nodes, Math.min(NODES_MIN, options.nodes), NODES_MAX);
    each.tell(majority(rounds[i]));
    return { search: each, tries: [] as Round[] };
  });
  const untilMs = performance.now() + options.searchSeconds * 1_000;
  for (let isOver = false; !isOver;) {
    isOver = true;
    for (const [i, { search: each, tries }] of searches.entries()) {
      if (each.next === null || performance.now() >= untilMs) continue;
      isOver = false;
      const round = await run(contenders[i], each.next, options);
      tries.push(round);
      each.tell(judge(round));
    }
  }
  return searches.map(({ search: each, tries }) => ({ tries, outcome: each.outcome }));
}

/** What most of the rounds say; the worse where they are even. */
function majority(rounds: readonly Round[]): ReturnType<typeof judge> {
  const verdicts = rounds.map(judge);
  const failed = verdicts.filter((verdict) => verdict !== "bears");
  return failed.length * 2 < verdicts.length ? "bears" : failed[0];
}
