/**
 * How fast a start reads and checks what a directory holds, warm in the page cache, beside a bare read of the same files. A busy
 * writer left frames of many records, an idle one a frame for each.
 */

import { mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { hastyDisk } from "./disks.ts";
import { RECORD_BYTES } from "./throughput.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "../../journal/frame.ts";
import type { JournalListener } from "../../journal/journal.ts";
import { RECOVERY_READ_BYTES } from "../../journal/limits.ts";
import { isSegmentName } from "../../journal/replica/segment.ts";
import { systemTime } from "../../server/clock.ts";
import type { BenchOptions } from "../options.ts";
import { formatCount, formatSpread, type Table } from "../report.ts";
import { median, spread } from "../statistics.ts";

const GOAL_MEGABYTES_PER_SECOND = 400;

/** Megabytes a second. */
interface Round {
  readonly scan: number;
  readonly records: number;
  readonly bare: number;
}

export async function measureRecovery(options: BenchOptions): Promise<Table> {
  const rows: string[][] = [];
  for (const recordsPerFrame of [64, 1]) {
    const frameBytes = FRAME_HEADER_BYTES + recordsPerFrame * (RECORD_HEADER_BYTES + RECORD_BYTES);
    const frames = Math.ceil((options.small ? 2 ** 20 : 2 ** 30) / frameBytes);
    const directory = await mkdtemp(join(tmpdir(), "plinth-bench-"));
    try {
      await makeJournal(directory, frames, recordsPerFrame);
      const rounds: Round[] = [];
      for (let round = 0; round < options.rounds; round++) {
        rounds.push(await runRound(directory, (frames * frameBytes) / 1e6, frames * recordsPerFrame));
      }
      rows.push(row(recordsPerFrame, rounds));
    } finally {
      await rm(directory, { recursive: true });
    }
  }
  return {
    columns: ["records in a frame", "scan MB/s", "spread", "records read MB/s", "bare read MB/s", "goal"],
    rows,
  };
}

/** A bare read, and then a server's start: it opens its journal, and reads all of it. */
async function runRound(directory: string, megabytes: number, records: number): Promise<Round> {
  const readSeconds = stopwatch();
  const bare = (await readBarely(directory)) / readSeconds();
  const openSeconds = stopwatch();
  const journal = await openDirectoryJournal({ ...systemTime, directory, listener: LISTENER });
  const scan = megabytes / openSeconds();
  const recordSeconds = stopwatch();
  let count = 0;
  for await (const run of journal.read(journal.first)) count += run.count;
  const read = megabytes / recordSeconds();
  await journal.close();
  if (count !== records) throw new Error(`${count} of ${records} records were read`);
  return { bare, scan, records: read };
}

const LISTENER: JournalListener = {
  onCommitted: () => {},
  onFailed(error) {
    throw error;
  },
};

/** Resolves to the megabytes read. */
async function readBarely(directory: string): Promise<number> {
  const bytes = Buffer.allocUnsafeSlow(RECOVERY_READ_BYTES);
  let total = 0;
  for (const name of (await readdir(directory)).filter(isSegmentName)) {
    const file = await open(join(directory, name));
    for (;;) {
      const { bytesRead } = await file.read(bytes, 0, bytes.length);
      if (bytesRead === 0) break;
      total += bytesRead;
    }
    await file.close();
  }
  return total / 1e6;
}

async function makeJournal(directory: string, frames: number, recordsPerFrame: number): Promise<void> {
  const record = Buffer.from(Array.from({ length: RECORD_BYTES }, (_, i) => (i * 131 + 1) % 256));
  const written = Promise.withResolvers<void>();
  const appendFrame = (): void => {
    for (let i = 0; i < recordsPerFrame; i++) journal.append(record);
  };
  const journal = await openDirectoryJournal({
    ...systemTime,
    directory,
    disk: hastyDisk(),
    listener: {
      onCommitted(committed) {
        if (committed === frames * recordsPerFrame) written.resolve();
        else appendFrame();
      },
      onFailed: written.reject,
    },
  });
  appendFrame();
  await written.promise;
  await journal.close();
}

/** Gives the seconds since it was made. */
function stopwatch(): () => number {
  const beganAtMs = performance.now();
  return () => (performance.now() - beganAtMs) / 1000;
}

function row(recordsPerFrame: number, rounds: readonly Round[]): string[] {
  const scans = rounds.map(({ scan }) => scan);
  const reached = median(scans);
  const goal = GOAL_MEGABYTES_PER_SECOND;
  return [
    `${recordsPerFrame}`,
    formatCount(reached),
    formatSpread(spread(scans)),
    formatCount(median(rounds.map(({ records }) => records))),
    formatCount(median(rounds.map(({ bare }) => bare))),
    `${goal}: ${reached >= goal ? "met" : "not met"}`,
  ];
}
