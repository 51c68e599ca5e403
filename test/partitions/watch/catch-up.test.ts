/** What watchers that come back read of history, and what each of them is told. */
import { afterEach, expect, test, vi } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import type { Watcher } from "../../../partitions/watch/watcher.ts";
import { ChangeLog } from "../../../partitions/store/change-log.ts";
import { Harness, hex } from "../harness.ts";
import type { Recorder } from "../harness.ts";
import { FROM_KEY, putOp, putRequest } from "../requests.ts";

const ALL = { rangeEnd: FROM_KEY };
/** To find a place in a log. */
const SEARCH_LOOKS_MAX = 20;

afterEach(() => void vi.restoreAllMocks());

/** How many looks at changes something takes. */
function looksOf(act: () => void): number {
  const at = vi.spyOn(ChangeLog.prototype, "at");
  act();
  const looks = at.mock.calls.length;
  at.mockRestore();
  return looks;
}

/** The same with a sink that is full with the first delivery. */
function fullOnce(recorder: Recorder): Recorder {
  recorder.isFull = true;
  return recorder;
}

test("a thousand watchers that come back after a hundred thousand changes elsewhere look at none of them", () => {
  const keyspace = new Keyspace();
  const harness = new Harness(keyspace);
  const watchers: Recorder[] = [];
  for (let i = 0; i < 1_000; i++) {
    const rangeEnd = Buffer.from(`/registry/pods/${i}0`);
    watchers.push(fullOnce(harness.watch(`/registry/pods/${i}/`, { rangeEnd })));
  }
  harness.txn(
    [],
    Array.from({ length: 1_000 }, (_, i) => putOp(`/registry/pods/${i}/a`)),
  );
  keyspace.watchers.flush();
  for (let i = 0; i < 100_000; i++) keyspace.put(putRequest(`/registry/events/${i % 1_000}`));
  keyspace.watchers.flush();
  expect(keyspace.watchers.pausedCount).toBe(1_000);
  for (const { watcher } of watchers) keyspace.watchers.resume(watcher!);
  expect(looksOf(() => expect(keyspace.watchers.catchUp(2_000)).toBe(true))).toBeLessThan(2 * SEARCH_LOOKS_MAX);
  expect(keyspace.watchers.syncedCount).toBe(1_000);
});

test("watchers that are behind in one partition read its history together, wherever they are", () => {
  const keyspace = new Keyspace();
  const harness = new Harness(keyspace);
  const changes = 10_000;
  for (let i = 0; i < changes; i++) keyspace.put(putRequest(`/registry/pods/${i % 100}/a`));
  keyspace.watchers.flush();
  const watchers: Recorder[] = [];
  for (let i = 0; i < 1_000; i++) {
    const rangeEnd = Buffer.from(`/registry/pods/${i % 100}0`);
    watchers.push(harness.watch(`/registry/pods/${i % 100}/`, { rangeEnd, startRevision: 2 + 10 * i }));
  }
  const looks = looksOf(() => {
    while (!keyspace.watchers.catchUp(500));
  });
  expect(looks).toBeLessThan(3 * changes);
  for (const [i, { revisions }] of watchers.entries()) {
    const all = Array.from({ length: 100 }, (_, n) => 2 + (i % 100) + 100 * n);
    expect(revisions.flat()).toEqual(all.filter((revision) => revision >= 2 + 10 * i));
  }
});

test("what watchers of one interval read together is given once, and to each from its place on", () => {
  const harness = new Harness();
  for (let i = 0; i < 5; i++) harness.put("a");
  harness.flush();
  const [one, other, later] = [2, 2, 4].map((startRevision) => harness.watch("a", { startRevision }));
  while (!harness.keyspace.watchers.catchUp(100));
  expect([one, other, later].map(({ revisions }) => revisions.flat())).toEqual([
    [2, 3, 4, 5, 6],
    [2, 3, 4, 5, 6],
    [4, 5, 6],
  ]);
  expect(one.raw[0]).toBe(other.raw[0]);
});

test("WO-01, WO-02: history of several partitions comes in the order of the changes, a revision at once", () => {
  const harness = new Harness();
  const keys = ["/registry/pods/a", "b", "/registry/events/c", "/registry/pods/d", "/registry/leases/e"];
  for (let i = 0; i < 4; i++)
    harness.txn(
      [],
      [...keys.slice(i), ...keys.slice(0, i)].map((key) => putOp(key)),
    );
  for (const key of keys) harness.put(key);
  harness.flush();
  const recorder = harness.watch(FROM_KEY, { ...ALL, startRevision: 2 });
  while (!harness.keyspace.watchers.catchUp(3));
  const told = recorder.events.map(({ kv }) => [kv.modRevision, kv.key]);
  const expected = Array.from({ length: 4 }, (_, i) =>
    [...keys.slice(i), ...keys.slice(0, i)].map((key) => [2 + i, hex(key)]),
  ).flat();
  expect(told).toEqual([...expected, ...keys.map((key, i) => [6 + i, hex(key)])]);
  for (const revisions of recorder.revisions) expect([5, 3, 2, 1]).toContain(revisions.length);
});

test("a watch that is behind before its resource has a partition misses nothing of it", () => {
  const harness = new Harness();
  harness.put("/registry/pods/a");
  harness.flush();
  const far = { startRevision: 2, rangeEnd: Buffer.from("/registry/new0") };
  const recorders = [harness.watch("/registry/new/", far), harness.watch(FROM_KEY, { ...ALL, startRevision: 3 })];
  const slow = fullOnce(harness.watch("/registry/new/", far));
  harness.put("/registry/new/b");
  harness.put("/registry/new/c");
  harness.flush();
  while (!harness.keyspace.watchers.catchUp(1));
  slow.isFull = false;
  harness.keyspace.watchers.resume(slow.watcher!);
  harness.catchUp();
  for (const recorder of [...recorders, slow]) expect(recorder.revisions.flat()).toEqual([3, 4]);
});

test("a watcher that is resumed while others are being told waits for its own turn, and loses nothing", () => {
  const harness = new Harness();
  const slow = fullOnce(harness.watch("a"));
  for (let i = 0; i < 10; i++) harness.put("a");
  harness.flush();
  slow.isFull = false;
  const waker = harness.watch("a", { startRevision: 2 });
  const { deliver } = waker;
  waker.deliver = (watcher: Watcher, revision, events) => {
    harness.keyspace.watchers.resume(slow.watcher!);
    return deliver.call(waker, watcher, revision, events);
  };
  while (!harness.keyspace.watchers.catchUp(2));
  expect(waker.revisions.flat()).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(slow.revisions.flat()).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});
