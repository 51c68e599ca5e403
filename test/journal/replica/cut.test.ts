/** The end of a log is taken back, at whatever step that is stopped. */
import { AssertionError } from "node:assert/strict";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FrameHeader, parseFrameHeader } from "../../../journal/frame.ts";
import type { DirectoryLog } from "../../../journal/replica/directory-log.ts";
import { LogCursor } from "../../../journal/replica/log-cursor.ts";
import { MARK_NAME } from "../../../journal/replica/mark.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { durably } from "../../../journal/replica/replica-log.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { appendFrame, logDirectory, openLog } from "./directory-logs.ts";

/** A log of three reigns over several segments; its frames in order. */
async function filled(disk: SimulatedDisk, random: () => number): Promise<[DirectoryLog, Buffer[]]> {
  const log = await openLog(disk);
  const frames: Buffer[] = [];
  for (let epoch = 1; epoch <= 3; epoch++) {
    frames.push(await appendFrame(log, epoch, null));
    for (let i = 0; i < 6; i++) {
      const length = random() < 0.1 ? 9000 : Math.floor(random() * 1500);
      frames.push(await appendFrame(log, epoch, Buffer.alloc(length, epoch)));
    }
  }
  return [log, frames];
}

async function framesOf(log: DirectoryLog): Promise<Buffer[]> {
  return log.read(log.first, log.lastIndex, Infinity);
}

function isPrefix(found: readonly Buffer[], frames: readonly Buffer[]): boolean {
  return found.length <= frames.length && found.every((frame, i) => frame.equals(frames[i]));
}

test("frames behind an index are forgotten, and those of a greater epoch go on there", async () => {
  for (let index = 0; index <= 21; index++) {
    const disk = new SimulatedDisk(seededRandom(index));
    const [log, frames] = await filled(disk, seededRandom(index));
    expect(log.lastIndex).toBe(21);
    await durably((onDone) => log.cutBehind(index, onDone));
    expect(log.last).toEqual({ index, epoch: index === 0 ? 0 : Math.floor((index - 1) / 7) + 1 });
    expect(log.epochOf(index + 1)).toBeNull();
    expect(await framesOf(log)).toEqual(frames.slice(0, index));
    const kept = [...frames.slice(0, index), await appendFrame(log, 4, null)];
    for (let i = 0; i < 12; i++) kept.push(await appendFrame(log, 4, Buffer.alloc(900, i)));
    expect(log.epochOf(index + 1)).toBe(4);
    log.verify();
    expect(await framesOf(log)).toEqual(kept);
    await log.close();
    expect(await verifyDirectory(disk, logDirectory)).toMatchObject({ lastIndex: kept.length, tornBytes: 0 });
    const again = await openLog(disk);
    expect(await framesOf(again)).toEqual(kept);
    await again.close();
  }
});

test.each(["power", "kill"] as const)(
  "a crash by %s at any step of a cut leaves a beginning of what was there, and nothing behind a cut that has ended",
  { timeout: 120_000 },
  async (mode) => {
    let ended = 0;
    for (let index = 0; index <= 20; index += 2) {
      for (let after = 1, crashed = true; crashed; after++) {
        const random = seededRandom(1000 * index + after);
        const disk = new SimulatedDisk(random);
        const [log, frames] = await filled(disk, seededRandom(index));
        disk.crashAfter(after);
        const hasEnded = await Promise.race([
          durably((onDone) => log.cutBehind(index, onDone)).then(() => true),
          disk.crashed.then(() => false),
        ]);
        crashed = disk.hasCrashed;
        disk.crash();
        const restarted = disk.restart(mode);
        const contents = await verifyDirectory(restarted, logDirectory);
        const again = await openLog(restarted, { mustExist: true });
        expect(again.lastIndex).toBe(contents.lastIndex);
        expect(again.lastIndex).toBeGreaterThanOrEqual(index);
        if (hasEnded) {
          ended++;
          expect(again.lastIndex).toBe(index);
        }
        expect(isPrefix(await framesOf(again), frames)).toBe(true);
        await durably((onDone) => again.cutBehind(index, onDone));
        await appendFrame(again, 4, null);
        expect(isPrefix((await framesOf(again)).slice(0, -1), frames)).toBe(true);
        await again.close();
        expect(await verifyDirectory(restarted, logDirectory)).toMatchObject({ lastIndex: index + 1, tornBytes: 0 });
      }
    }
    expect(ended).toBeGreaterThan(0);
  },
);

