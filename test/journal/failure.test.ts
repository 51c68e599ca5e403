import { describe, expect, test } from "vitest";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import type { JournalListener } from "../../journal/journal.ts";
import { isSegmentName, UNNAMED_SEGMENT } from "../../journal/replica/segment.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { readTexts } from "./journal-contract.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import type { DiskOperation, Fault } from "../sim/simulated-disk.ts";
import { seededRandom, SimulatedDisk } from "../sim/simulated-disk.ts";
import { systemTime } from "../../server/clock.ts";

const segmentBytes = 16 * 1024;

function open(disk: SimulatedDisk, listener: JournalListener = new RecordingListener()): Promise<QuorumJournal> {
  return openDirectoryJournal({ ...systemTime, directory: "/journal", listener, segmentBytes, disk });
}

/** Appends records of 500 bytes, one per frame, until the journal fails; gives the failure and how many were committed. */
async function appendUntilFailure(disk: SimulatedDisk): Promise<{ error: Error; committed: number }> {
  const listener = new RecordingListener();
  const journal = await open(disk, listener);
  while (listener.failures.length === 0) {
    const position = journal.append(Buffer.from(`${journal.appended + 1}`.padEnd(500, ".")));
    journal.verify();
    await Promise.race([listener.untilCommitted(position), listener.untilFailed()]);
    if (position > 500) throw new Error("the fault was never met");
  }
  expect(() => journal.append(Buffer.from("late"))).toThrow(expect.objectContaining({ code: "ERR_JOURNAL_FAILED" }));
  journal.verify();
  await journal.close();
  expect(listener.failures).toHaveLength(1);
  expect(listener.committed).toBe(journal.committed);
  return { error: listener.failures[0], committed: journal.committed };
}

/** After the fault is over: everything acknowledged is there in order, at most one record more, and appends go on. */
async function expectRecovered(disk: SimulatedDisk, committed: number): Promise<void> {
  const listener = new RecordingListener();
  const contents = await verifyDirectory(disk, "/journal");
  const journal = await open(disk, listener);
  expect(journal.committed).toBe(contents.lastPosition);
  const found = await readTexts(journal.read(1), 1);
  expect(found.length).toBeGreaterThanOrEqual(committed);
  expect(found.length).toBeLessThanOrEqual(committed + 1);
  expect(found.map((text) => text.length)).toEqual(found.map(() => 500));
  expect(found.map((text) => parseInt(text, 10))).toEqual(found.map((_, index) => index + 1));
  journal.append(Buffer.from("next"));
  await listener.untilCommitted(found.length + 1);
  await journal.close();
  expect(await verifyDirectory(disk, "/journal")).toMatchObject({ lastPosition: found.length + 1, tornBytes: 0 });
}

/** Lets the nth write of frames to a segment meet the fault. */
function faultAtFrame(nth: number, fault: Fault): (operation: DiskOperation) => Fault | null {
  let count = 0;
  return ({ kind, name, at }) =>
    kind === "write" && isSegmentName(name) && at >= 4096 && ++count === nth ? fault : null;
}

