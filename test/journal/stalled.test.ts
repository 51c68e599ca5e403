import { describe, expect, test } from "vitest";
import type { DirectoryJournalOptions } from "../../journal/directory-journal.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { RESERVE_NAME } from "../../journal/replica/room-reserve.ts";
import { isSegmentName, UNNAMED_SEGMENT } from "../../journal/replica/segment.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import type { DiskOperation } from "../sim/simulated-disk.ts";
import { seededRandom, SimulatedDisk } from "../sim/simulated-disk.ts";
import { readTexts } from "./journal-contract.ts";

const segmentBytes = 16 * 1024;

/** Its pauses are short, as nothing here takes longer. */
const clock = { ...systemTime.clock, after: (_: number, act: () => void) => systemTime.clock.after(1, act) };

const PASSING = ["EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT", "EAGAIN"];

/** The steps of a roll, each before a byte of the frame that waits for it. */
const STEPS: readonly (readonly [name: string, isStep: (operation: DiskOperation) => boolean])[] = [
  ["making the file", ({ kind, name }) => kind === "create" && name === UNNAMED_SEGMENT],
  ["giving it its size", ({ kind, name }) => kind === "resize" && name === UNNAMED_SEGMENT],
  ["writing its header", ({ kind, name, at, length }) => isUnnamed(kind, name) && at === 0 && length === 4096],
  ["naming it", ({ kind, name }) => kind === "rename" && name === UNNAMED_SEGMENT],
  ["making the name durable", ({ kind }) => kind === "sync"],
];

function isUnnamed(kind: string, name: string): boolean {
  return kind === "write" && name === UNNAMED_SEGMENT;
}

function open(
  disk: SimulatedDisk,
  listener: RecordingListener,
  options: Partial<DirectoryJournalOptions> = {},
): Promise<QuorumJournal> {
  return openDirectoryJournal({
    ...systemTime,
    clock,
    directory: "/journal",
    listener,
    segmentBytes,
    disk,
    ...options,
  });
}

function record(position: number): Buffer {
  return Buffer.from(`${position}`.padEnd(500, "."));
}

function expectedTexts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => record(i + 1).toString());
}

/** Appends until the journal has stalled, and gives the last position. */
async function appendUntilStalled(journal: QuorumJournal, listener: RecordingListener): Promise<number> {
  for (;;) {
    const position = journal.append(record(journal.appended + 1));
    await Promise.race([listener.untilCommitted(position), listener.untilStalls(1)]);
    if (listener.stalls.length > 0) return position;
    if (position > 500) throw new Error("the fault was never met");
  }
}

describe("a directory journal that cannot make its next segment for now", () => {
  describe.each(PASSING)("for %s", (code) => {
    test.each(STEPS)("at %s stalls, keeps what is appended, and goes on when that has passed", async (_, isStep) => {
      const disk = new SimulatedDisk(seededRandom(7));
      let isBeginning = true;
      let refused = 0;
      disk.inject = (operation) => {
        isBeginning &&= !(operation.kind === "write" && operation.at === 4096);
        if (isBeginning || !isStep(operation) || refused === 4) return null;
        refused++;
        return { code };
      };
      const listener = new RecordingListener();
      const journal = await open(disk, listener);
      const stalledAt = await appendUntilStalled(journal, listener);
      expect(listener.stalls[0]).toMatchObject({ code: "ERR_JOURNAL_IO", errno: code, isPassing: true });
      expect(journal.committed).toBe(stalledAt - 1);
      for (let i = 0; i < 10; i++) journal.append(record(journal.appended + 1));
      journal.verify();
      await listener.untilCommitted(stalledAt + 10);
      expect(listener.stalls).toEqual([listener.stalls[0], null]);
      expect(listener.failures).toEqual([]);
      expect(refused).toBe(4);
      for (let i = 0; i < 100; i++) await listener.untilCommitted(journal.append(record(journal.appended + 1)));
      await journal.close();
      expect(await verifyDirectory(disk, "/journal")).toMatchObject({ tornBytes: 0, lastPosition: stalledAt + 110 });
      const again = await open(disk, new RecordingListener());
      expect(await readTexts(again.read(1), 1)).toEqual(expectedTexts(stalledAt + 110));
      await again.close();
    });
  });

  test.each(STEPS)("at %s and then loses power keeps all that was acknowledged", async (_, isStep) => {
    for (let seed = 0; seed < 10; seed++) {
      const disk = new SimulatedDisk(seededRandom(seed));
      let isBeginning = true;
      disk.inject = (operation) => {
        isBeginning &&= !(operation.kind === "write" && operation.at === 4096);
        return !isBeginning && isStep(operation) ? { code: "ENOSPC" } : null;
      };
      const listener = new RecordingListener();
      const journal = await open(disk, listener);
      const stalledAt = await appendUntilStalled(journal, listener);
      disk.crash();
      const again = await open(disk.restart("power"), new RecordingListener());
      expect(await readTexts(again.read(1), 1)).toEqual(expectedTexts(stalledAt - 1));
    }
  });

  test("fails when it is closed: what waits is not waited for", async () => {
    const disk = new SimulatedDisk(seededRandom(3));
    let isFull = false;
    disk.inject = ({ kind, name }) =>
      isFull && (kind === "create" || isUnnamed(kind, name)) ? { code: "EMFILE" } : null;
    const listener = new RecordingListener();
    const journal = await open(disk, listener);
    isFull = true;
    const stalledAt = await appendUntilStalled(journal, listener);
    await journal.close();
    expect(listener.failures).toEqual([expect.objectContaining({ errno: "EMFILE" })]);
    isFull = false;
    const again = await open(disk, new RecordingListener());
    expect(again.committed).toBe(stalledAt - 1);
    await again.close();
  });

  test("makes it in the background as soon as it can, and so does not stall at all", async () => {
    const disk = new SimulatedDisk(seededRandom(4));
    let now = 0;
    const manual = { ...clock, nowMs: () => now };
    let refused = 0;
    const listener = new RecordingListener();
    const journal = await open(disk, listener, { clock: manual });
    disk.inject = ({ kind, name }) => {
      if (kind !== "create" || name !== UNNAMED_SEGMENT || refused === 1) return null;
      refused++;
      return { code: "EMFILE" };
    };
    const creates: string[] = [];
    for (let i = 1; i <= 20; i++) {
      await listener.untilCommitted(journal.append(record(i)));
      now += 1_000;
      if ((await disk.list("/journal")).includes(UNNAMED_SEGMENT)) creates.push(`before the roll, at ${i}`);
    }
    expect(refused).toBe(1);
    expect(creates.length).toBeGreaterThan(0);
    expect(listener.stalls).toEqual([]);
    await journal.close();
  });
});

