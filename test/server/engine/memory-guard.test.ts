import { expect, test } from "vitest";
import { isBeyondMemory, MemoryGuard, OutOfMemoryError } from "../../../server/engine/memory-guard.ts";
import type { MemoryUse } from "../../../server/engine/memory-guard.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { putRequest } from "../../../bench/client/requests.ts";
import { NO_SPACE } from "../../../partitions/refusals.ts";
import { KeptEvents } from "../../sim/kept-events.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { execute, newEngine, takeOver } from "../../support/engines.ts";

const MEBIBYTE = 1024 * 1024;
const EMPTY: MemoryUse = {
  heapBytes: 0,
  heapLimitBytes: 100 * MEBIBYTE,
  totalBytes: 0,
  totalLimitBytes: 1_000 * MEBIBYTE,
};

/** A heap of 100 MiB of which so many are in use. */
const heap = (mebibytes: number): MemoryUse => ({ ...EMPTY, heapBytes: mebibytes * MEBIBYTE });

test("memory is short from 85 % on until it is below 75 %", async () => {
  const clock = new ManualClock();
  let use = EMPTY;
  const changes: boolean[] = [];
  const guard = new MemoryGuard({
    clock,
    read: () => use,
    keptBytes: () => 0,
    growthBytesIfLeft: () => 0,
    onChange: (isShort) => changes.push(isShort),
  });
  guard.start();
  const isShortWith = async (next: MemoryUse): Promise<boolean> => {
    use = next;
    await clock.advance(1_000);
    return guard.isShort;
  };
  expect(await isShortWith(heap(84))).toBe(false);
  expect(await isShortWith(heap(85))).toBe(true);
  expect(await isShortWith(heap(75))).toBe(true);
  expect(await isShortWith(heap(74))).toBe(false);
  expect(await isShortWith(heap(95))).toBe(true);
  expect(await isShortWith(EMPTY)).toBe(false);
  expect(await isShortWith({ ...EMPTY, totalBytes: 850 * MEBIBYTE })).toBe(true);
  expect(changes).toEqual([true, false, true, false, true]);
  guard.stop();
  expect(clock.pending).toBe(0);
});

test("what the keyspace grows by between two looks counts, and it is looked again before that is a reason", async () => {
  const clock = new ManualClock();
  let totalBytes = 700 * MEBIBYTE;
  let kept = 500 * MEBIBYTE;
  const guard = new MemoryGuard({
    clock,
    read: () => ({ ...EMPTY, totalBytes }),
    keptBytes: () => kept,
    growthBytesIfLeft: () => 0,
    onChange: () => {},
  });
  guard.start();
  // Of 1,000 MiB 850 may be used: 150 more.
  expect(guard.isShortWith(649 * MEBIBYTE)).toBe(false);
  expect(guard.isShortWith(651 * MEBIBYTE)).toBe(true);
  expect(guard.isShort).toBe(false);
  // Nothing was looked at since, and no timer is due.
  kept = 640 * MEBIBYTE;
  expect(guard.isShortWith(649 * MEBIBYTE)).toBe(false);
  await clock.advance(20);
  // It went where memory had been taken before.
  expect(guard.isShortWith(651 * MEBIBYTE)).toBe(false);
  totalBytes = 860 * MEBIBYTE;
  await clock.advance(20);
  expect(guard.isShortWith(800 * MEBIBYTE)).toBe(true);
  expect(guard.isShort).toBe(true);
  guard.stop();
});

test("memory is short, and later full, when the next table would not fit, which it needs at once", async () => {
  const clock = new ManualClock();
  let leftShare = 1;
  const guard = new MemoryGuard({
    clock,
    read: () => heap(60),
    keptBytes: () => 0,
    growthBytesIfLeft: (share) => (leftShare <= share ? 40 * MEBIBYTE : 0),
    onChange: () => {},
  });
  guard.start();
  const stateWith = async (share: number): Promise<[boolean, boolean]> => {
    leftShare = share;
    await clock.advance(1_000);
    return [guard.isShort, guard.fullWith() !== null];
  };
  expect(await stateWith(0.5)).toEqual([false, false]);
  expect(await stateWith(0.1)).toEqual([true, false]);
  expect(await stateWith(0.01)).toEqual([true, true]);
  expect(await stateWith(0.5)).toEqual([false, false]);
  guard.stop();
});

