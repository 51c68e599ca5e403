/** Records beyond what version 1 of the format has. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import type { DirectoryJournal } from "../../journal/directory-journal.ts";
import { RECORD_BYTES_MAX_V1 } from "../../journal/limits.ts";
import type { Disk } from "../../journal/replica/disk.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { isSegmentName } from "../../journal/replica/segment.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../sim/simulated-disk.ts";

const large = RECORD_BYTES_MAX_V1 + 1;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "journal-large-"));
});

afterEach(() => rm(directory, { recursive: true }));

function open(listener = new RecordingListener(), disk: Disk = nodeDisk, at = directory): Promise<DirectoryJournal> {
  return openDirectoryJournal({ ...systemTime, directory: at, listener, segmentBytes: 64 * 1024, disk });
}

function recordOf(length: number): Buffer {
  return Buffer.alloc(length, length % 251);
}

/** Appends records of these lengths, one to a frame. */
async function append(...records: number[]): Promise<void> {
  const listener = new RecordingListener();
  const journal = await open(listener);
  for (const length of records) await listener.untilCommitted(journal.append(recordOf(length)));
  await journal.close();
}

async function lengths(journal: DirectoryJournal): Promise<number[]> {
  const found: number[] = [];
  for await (const run of journal.read(1)) {
    for (let i = 0; i < run.count; i++) {
      const bytes = run.bytes(i);
      expect(bytes.equals(recordOf(bytes.length))).toBe(true);
      found.push(bytes.length);
    }
  }
  return found;
}

async function versions(): Promise<number[]> {
  const names = (await readdir(directory)).filter(isSegmentName).toSorted();
  return Promise.all(names.map(async (name) => (await readFile(join(directory, name))).readUInt32LE(8)));
}

describe("a record that version 1 of the format has not", () => {
  test("makes its segment one of version 2, and no other: programs that know version 1 read the rest", async () => {
    const all = [10, RECORD_BYTES_MAX_V1, 20, large, 30, 60_000, 40];
    await append(...all);
    expect(await versions()).toEqual([1, 1, 1, 2, 1]);
    expect(await verifyDirectory(nodeDisk, directory)).toMatchObject({ lastPosition: all.length, tornBytes: 0 });
    const journal = await open();
    expect(await lengths(journal)).toEqual(all);
    await journal.close();
  });

  test("is taken by a segment of version 1 without a record, which becomes one of version 2", async () => {
    await append();
    expect(await versions()).toEqual([1]);
    await append(large, 10);
    expect(await versions()).toEqual([2, 1]);
    const journal = await open();
    expect(await lengths(journal)).toEqual([large, 10]);
    await journal.close();
  });

  test("is whole or not there, at whatever step of the disk its writer is stopped", async () => {
    for (const before of [[], [10]]) {
      const whole = [...before, large];
      for (let after = 1, crashed = true; crashed; after++) {
        const random = seededRandom(after);
        const disk = new SimulatedDisk(random);
        const listener = new RecordingListener();
        const journal = await open(listener, disk, "/journal");
        for (const length of before) await listener.untilCommitted(journal.append(recordOf(length)));
        disk.crashAfter(after);
        journal.append(recordOf(large));
        await Promise.race([listener.untilCommitted(before.length + 1), disk.crashed]);
        crashed = disk.hasCrashed;
        disk.crash();
        const again = await open(new RecordingListener(), disk.restart(random() < 0.5 ? "power" : "kill"), "/journal");
        expect([before, whole]).toContainEqual(await lengths(again));
        expect(again.committed).toBeGreaterThanOrEqual(listener.committed);
      }
    }
  });

  test("leaves a reader of small records behind it with small reads", async () => {
    const disk = new SimulatedDisk(seededRandom(1));
    const listener = new RecordingListener();
    const journal = await open(listener, disk, "/journal");
    for (const length of [10, 3 * large, ...Array.from({ length: 20 }, (_, i) => 50_000 + i)]) {
      await listener.untilCommitted(journal.append(recordOf(length)));
    }
    const reads: number[] = [];
    const openForReading = disk.openForReading.bind(disk);
    disk.openForReading = async (path) => {
      const file = await openForReading(path);
      const read = file.read.bind(file);
      file.read = (bytes, offset, length, at) => {
        reads.push(bytes.length);
        return read(bytes, offset, length, at);
      };
      return file;
    };
    expect(await lengths(journal)).toHaveLength(22);
    await journal.close();
    expect(reads.filter((bytes) => bytes > 3 * large)).not.toEqual([]);
    expect(reads.at(-1)).toBeLessThan(large);
  });
});
