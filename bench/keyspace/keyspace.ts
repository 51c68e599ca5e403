/*
 * Question: how fast is the keyspace itself, without sockets and journal, with many keys, how much memory does it take, and
 * does it keep the event loop waiting while history is removed?
 */

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, formatSpread, type SuiteReport, type Table } from "../report.ts";
import { median, spread } from "../statistics.ts";
import type { Figures, Pauses, Plan, Rate } from "./figures.ts";
import { LIST_LIMIT } from "./rates.ts";
import { KEY_BYTES, VALUE_BYTES } from "./stock.ts";

const LOAD_GOAL = 150_000;
const UPDATE_GOAL = 300_000;
const GET_GOAL = 500_000;
const LIST_GOAL = 1_200_000;
const COUNT_GOAL_MS = 1;
const KEY_BYTES_GOAL = 150;
const RESIDENT_GOAL_MB = 650;
/** The goal for all that is resident is one for so many keys. */
const RESIDENT_GOAL_KEYS = 1_000_000;
const PAUSE_GOAL_MS = 20;
const RETURNED_GOAL_PERCENT = 70;
const MB = 1e6;

type Row = readonly [what: string, of: (figures: Figures) => number, decimals: number, goal?: Goal];

/** Not below `least`, or not above `most`. */
interface Goal {
  readonly least?: number;
  readonly most?: number;
}

export async function benchKeyspace(options: BenchOptions): Promise<SuiteReport> {
  const plan: Plan = { keys: options.keys, steadySeconds: options.small ? 1.5 : 3 * options.seconds };
  const rounds: Figures[] = [];
  for (let round = 0; round < options.rounds; round++) rounds.push(await measure(plan));
  return {
    name: "keyspace",
    question:
      "How fast is the keyspace itself, without sockets and journal, how much memory does it take, and does it keep the event " +
      `loop waiting while history is removed? ${formatCount(plan.keys)} keys of ${KEY_BYTES} bytes with values of ${VALUE_BYTES} bytes.`,
    versions: [],
    ...rateTable(rounds),
    more: new Map([
      ["How much memory does it take?", table(memoryRows(plan), rounds)],
      ["How long does the event loop stand still?", table(pauseRows(), rounds)],
      ["What comes back when nine of ten keys are deleted?", table(removalRows(), rounds)],
    ]),
    notes: [
      "each round is a process of its own; keys come in no order, but in lists",
      "processor time is of all threads: that which touches memory ahead, and those that collect garbage",
      "updates keep their history, which is then compacted: a removed version there is one of them, with the moving of what is left",
      `steady: ${formatNumber(plan.steadySeconds, 1)} s of updates, compacted every second; removal: nine of ten keys are deleted, ` +
        "compacted and their memory reclaimed, as fast as it goes in slices, while the others are updated at the same pace",
      "pauses are what a timer of 1 ms is late, with what other processes of the machine take; the processor time of the longest " +
        "slice of removal is without that",
      "memory is looked at after a collection of garbage, and without the blocks that are touched ahead of growth",
    ],
  };
}

async function measure(plan: Plan): Promise<Figures> {
  const child = fork(join(import.meta.dirname, "measure.ts"), [JSON.stringify(plan)], { execArgv: ["--expose-gc"] });
  const ended = once(child, "exit").then(([code]) => assert(code === 0, "the process that measures has ended"));
  const [[figures]] = await Promise.all([Promise.race([once(child, "message"), ended.then(() => [])]), ended]);
  // The channel gives what was sent, and all that is sent are figures.
  return figures as Figures;
}

