/*
 * Question: how many records a second does a start execute again, and how long does it look at the journal before?
 */

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, formatSpread, type SuiteReport } from "../report.ts";
import { median, spread } from "../statistics.ts";
import { KEY_BYTES, makeJournal, type Puts, VALUE_BYTES } from "./make.ts";
import type { Start } from "./measure.ts";

const UPDATE_GOAL = 300_000;
const BUSY_FRAME_RECORDS = 64;

interface Stock {
  readonly what: string;
  readonly puts: Puts;
  readonly goal: number | null;
}

export async function benchStart(options: BenchOptions): Promise<SuiteReport> {
  const rows: string[][] = [];
  for (const { what, puts, goal } of stocks(options)) {
    const directory = await mkdtemp(join(tmpdir(), "plinth-bench-"));
    try {
      await makeJournal(directory, puts);
      const starts: Start[] = [];
      for (let round = 0; round < options.rounds; round++) starts.push(await measure(directory, puts));
      rows.push(row(what, starts, goal));
    } finally {
      await rm(directory, { recursive: true });
    }
  }
  return {
    name: "start",
    question:
      "How many records a second does a start execute again, and how long does it look at the journal before? " +
      `${formatCount(options.keys)} puts of keys of ${KEY_BYTES} bytes with values of ${VALUE_BYTES} bytes, in three directories, ` +
      "warm in the page cache.",
    versions: [],
    columns: ["puts", "replayed/s", "spread", "replay s", "open s", "CPU µs/record", "goal"],
    rows,
    notes: [
      "each round is a process of its own, that opens the three directories and executes what one of them has",
      "processor time is of all threads, and of the open as well",
      "creations are of keys in no order, and take what the keyspace takes for them (the suite `keyspace`)",
    ],
  };
}

function stocks({ keys, small }: BenchOptions): Stock[] {
  const busy = { records: keys, recordsPerFrame: BUSY_FRAME_RECORDS };
  const hot = Math.min(keys, small ? 1_000 : 10_000);
  return [
    { what: "creations, a busy server's", puts: { ...busy, keys }, goal: null },
    { what: "updates, a busy server's", puts: { ...busy, keys: hot }, goal: UPDATE_GOAL },
    { what: "updates, a frame for each", puts: { records: keys, recordsPerFrame: 1, keys: hot }, goal: null },
  ];
}

async function measure(directory: string, { records, keys }: Puts): Promise<Start> {
  const child = fork(join(import.meta.dirname, "measure.ts"), [directory]);
  const ended = once(child, "exit").then(([code]) => assert(code === 0, "the process that measures has ended"));
  const [[message]] = await Promise.all([Promise.race([once(child, "message"), ended.then(() => [])]), ended]);
  // The channel gives what was sent, and all that is sent is a start.
  const start = message as Start;
  assert(start.records === records && start.keys === keys, "a start executes all");
  return start;
}

function row(what: string, starts: readonly Start[], goal: number | null): string[] {
  const rates = starts.map(({ records, replaySeconds }) => records / replaySeconds);
  const reached = median(rates);
  const isMet = goal !== null && reached >= goal;
  return [
    what,
    formatCount(reached),
    formatSpread(spread(rates)),
    formatNumber(median(starts.map(({ replaySeconds }) => replaySeconds)), 2),
    formatNumber(median(starts.map(({ openSeconds }) => openSeconds)), 2),
    formatNumber(median(starts.map(({ records, cpuSeconds }) => (cpuSeconds * 1e6) / records)), 2),
    goal === null ? "" : `≥ ${formatCount(goal)}: ${isMet ? "met" : "missed"}`,
  ];
}