describe("the room that a directory journal sets aside", () => {
  const isReserve = ({ name }: DiskOperation): boolean => name === RESERVE_NAME;

  async function hasReserve(disk: SimulatedDisk): Promise<boolean> {
    return (await disk.list("/journal")).includes(RESERVE_NAME);
  }

  test("is given back to a roll that has none, and taken again when there is some", async () => {
    const disk = new SimulatedDisk(seededRandom(5));
    const listener = new RecordingListener();
    const journal = await open(disk, listener);
    await listener.untilCommitted(journal.append(record(1)));
    expect(await hasReserve(disk)).toBe(true);
    // Room for what a roll needs comes of the reserve alone.
    let isReleased = false;
    disk.inject = (operation) => {
      isReleased ||= operation.kind === "remove" && isReserve(operation);
      return !isReleased && operation.kind === "write" && operation.name === UNNAMED_SEGMENT
        ? { code: "ENOSPC" }
        : null;
    };
    const stalledAt = await appendUntilStalled(journal, listener);
    await listener.untilCommitted(stalledAt);
    expect(isReleased).toBe(true);
    disk.inject = () => null;
    while (!(await hasReserve(disk))) await listener.untilCommitted(journal.append(record(journal.appended + 1)));
    await journal.close();
  });

  test("is given back to an open that has none", async () => {
    const disk = new SimulatedDisk(seededRandom(6));
    const listener = new RecordingListener();
    const journal = await open(disk, listener);
    await listener.untilCommitted(journal.append(record(1)));
    await journal.close();
    let isReleased = false;
    disk.inject = (operation) => {
      isReleased ||= operation.kind === "remove" && isReserve(operation);
      return !isReleased && operation.kind === "write" && isSegmentName(operation.name) ? { code: "EDQUOT" } : null;
    };
    const again = await open(disk, new RecordingListener());
    expect(again.committed).toBe(1);
    expect(isReleased).toBe(true);
    await again.close();
  });

  test("must be had twice before a journal that failed is opened again, so that it does not fail at once", async () => {
    const disk = new SimulatedDisk(seededRandom(8));
    await (await open(disk, new RecordingListener())).close();
    const openAgain = (): Promise<QuorumJournal> => open(disk, new RecordingListener(), { isAgain: true });
    const written: string[] = [];
    let isRoom: (operation: DiskOperation) => boolean = () => false;
    disk.inject = (operation) => {
      if (operation.kind !== "write") return null;
      written.push(operation.name);
      return isReserve(operation) && !isRoom(operation) ? { code: "ENOSPC" } : null;
    };
    const refusal = { code: "ERR_JOURNAL_IO", isNoRoom: true };
    await expect(openAgain()).rejects.toMatchObject(refusal);
    expect(await hasReserve(disk)).toBe(true);
    await disk.remove(`/journal/${RESERVE_NAME}`);
    await expect(openAgain()).rejects.toMatchObject(refusal);
    expect(await hasReserve(disk)).toBe(false);
    isRoom = ({ at }) => at === 0;
    await expect(openAgain()).rejects.toMatchObject(refusal);
    // It was not so much as read: that may take long, and is tried again and again.
    expect(new Set(written)).toEqual(new Set([RESERVE_NAME]));
    isRoom = () => true;
    await (await openAgain()).close();
    expect(disk.content(`/journal/${RESERVE_NAME}`)).toHaveLength(segmentBytes);
  });
});
