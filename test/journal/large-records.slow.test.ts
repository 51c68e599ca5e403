/** Records that are larger than a segment. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CURSOR_READ_BYTES } from "../../journal/limits.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import type { Disk } from "../../journal/replica/disk.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../sim/simulated-disk.ts";

const large = 4 * 1024 * 1024 + 1;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "journal-large-"));
});

afterEach(() => rm(directory, { recursive: true }));

function open(listener = new RecordingListener(), disk: Disk = nodeDisk, at = directory): Promise<QuorumJournal> {
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

async function lengths(journal: QuorumJournal): Promise<number[]> {
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

describe("a record that is larger than its segment", () => {
  test("is kept beside small ones", async () => {
    const all = [10, 20, large, 30, 60_000, 40];
    await append(...all);
    expect(await verifyDirectory(nodeDisk, directory)).toMatchObject({ lastPosition: all.length, tornBytes: 0 });
    const journal = await open();
    expect(await lengths(journal)).toEqual(all);
    await journal.close();
  });

  test("has a segment of its own that grows, where the last one has other frames", async () => {
    await append(large);
    await append(large, 10);
    const { segments } = await verifyDirectory(nodeDisk, directory);
    expect(segments.map(({ firstPosition, lastPosition }) => [firstPosition, lastPosition])).toEqual([
      [1, 0],
      [1, 1],
      [2, 1],
      [2, 2],
      [3, 3],
    ]);
    const journal = await open();
    expect(await lengths(journal)).toEqual([large, large, 10]);
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
    // What is read ahead is read in pieces, the large one as well.
    expect(reads.length).toBeGreaterThan((3 * large) / CURSOR_READ_BYTES);
    expect(Math.max(...reads)).toBeLessThanOrEqual(CURSOR_READ_BYTES);
  });
});
