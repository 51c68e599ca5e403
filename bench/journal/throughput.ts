/**
 * How many records a second are committed, how long each waits and what it costs, with C appenders that append again when
 * their record is committed; beside the control (frame-writer.ts), by turns.
 */

import { type Form, type Measured, WriterProcess } from "./writer-process.ts";
import type { BenchOptions } from "../options.ts";
import { formatCount, formatNumber, formatSpread, type Table } from "../report.ts";
import { median, spread } from "../statistics.ts";

export const RECORD_BYTES = 400;

export const ONE_DIRECTORY: Form = { name: "1 directory", directories: 1, processes: 0 };
export const THREE_DIRECTORIES: Form = { name: "3 directories", directories: 3, processes: 0 };
export const THREE_PROCESSES: Form = { name: "3 processes, TCP", directories: 0, processes: 3 };
const MIXED: Form = { name: "1 directory, 2 processes", directories: 1, processes: 2 };
const FORMS = [ONE_DIRECTORY, THREE_DIRECTORIES, THREE_PROCESSES, MIXED];

/** Records a second, by appenders. */
const GOALS = new Map([
  [
    THREE_DIRECTORIES,
    new Map([
      [64, 120_000],
      [512, 300_000],
    ]),
  ],
  [
    THREE_PROCESSES,
    new Map([
      [64, 60_000],
      [512, 200_000],
    ]),
  ],
]);

interface Contender {
  readonly form: Form;
  readonly isControl: boolean;
  readonly writer: WriterProcess;
}

/** Of one form at one number of appenders. */
interface Rounds {
  readonly ours: readonly Measured[];
  readonly control: readonly Measured[];
}

export async function measureThroughput(options: BenchOptions): Promise<Table> {
  const rows: string[][] = [];
  const contenders: Contender[] = [];
  try {
    for (const form of FORMS) {
      for (const isControl of [false, true]) {
        contenders.push({ form, isControl, writer: await WriterProcess.start(form, isControl) });
      }
    }
    for (const inFlight of options.small ? [8] : [1, 64, 512]) {
      const results = await runRounds(contenders, inFlight, options);
      for (const form of FORMS) {
        const roundsOf = (isControl: boolean): readonly Measured[] =>
          results[contenders.findIndex((one) => one.form === form && one.isControl === isControl)];
        rows.push(row(form, inFlight, { ours: roundsOf(false), control: roundsOf(true) }));
      }
    }
  } finally {
    for (const { writer } of contenders) await writer.stop();
  }
  return {
    columns: [
      "replicas",
      "in flight",
      "records/s",
      "spread",
      "p50 ms",
      "p99 ms",
      "writer µs/record",
      "replicas µs/record",
      "control records/s",
      "spread",
      "control µs/record",
      "of control",
      "goal",
    ],
    rows,
  };
}

/** The rounds of every contender, in the order of the contenders. */
async function runRounds(
  contenders: readonly Contender[],
  inFlight: number,
  { rounds, warmUpSeconds, seconds }: BenchOptions,
): Promise<Measured[][]> {
  const results: Measured[][] = contenders.map(() => []);
  const order = contenders.map((_, i) => i);
  for (let round = 0; round < rounds; round++) {
    // Every other round the other way about: what the machine does over time falls on all of them.
    for (const i of round % 2 === 0 ? order : order.toReversed()) {
      const { form, writer } = contenders[i];
      const measured = await writer.run({ inFlight, recordBytes: RECORD_BYTES, warmUpSeconds, seconds });
      if (measured.failed > 0) throw new Error(`${form.name}: ${measured.failed} appends have failed`);
      results[i].push(measured);
    }
  }
  return results;
}

function row(form: Form, inFlight: number, { ours, control }: Rounds): string[] {
  const rate = ({ records, seconds }: Measured): number => records / seconds;
  const middle = (rounds: readonly Measured[], of: (measured: Measured) => number): number => median(rounds.map(of));
  const writerMicroseconds = ({ cpuSeconds, records }: Measured): number => (cpuSeconds * 1e6) / records;
  const replicaMicroseconds = ({ replicaCpuSeconds, records }: Measured): number => (replicaCpuSeconds * 1e6) / records;
  const goal = GOALS.get(form)?.get(inFlight) ?? null;
  const reached = middle(ours, rate);
  return [
    form.name,
    `${inFlight}`,
    formatCount(reached),
    formatSpread(spread(ours.map(rate))),
    formatNumber(
      middle(ours, ({ p50Ms }) => p50Ms),
      3,
    ),
    formatNumber(
      middle(ours, ({ p99Ms }) => p99Ms),
      3,
    ),
    formatNumber(middle(ours, writerMicroseconds), 2),
    form.processes === 0 ? "" : formatNumber(middle(ours, replicaMicroseconds), 2),
    formatCount(middle(control, rate)),
    formatSpread(spread(control.map(rate))),
    formatNumber(
      middle(control, (measured) => writerMicroseconds(measured) + replicaMicroseconds(measured)),
      2,
    ),
    `${formatNumber(100 * median(ours.map((measured, i) => rate(measured) / rate(control[i]))), 0)} %`,
    goal === null ? "" : `${formatCount(goal)}: ${reached >= goal ? "met" : "not met"}`,
  ];
}
