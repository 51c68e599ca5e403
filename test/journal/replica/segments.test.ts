import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDirectoryJournal } from "../../../journal/directory-journal.ts";
import { CURSOR_READ_BYTES, ZERO_STEP_BYTES } from "../../../journal/limits.ts";
import { isSegmentName, UNNAMED_SEGMENT } from "../../../journal/replica/segment.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { nodeDisk } from "../../../journal/replica/disk.ts";
import { readTexts } from "../journal-contract.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import type { DiskOperation } from "../../sim/simulated-disk.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { systemTime } from "../../../server/clock.ts";

describe("the segments of a directory journal", () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "journal-segments-"));
  });

  afterEach(() => rm(directory, { recursive: true }));

  test("a hundred of them are one journal: read, followed, trimmed and opened again", async () => {
    const options = { directory, segmentBytes: 8192 };
    const listener = new RecordingListener();
    const journal = await openDirectoryJournal({ ...systemTime, ...options, listener });
    const tail = readTexts(journal.tail(1, new AbortController().signal), 1);
    const texts: string[] = [];
    for (let i = 1; i <= 600; i++) {
      texts.push(`${i} `.padEnd(1000, "."));
      journal.append(Buffer.from(texts[i - 1]));
      if (i % 3 === 0) await listener.untilCommitted(i);
      journal.verify();
    }
    await listener.untilCommitted(600);
    expect((await readdir(directory)).filter(isSegmentName).length).toBeGreaterThan(100);
    expect(await readTexts(journal.read(1), 1)).toEqual(texts);
    expect(await readTexts(journal.read(300), 300)).toEqual(texts.slice(299));
    await journal.close();
    expect(await tail).toEqual(texts);

    expect(await verifyDirectory(nodeDisk, directory)).toMatchObject({
      lastIndex: 201,
      lastPosition: 600,
      committed: 201,
      lastEpoch: 1,
    });
    const again = await openDirectoryJournal({ ...systemTime, ...options, listener });
    await again.trim(480);
    again.verify();
    const { first } = again;
    expect(first).toBeGreaterThan(470);
    expect((await readdir(directory)).filter(isSegmentName).length).toBeLessThan(50);
    expect(await readTexts(again.read(first), first)).toEqual(texts.slice(first - 1));
    await again.close();
    expect(await verifyDirectory(nodeDisk, directory)).toMatchObject({ firstPosition: first, lastPosition: 600 });
  });

  test("a reader keeps the segment it is in, and meets ERR_TRIMMED where the next was trimmed", async () => {
    const listener = new RecordingListener();
    // A segment is read in several pieces.
    const segmentBytes = 4 * CURSOR_READ_BYTES;
    const journal = await openDirectoryJournal({ ...systemTime, directory, segmentBytes, listener });
    for (let i = 1; i <= 40; i++) {
      journal.append(Buffer.alloc(CURSOR_READ_BYTES / 3, i));
      await listener.untilCommitted(i);
    }
    const reader = journal.read(1)[Symbol.asyncIterator]();
    const { value } = await reader.next();
    expect(value).toMatchObject({ first: 1, count: 2 });
    await journal.trim(30);
    expect(journal.first).toBeGreaterThan(20);
    expect(await reader.next()).toMatchObject({ value: { first: 3, count: 2 } });
    const rest = async (): Promise<void> => {
      while (!(await reader.next()).done);
    };
    await expect(rest()).rejects.toMatchObject({ code: "ERR_TRIMMED" });
    await journal.close();
  });

  test("the next one is filled with zeros step by step while the one before is in use, and taken as it is", async () => {
    const segmentBytes = 4 * ZERO_STEP_BYTES;
    const disk = new SimulatedDisk(seededRandom(1));
    const zeroSteps: DiskOperation[] = [];
    const operations: string[] = [];
    const filled = Promise.withResolvers<void>();
    disk.inject = (operation) => {
      if (operation.kind === "write" && operation.name === UNNAMED_SEGMENT && operation.length === ZERO_STEP_BYTES) {
        zeroSteps.push(operation);
        if (zeroSteps.length === 4) filled.resolve();
      } else if ((operation.kind === "create" || operation.kind === "rename") && operation.name === UNNAMED_SEGMENT) {
        operations.push(operation.kind);
      }
      return null;
    };
    const listener = new RecordingListener();
    const journal = await openDirectoryJournal({ ...systemTime, directory: "/journal", segmentBytes, listener, disk });
    const record = Buffer.alloc(100_000, 1);
    const append = (): Promise<void> => listener.untilCommitted(journal.append(record));
    for (let i = 0; i < 2; i++) await append();
    expect([operations, zeroSteps]).toEqual([["create", "rename"], []]);
    await append();
    await filled.promise;
    expect(zeroSteps.map(({ at }) => at)).toEqual([0, 1, 2, 3].map((step) => step * ZERO_STEP_BYTES));
    for (let i = 0; i < 8; i++) await append();
    expect(operations).toEqual(["create", "rename", "create", "rename"]);
    expect(zeroSteps).toHaveLength(4);
    expect(await readTexts(journal.read(1), 1)).toHaveLength(11);
    await journal.close();
    expect((await disk.list("/journal")).filter(isSegmentName)).toHaveLength(2);
    expect(await verifyDirectory(disk, "/journal")).toMatchObject({ lastPosition: 11, tornBytes: 0 });
  });

  test("a burst that is faster than the zeros rolls without waiting for them", async () => {
    const segmentBytes = 4 * ZERO_STEP_BYTES;
    const disk = new SimulatedDisk(seededRandom(2));
    const listener = new RecordingListener();
    const journal = await openDirectoryJournal({ ...systemTime, directory: "/journal", segmentBytes, listener, disk });
    for (let i = 0; i < 100; i++) journal.append(Buffer.alloc(100_000, i));
    await listener.untilCommitted(100);
    const texts = await readTexts(journal.read(1), 1);
    expect(texts.map((text) => text.charCodeAt(99_999))).toEqual(Array.from({ length: 100 }, (_, i) => i));
    await journal.close();
    expect((await disk.list("/journal")).length).toBeGreaterThan(9);
  });
});