function rateTable(rounds: readonly Figures[]): Table {
  const rows: readonly (readonly [what: string, of: (figures: Figures) => Rate, goal: number | null])[] = [
    ["load", ({ load }) => load, LOAD_GOAL],
    ["update, any key", ({ randomUpdate }) => randomUpdate, UPDATE_GOAL],
    ["update, 100 keys", ({ hotUpdate }) => hotUpdate, null],
    ["get, encoded", ({ get }) => get, GET_GOAL],
    [`items of lists of ${LIST_LIMIT}, copied out`, ({ list }) => list, LIST_GOAL],
    ["removed versions", ({ compaction }) => compaction, null],
  ];
  return {
    columns: ["what", "per second", "spread", "CPU µs each", "CPU spread", "goal"],
    rows: rows.map(([what, of, goal]) => {
      const rates = rounds.map((figures) => of(figures).perSecond);
      const costs = rounds.map((figures) => of(figures).cpuMicroseconds);
      return [
        what,
        formatCount(median(rates)),
        formatSpread(spread(rates)),
        formatNumber(median(costs), 3),
        formatSpread(spread(costs)),
        goal === null ? "" : verdict(median(rates), { least: goal }),
      ];
    }),
  };
}

function memoryRows({ keys }: Plan): Row[] {
  const bytesPerKey = ({ memory }: Figures): number =>
    (memory.residentBytes - memory.residentBefore) / keys - KEY_BYTES - VALUE_BYTES;
  const residentGoal = keys === RESIDENT_GOAL_KEYS ? { most: RESIDENT_GOAL_MB } : {};
  return [
    ["resident bytes a key beyond key and value", bytesPerKey, 1, { most: KEY_BYTES_GOAL }],
    ["resident in all, MB", ({ memory }) => memory.residentBytes / MB, 1, residentGoal],
    ["of that before the first key, MB", ({ memory }) => memory.residentBefore / MB, 1],
    ["JavaScript heap, MB", ({ memory }) => memory.heapBytes / MB, 1],
  ];
}

function pauseRows(): Row[] {
  const rowsOf = (when: string, of: (figures: Figures) => Pauses): Row[] => [
    [`${when}: pause p99.9, ms`, (figures) => of(figures).p999Ms, 2],
    [`${when}: longest pause, ms`, (figures) => of(figures).maxMs, 2, { most: PAUSE_GOAL_MS }],
    [`${when}: processor time of the longest slice, ms`, (figures) => of(figures).sliceCpuMs, 2],
    [`${when}: updates/s`, (figures) => of(figures).updatesPerSecond, 0],
  ];
  return [...rowsOf("steady", ({ steady }) => steady), ...rowsOf("removal", ({ removing }) => removing)].concat([
    ["count of all keys, ms", ({ countMs }) => countMs, 4, { most: COUNT_GOAL_MS }],
  ]);
}

function removalRows(): Row[] {
  return [
    [
      "of the blocks, back to the pool, %",
      ({ removal }) => 100 * (1 - removal.usedAfter / removal.usedBefore),
      1,
      { least: RETURNED_GOAL_PERCENT },
    ],
    ["blocks before, MB", ({ removal }) => removal.usedBefore / MB, 1],
    ["blocks after, MB", ({ removal }) => removal.usedAfter / MB, 1],
    ["free blocks that are kept, MB", ({ removal }) => removal.freeAfter / MB, 1],
    ["back to the system, MB", ({ removal }) => (removal.residentBefore - removal.residentAfter) / MB, 1],
    ["resident after, MB", ({ removal }) => removal.residentAfter / MB, 1],
    ["from the compaction to the end, s", ({ removal }) => removal.seconds, 2],
  ];
}

function table(rows: readonly Row[], rounds: readonly Figures[]): Table {
  return {
    columns: ["figure", "median", "lowest", "highest", "goal"],
    rows: rows.map(([what, of, decimals, goal = {}]) => {
      const values = rounds.map(of);
      // Of what must never be, the worst counts.
      const judged = goal.most === PAUSE_GOAL_MS ? Math.max(...values) : median(values);
      return [
        what,
        formatNumber(median(values), decimals),
        formatNumber(Math.min(...values), decimals),
        formatNumber(Math.max(...values), decimals),
        verdict(judged, goal),
      ];
    }),
  };
}

function verdict(value: number, { least, most }: Goal): string {
  if (least !== undefined) return `≥ ${formatCount(least)}: ${value >= least ? "met" : "missed"}`;
  if (most !== undefined) return `≤ ${formatCount(most)}: ${value <= most ? "met" : "missed"}`;
  return "";
}