test.each([4096, 8192])("a cut is not missed as a loss when the slot at %i of the mark is damaged", async (slot) => {
  const disk = new SimulatedDisk(seededRandom(7));
  const [log] = await filled(disk, seededRandom(7));
  await log.mark();
  await durably((onDone) => log.cutBehind(3, onDone));
  disk.crash();
  const restarted = disk.restart("power");
  restarted.content(`${logDirectory}/${MARK_NAME}`)[slot + 60] ^= 1;
  const again = await openLog(restarted);
  expect(again.lastIndex).toBe(3);
  await again.close();
});

test("what is known to be committed is not cut", async () => {
  const [log] = await filled(new SimulatedDisk(seededRandom(8)), seededRandom(8));
  log.committed = 9;
  expect(() => log.cutBehind(8, () => undefined)).toThrow(AssertionError);
  await durably((onDone) => log.cutBehind(9, onDone));
  await log.close();
});

test.each([
  ["writing", "write"],
  ["removing", "remove"],
  ["syncing names", "sync"],
] as const)("a cut that fails of %s tells so, and the next open goes on", async (_, kind) => {
  const disk = new SimulatedDisk(seededRandom(9));
  const [log, frames] = await filled(disk, seededRandom(9));
  let count = 0;
  disk.inject = (operation) => (operation.kind === kind && ++count === 3 ? { code: "EIO" } : null);
  await expect(durably((onDone) => log.cutBehind(2, onDone))).rejects.toMatchObject({ code: "ERR_JOURNAL_IO" });
  disk.crash();
  const restarted = disk.restart("kill");
  const again = await openLog(restarted);
  expect(isPrefix(await framesOf(again), frames)).toBe(true);
  expect(again.lastIndex).toBeGreaterThanOrEqual(2);
  await again.close();
});

test("a reader that has read ahead gives what the log holds after the cut", async () => {
  const disk = new SimulatedDisk(seededRandom(10));
  const log = await openLog(disk);
  await appendFrame(log, 1, null);
  for (const text of ["a", "b", "c"]) await appendFrame(log, 1, Buffer.from(text));
  const cursor = new LogCursor(log, 1);
  await cursor.load(1);
  expect(cursor.take(1)?.bytes(0).toString()).toBe("a");
  await durably((onDone) => log.cutBehind(2, onDone));
  await appendFrame(log, 2, null);
  for (const text of ["x", "y"]) await appendFrame(log, 2, Buffer.from(text));
  const found: string[] = [];
  while (await cursor.load(3)) {
    for (let run = cursor.take(3); run !== null; run = cursor.take(3)) {
      for (let i = 0; i < run.count; i++) found.push(run.bytes(i).toString());
    }
  }
  expect(found).toEqual(["x", "y"]);
  await cursor.close();
  await log.close();
});

test("the epochs of frames are what the frames say, whatever was appended, cut, trimmed and opened again", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = seededRandom(seed);
      const disk = new SimulatedDisk(random);
      let log = await openLog(disk);
      let epoch = 0;
      for (let step = 0; step < 40; step++) {
        const choice = random();
        if (choice < 0.25 || epoch === 0) await appendFrame(log, ++epoch, null);
        else if (choice < 0.8 && log.lastEpoch === epoch) await appendFrame(log, epoch, Buffer.alloc(1200));
        else if (choice < 0.88) {
          const index = log.committed + Math.floor(random() * (log.lastIndex - log.committed + 1));
          if (index >= log.first - 1) await durably((onDone) => log.cutBehind(index, onDone));
        } else if (choice < 0.94) {
          log.committed += Math.floor(random() * (log.lastIndex - log.committed + 1));
          const last = log.segments.findLast(({ lastIndex }) => lastIndex <= log.committed);
          await log.trim((last?.lastPosition ?? 0) + 1);
        } else {
          await log.close();
          log = await openLog(disk);
        }
        const header = new FrameHeader();
        const epochs: number[] = [];
        for (const frame of await framesOf(log)) {
          parseFrameHeader(frame, header);
          epochs.push(header.epoch);
        }
        expect(epochs).toHaveLength(log.lastIndex - log.first + 1);
        expect(epochs.map((_, i) => log.epochOf(log.first + i))).toEqual(epochs);
        expect(log.epochOf(log.first - 1)).toBe(log.segments[0].previousEpoch);
        expect([log.epochOf(log.first - 2), log.epochOf(log.lastIndex + 1)]).toEqual([null, null]);
        for (let asked = 0; asked <= epoch + 1; asked++) {
          const at = epochs.findLastIndex((found) => found <= asked);
          expect(log.lastUpTo(asked)).toBe(at === -1 ? 0 : log.first + at);
        }
      }
      await log.close();
    }),
    { numRuns: 40 },
  );
});