describe("a directory journal on a failing disk", () => {
  const faults: [string, Fault, string][] = [
    ["a write error", { code: "EIO" }, "EIO"],
    ["a full disk", { code: "ENOSPC" }, "ENOSPC"],
    ["a short write", { shortBy: 7 }, "short write"],
    ["a write of nothing", { shortBy: Infinity }, "short write: 0 of"],
  ];

  describe.each(faults)("%s", (_, fault, text) => {
    test.each([2, 3, 20])(
      "at frame %i fails the journal, and after reopening nothing acknowledged is missing",
      async (nth) => {
        for (let seed = 0; seed < 10; seed++) {
          const disk = new SimulatedDisk(seededRandom(seed));
          disk.inject = faultAtFrame(nth, fault);
          const { error, committed } = await appendUntilFailure(disk);
          expect(error).toMatchObject({ code: "ERR_JOURNAL_IO", message: expect.stringContaining(text) });
          expect(error.message).toMatch(/^\/journal\/[0-9a-f]{16}\.seg: writing \d+ bytes at offset \d+ failed: /);
          disk.inject = () => null;
          await expectRecovered(disk, committed);
        }
      },
    );

    test("and then a loss of power: nothing acknowledged before or after it is missing", async () => {
      for (let seed = 0; seed < 20; seed++) {
        const disk = new SimulatedDisk(seededRandom(seed));
        disk.inject = faultAtFrame(15, fault);
        const { committed } = await appendUntilFailure(disk);
        disk.inject = () => null;
        const journal = await open(disk);
        const reported = journal.committed;
        expect(reported).toBeGreaterThanOrEqual(committed);
        disk.crash();
        await expectRecovered(disk.restart("power"), reported);
      }
    });
  });

  test("a sync is never tried again: after a failed write the file is not written any more", async () => {
    const disk = new SimulatedDisk(seededRandom(5));
    const fault = faultAtFrame(5, { code: "EIO" });
    let failed = false;
    const after: DiskOperation[] = [];
    disk.inject = (operation) => {
      if (failed) after.push(operation);
      const outcome = fault(operation);
      failed ||= outcome !== null;
      return outcome;
    };
    await appendUntilFailure(disk);
    expect(after.filter(({ kind, name }) => kind === "write" && isSegmentName(name))).toEqual([]);
  });

  test("a failure while the next segment is prepared harms nothing", async () => {
    const disk = new SimulatedDisk(seededRandom(6));
    let refused = 0;
    disk.inject = ({ kind, name, length }) => {
      // The zeros are refused; the header of 4 KiB, at the roll, is not.
      if (kind !== "write" || name !== UNNAMED_SEGMENT || length === 4096) return null;
      refused++;
      return { code: "ENOSPC" };
    };
    const listener = new RecordingListener();
    const journal = await open(disk, listener);
    for (let i = 1; i <= 100; i++) {
      journal.append(Buffer.alloc(500, i));
      await listener.untilCommitted(i);
    }
    await journal.close();
    expect(refused).toBeGreaterThan(0);
    expect(listener.failures).toEqual([]);
    expect((await disk.list("/journal")).length).toBeGreaterThan(3);
    expect(await disk.list("/journal")).not.toContain(UNNAMED_SEGMENT);
  });

  test.each(["create", "rename", "sync", "resize"] as const)(
    "a failing %s where a segment must begin fails the journal, and after reopening nothing acknowledged is missing",
    async (kind) => {
      const disk = new SimulatedDisk(seededRandom(7));
      let opened = false;
      disk.inject = (operation) => {
        opened ||= operation.kind === "write" && isSegmentName(operation.name) && operation.at === 4096;
        return opened && operation.kind === kind ? { code: "EIO" } : null;
      };
      const { error, committed } = await appendUntilFailure(disk);
      expect(error).toMatchObject({ code: "ERR_JOURNAL_IO", message: expect.stringContaining("next segment") });
      disk.inject = () => null;
      await expectRecovered(disk, committed);
    },
  );

  test("a close that cannot write anything any more is no failure, and what was committed stays committed", async () => {
    const disk = new SimulatedDisk(seededRandom(10));
    const listener = new RecordingListener();
    const journal = await open(disk, listener);
    journal.append(Buffer.from("a"));
    await listener.untilCommitted(1);
    disk.inject = ({ kind }) => (kind === "write" ? { code: "EIO" } : null);
    await journal.close();
    expect(listener.failures).toEqual([]);
    disk.inject = () => null;
    const again = await open(disk);
    expect(await readTexts(again.read(1), 1)).toEqual(["a"]);
  });

  test("a failing trim rejects, harms no record, and may be tried again", async () => {
    const disk = new SimulatedDisk(seededRandom(8));
    const listener = new RecordingListener();
    const journal = await open(disk, listener);
    for (let i = 1; i <= 150; i++) {
      journal.append(Buffer.from(`${i}`.padEnd(500, ".")));
      await listener.untilCommitted(i);
    }
    for (const kind of ["remove", "sync"] as const) {
      disk.inject = (operation) => (operation.kind === kind ? { code: "EIO" } : null);
      await expect(journal.trim(100)).rejects.toMatchObject({ code: "ERR_JOURNAL_IO" });
      disk.inject = () => null;
      expect(journal.first).toBe(1);
    }
    await journal.trim(100);
    expect(journal.first).toBeGreaterThan(1);
    const { first } = journal;
    expect(await readTexts(journal.read(first), first)).toHaveLength(151 - first);
    await journal.close();
    expect(await verifyDirectory(disk, "/journal")).toMatchObject({ firstPosition: first, lastPosition: 150 });
    const again = await open(disk);
    expect([again.first, again.committed]).toEqual([first, 150]);
  });

  test("a last frame that reads otherwise the second time is an error of the disk, and the next open finds what is there", async () => {
    const disk = new SimulatedDisk(seededRandom(11));
    const listener = new RecordingListener();
    const journal = await open(disk, listener);
    await listener.untilCommitted(journal.append(Buffer.alloc(500, 1)));
    disk.crash();
    const restarted = disk.restart("power");
    const openForWriting = restarted.openForWriting.bind(restarted);
    // The open reads its end alone: the frame of 72 + 4 + 500 bytes, behind a barrier of 72.
    restarted.openForWriting = async (path) => {
      const file = await openForWriting(path);
      const read = file.read.bind(file);
      file.read = async (bytes, offset, length, position) => {
        const count = await read(bytes, offset, length, position);
        if (length === 576) bytes[offset + 84] ^= 1;
        return count;
      };
      return file;
    };
    const writes: DiskOperation[] = [];
    restarted.inject = (operation) => {
      if (operation.kind === "write") writes.push(operation);
      return null;
    };
    await expect(open(restarted)).rejects.toMatchObject({
      code: "ERR_JOURNAL_IO",
      errno: "EIO",
      message: expect.stringContaining("reading the last frame again, at offset 4168, failed: "),
    });
    expect(writes, "it is not made durable in its place").toEqual([]);
    restarted.openForWriting = openForWriting;
    const again = await open(restarted);
    expect(again.committed).toBe(1);
    await again.close();
  });

  test.each(["list", "open", "read", "write", "sync"] as const)("a failing %s at open is told by it", async (kind) => {
    const disk = new SimulatedDisk(seededRandom(9));
    await (await open(disk)).close();
    disk.inject = (operation) => (operation.kind === kind ? { code: "EIO" } : null);
    await expect(open(disk)).rejects.toMatchObject({ code: "ERR_JOURNAL_IO", message: expect.stringContaining("EIO") });
    disk.inject = () => null;
    expect((await open(disk)).committed).toBe(0);
  });
});
