/*
 * Question: how much of a server's start is the journal's? How long does it take to open a journal of so many records, and
 * to read all of them, in time and in CPU? A busy writer left frames of hundreds of records, an idle one a frame for each.
 *
 *     node bench/journal/start.ts [--directory DIR] [--records 1000000] [--bytes 350] [--frames 400,1] [--rounds 3]
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import type { JournalListener } from "../../journal/journal.ts";
import type { Disk, DiskFile } from "../../journal/replica/disk.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { systemTime } from "../../server/clock.ts";

export interface StartBenchOptions {
  /** Must be empty. */
  readonly directory: string;
  readonly records: number;
  readonly recordBytes: number;
  readonly recordsPerFrame: number;
}

/** Of one part of a start. */
export interface Cost {
  readonly milliseconds: number;
  readonly cpuMilliseconds: number;
}

export interface StartBenchResult {
  readonly open: Cost;
  readonly read: Cost;
  readonly recordsRead: number;
  /** Of the bytes read, so that reading them is no idle loop. */
  readonly sum: number;
}

export async function makeJournal(options: StartBenchOptions): Promise<void> {
  const { directory, records, recordBytes, recordsPerFrame } = options;
  const record = Buffer.from(Array.from({ length: recordBytes }, (_, i) => (i * 131 + 1) % 256));
  const written = Promise.withResolvers<void>();
  const listener: JournalListener = {
    onCommitted(committed) {
      if (committed === records) written.resolve();
      else appendFrame();
    },
    onFailed: written.reject,
  };
  const journal = await openDirectoryJournal({ ...systemTime, directory, listener, disk: hastyDisk() });
  function appendFrame(): void {
    const until = Math.min(records, journal.appended + recordsPerFrame);
    while (journal.appended < until) journal.append(record);
  }
  appendFrame();
  await written.promise;
  await journal.close();
}

/** Opens the journal and reads it to its end once, as a server does. */
export async function benchStart(directory: string): Promise<StartBenchResult> {
  const listener: JournalListener = {
    onCommitted: () => undefined,
    onFailed(error) {
      throw error;
    },
  };
  let recordsRead = 0;
  let sum = 0;
  const opening = stopwatch();
  const journal = await openDirectoryJournal({ ...systemTime, directory, listener });
  const open = opening();
  const reading = stopwatch();
  for await (const run of journal.read(journal.first)) {
    for (let i = 0; i < run.count; i++) sum += run.bytes(i)[0];
    recordsRead += run.count;
  }
  const read = reading();
  await journal.close();
  return { open, read, recordsRead, sum };
}

function stopwatch(): () => Cost {
  const start = performance.now();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { milliseconds: performance.now() - start, cpuMilliseconds: (user + system) / 1000 };
  };
}

/** The real disk, which says of each write at once that it is durable: a million that are would take minutes. */
function hastyDisk(): Disk {
  function hasten(file: DiskFile): DiskFile {
    const fd = openSync(file.path, "r+");
    const close = file.close.bind(file);
    file.write = (bytes, length, at, onWritten) => {
      const count = writeSync(fd, bytes, 0, length, at);
      queueMicrotask(() => onWritten(null, count));
    };
    file.close = () => {
      closeSync(fd);
      return close();
    };
    return file;
  }
  return {
    makeDirectory: (path) => nodeDisk.makeDirectory(path),
    list: (path) => nodeDisk.list(path),
    create: async (path) => hasten(await nodeDisk.create(path)),
    openForWriting: async (path) => hasten(await nodeDisk.openForWriting(path)),
    openForReading: (path) => nodeDisk.openForReading(path),
    openLocked: (path) => nodeDisk.openLocked(path),
    isNameOf: (path, file) => nodeDisk.isNameOf(path, file),
    rename: (from, to) => nodeDisk.rename(from, to),
    remove: (path) => nodeDisk.remove(path),
    syncDirectory: (path) => nodeDisk.syncDirectory(path),
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      directory: { type: "string", default: tmpdir() },
      records: { type: "string", default: "1000000" },
      bytes: { type: "string", default: "350" },
      frames: { type: "string", default: "400,1" },
      rounds: { type: "string", default: "3" },
    },
  });
  const text = ({ milliseconds, cpuMilliseconds }: Cost): string =>
    `${Math.round(milliseconds)} ms (${Math.round(cpuMilliseconds)} ms CPU)`;
  for (const recordsPerFrame of values.frames.split(",").map(Number)) {
    const directory = await mkdtemp(join(values.directory, "journal-start-"));
    await makeJournal({
      directory,
      records: Number(values.records),
      recordBytes: Number(values.bytes),
      recordsPerFrame,
    });
    for (let round = 0; round < Number(values.rounds); round++) {
      const { open, read, recordsRead, sum } = await benchStart(directory);
      console.log(
        `${recordsRead} records, ${recordsPerFrame} to a frame: open ${text(open)}, read ${text(read)}, sum ${sum}`,
      );
    }
    await rm(directory, { recursive: true });
  }
}
