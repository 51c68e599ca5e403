/**
 * What a replica that goes costs those who append: how many appends fail, and how long nothing is committed, beside the same
 * load without a fault.
 */

import { RECORD_BYTES, THREE_DIRECTORIES, THREE_PROCESSES } from "./throughput.ts";
import { type Form, type Measured, WriterProcess } from "./writer-process.ts";
import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, type Table } from "../report.ts";
import { median } from "../statistics.ts";

const IN_FLIGHT = 64;
const GAP_GOAL_MS = 100;

interface Fault {
  readonly name: string;
  readonly form: Form;
  strike(writer: WriterProcess): void;
}

const FAULTS: readonly Fault[] = [
  { name: "a process is killed", form: THREE_PROCESSES, strike: (writer) => writer.killReplica(1) },
  { name: "a directory's disk fails", form: THREE_DIRECTORIES, strike: (writer) => writer.breakDirectory(1) },
];

/** One writer's two runs. */
interface Round {
  readonly without: Measured;
  readonly with: Measured;
}

export async function measureFaults(options: BenchOptions): Promise<Table> {
  const rounds = new Map<Fault, Round[]>(FAULTS.map((fault) => [fault, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const fault of FAULTS) rounds.get(fault)?.push(await runRound(fault, options));
  }
  return {
    columns: [
      "fault",
      "replicas",
      "failed appends",
      "records/s before",
      "records/s with it",
      "longest gap before, ms",
      "longest gap with it, ms",
      "worst round, ms",
      "goal",
    ],
    rows: [...rounds].map(([fault, measured]) => row(fault, measured)),
  };
}

async function runRound({ form, strike }: Fault, { warmUpSeconds, seconds }: BenchOptions): Promise<Round> {
  const writer = await WriterProcess.start(form, false);
  try {
    const run = { inFlight: IN_FLIGHT, recordBytes: RECORD_BYTES, warmUpSeconds, seconds };
    const without = await writer.run(run);
    const struck = await writer.run(run, () => setTimeout(() => strike(writer), (seconds * 1000) / 3));
    return { without, with: struck };
  } finally {
    await writer.stop();
  }
}

function row({ name, form }: Fault, rounds: readonly Round[]): string[] {
  const rate = ({ records, seconds }: Measured): number => records / seconds;
  const gaps = rounds.map((round) => round.with.longestGapMs);
  const isMet = Math.max(...gaps) <= GAP_GOAL_MS;
  return [
    name,
    form.name,
    formatCount(rounds.reduce((sum, round) => sum + round.without.failed + round.with.failed, 0)),
    formatCount(median(rounds.map((round) => rate(round.without)))),
    formatCount(median(rounds.map((round) => rate(round.with)))),
    formatNumber(median(rounds.map((round) => round.without.longestGapMs)), 1),
    formatNumber(median(gaps), 1),
    formatNumber(Math.max(...gaps), 1),
    `${GAP_GOAL_MS} ms: ${isMet ? "met" : "not met"}`,
  ];
}