test("it is looked at more often where it fills", async () => {
  const clock = new ManualClock();
  let looks = 0;
  let use = EMPTY;
  const read = (): MemoryUse => {
    looks++;
    return use;
  };
  const guard = new MemoryGuard({ clock, read, keptBytes: () => 0, growthBytesIfLeft: () => 0, onChange: () => {} });
  guard.start();
  await clock.advance(10_000);
  const seldom = looks;
  use = heap(60);
  await clock.advance(10_000);
  expect(looks - seldom).toBeGreaterThan(5 * seldom);
});

test("a start goes on beyond what serving allows, and then says what would do", () => {
  let use = heap(91);
  const guard = new MemoryGuard({
    clock: new ManualClock(),
    read: () => use,
    keptBytes: () => 0,
    growthBytesIfLeft: () => 0,
    onChange: () => {},
  });
  expect(guard.fullWith()).toBeNull();
  use = heap(92);
  expect(guard.fullWith()).toEqual(use);
  expect(new OutOfMemoryError(use, 0.5).message).toBe(
    "what the journal holds does not fit into memory: 50 % of it take 92 MiB of 100 MiB of heap; " +
      "start with NODE_OPTIONS=--max-old-space-size=236, or on a machine with more memory",
  );
});

test("short memory raises the alarm as a quota that is reached does, and the journal keeps it", async () => {
  const log = new KeptEvents();
  let isShort = false;
  const memory = { isShortWith: () => isShort, fullWith: () => null };
  const store = new MemoryStore();
  const engine = newEngine({ log, memory });
  const journal = await takeOver(engine, store);
  const refused: unknown[] = [];
  const call = { fail: (refusal: unknown) => refused.push(refusal) };
  expect(engine.guard.refuseOverQuota(call, 1)).toBe(false);
  isShort = true;
  expect(engine.guard.refuseOverQuota(call, 0)).toBe(false);
  expect(engine.guard.refuseOverQuota(call, 1)).toBe(true);
  await expect.poll(() => refused).toEqual([NO_SPACE]);
  expect(log.events).toEqual([expect.objectContaining({ message: "memory runs short; raising alarm" })]);
  expect(engine.guard.refuseByAlarm(1)).toBe(NO_SPACE);
  expect(engine.guard.refuseByAlarm(0)).toBeNull();
  await journal.close();
  const again = newEngine();
  await takeOver(again, store);
  expect(again.guard.refuseByAlarm(1)).toBe(NO_SPACE);
});

test("a start that does not fit into memory ends in the middle of the replay", async () => {
  const store = new MemoryStore();
  const written = newEngine();
  const journal = await takeOver(written, store);
  await execute(written, PUT, putRequest("a"));
  await journal.close();
  // Every look at the clock is the end of a turn.
  let nowMs = 0;
  const clock = Object.assign(new ManualClock(), { nowMs: () => (nowMs += 1_000) });
  const engine = newEngine({ clock, memory: { isShortWith: () => false, fullWith: () => heap(99) } });
  await expect(takeOver(engine, store)).rejects.toThrow(OutOfMemoryError);
});

test("a quota is beyond memory when what it counts fills that before, whatever the heap is", () => {
  expect(isBeyondMemory(500 * MEBIBYTE, { ...EMPTY, totalLimitBytes: 600 * MEBIBYTE })).toBe(false);
  expect(isBeyondMemory(600 * MEBIBYTE, { ...EMPTY, totalLimitBytes: 600 * MEBIBYTE })).toBe(true);
  expect(isBeyondMemory(500 * MEBIBYTE, { ...EMPTY, heapLimitBytes: 1, totalLimitBytes: 600 * MEBIBYTE })).toBe(false);
  expect(isBeyondMemory(Number.POSITIVE_INFINITY, EMPTY)).toBe(false);
});
