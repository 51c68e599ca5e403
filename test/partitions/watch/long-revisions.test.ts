/** Revisions of so many changes that their events are not made in one turn. */
import { afterEach, expect, test, vi } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import type { KeyspaceOptions } from "../../../partitions/keyspace.ts";
import { PartitionMap } from "../../../partitions/state/partition-map.ts";
import { ChangeLog } from "../../../partitions/store/change-log.ts";
import { BlockPool } from "../../../partitions/store/block-pool.ts";
import { LongChange } from "../../../partitions/txn/long-change.ts";
import type { DeleteRangeResponse } from "../../../proto/messages.ts";
import { Harness, hex, keysOf } from "../harness.ts";
import type { Recorder } from "../harness.ts";
import { deleteRequest, FROM_KEY } from "../requests.ts";

const KEYS = 2_000;
const SLICE = 100;
/** What a slice looks at beside changes: to find its place in a log, and the change at which it ends. */
const OTHER_LOOKS_MAX = 20;
/** After so many slices everything is walked. */
const VERIFIED_SLICES = 4;
const ALL = { rangeEnd: FROM_KEY };
const names = Array.from({ length: KEYS }, (_, i) => `key ${String(i).padStart(4, "0")}`);

afterEach(() => void vi.restoreAllMocks());

/** A keyspace of which all keys are deleted at one revision, the last one; before it is one change of another key. */
function deleted(options: KeyspaceOptions = {}): Harness {
  const harness = filled(options);
  harness.put("other");
  harness.flush();
  harness.delete("key", "kez");
  harness.flush();
  return harness;
}

function filled(options: KeyspaceOptions = {}): Harness {
  const harness = new Harness(new Keyspace(options));
  for (const name of names) harness.put(name, "value");
  harness.flush();
  return harness;
}

/** Catches up, and between two slices does what is given. Gives how often changes were looked at in each slice. */
function slices({ keyspace }: Harness, between: (slice: number) => void = () => {}): number[] {
  const looks: number[] = [];
  for (let isOver = false; !isOver;) {
    const at = vi.spyOn(ChangeLog.prototype, "at");
    isOver = keyspace.watchers.catchUp(SLICE);
    looks.push(at.mock.calls.length);
    at.mockRestore();
    if (looks.length % VERIFIED_SLICES === 0) keyspace.verify();
    if (!isOver) between(looks.length);
  }
  return looks;
}

function expectWhole(recorder: Recorder, keys: readonly string[] = names): void {
  const { events } = recorder.deliveries.at(-1) ?? { events: [] };
  expect(keysOf({ kvs: events.map(({ kv }) => kv) })).toEqual(keys);
  expect(new Set(events.map(({ kv }) => kv.modRevision)).size).toBe(1);
}

test("is caught up with in slices of bounded work, and is delivered whole, once, in order", () => {
  const harness = deleted();
  const revision = harness.keyspace.revision;
  const whole = harness.watch("key", { ...ALL, startRevision: revision });
  const withPrevKv = harness.watch("key", { ...ALL, startRevision: revision, prevKv: true });
  const part = harness.watch(names[10], { rangeEnd: Buffer.from(names[20]), startRevision: revision });
  const looks = slices(harness);
  expect(looks.length).toBeGreaterThanOrEqual(KEYS / SLICE);
  expect(Math.max(...looks)).toBeLessThanOrEqual(SLICE + OTHER_LOOKS_MAX);
  expectWhole(whole);
  expectWhole(withPrevKv);
  expectWhole(part, names.slice(10, 20));
  expect(new Set(withPrevKv.events.map(({ prevKv }) => prevKv?.value))).toEqual(new Set([hex("value")]));
  for (const { deliveries } of [whole, withPrevKv, part]) expect(deliveries).toHaveLength(1);
});

test("what comes before it is not kept waiting by it, and nobody is told anything twice", () => {
  const harness = deleted();
  const early = harness.watch("k", { ...ALL, startRevision: harness.keyspace.revision - 1 });
  const last = harness.watch("k", { ...ALL, startRevision: harness.keyspace.revision });
  const told: number[] = [];
  while (!harness.keyspace.watchers.catchUp(1_100)) told.push(early.deliveries.length);
  expect(told).toContain(1);
  expect(early.revisions.map(({ length }) => length)).toEqual([1, KEYS]);
  expectWhole(early);
  expectWhole(last);
});

test("those who come and go while it is read get all of it or nothing", () => {
  const harness = deleted();
  const { keyspace } = harness;
  const { revision } = keyspace;
  const first = harness.watch("key", { ...ALL, startRevision: revision });
  const gone = harness.watch("key", { ...ALL, startRevision: revision });
  const alone = harness.watch("key", { ...ALL, startRevision: revision, prevKv: true });
  let late: Recorder | null = null;
  let again: Recorder | null = null;
  slices(harness, (slice) => {
    if (slice === 5) keyspace.watchers.remove(gone.watcher!);
    if (slice === 6) keyspace.watchers.remove(alone.watcher!);
    if (slice === 7) late = harness.watch("key", { ...ALL, startRevision: revision });
    if (slice === 8) again = harness.watch("key", { ...ALL, startRevision: revision, prevKv: true });
  });
  for (const recorder of [first, late!, again!]) expectWhole(recorder);
  for (const { deliveries } of [gone, alone]) expect(deliveries).toEqual([]);
});

test("who is left by all who wanted it is read no further", () => {
  const harness = deleted();
  const { keyspace } = harness;
  const gone = harness.watch("key", { ...ALL, startRevision: keyspace.revision });
  const other = harness.watch("other", { startRevision: keyspace.revision - 1 });
  keyspace.watchers.catchUp(SLICE);
  keyspace.watchers.remove(gone.watcher!);
  expect(slices(harness).length).toBeGreaterThan(1);
  expect(other.revisions).toEqual([[keyspace.revision - 1]]);
});

test("a compaction that passes who reads it ends the watch, and no other", () => {
  const harness = deleted();
  const { keyspace } = harness;
  const behind = harness.watch("k", { ...ALL, startRevision: keyspace.revision - 1 });
  const at = harness.watch("k", { ...ALL, startRevision: keyspace.revision });
  let compacted = 0;
  slices(harness, (slice) => {
    if (slice !== 5) return;
    compacted = keyspace.revision;
    expect(harness.compact(compacted)).toBeNull();
    harness.remove();
  });
  expect([behind.compactRevision, behind.deliveries]).toEqual([compacted, []]);
  const fresh = harness.watch("k", { ...ALL, startRevision: compacted });
  harness.catchUp();
  expect(at.events).toEqual(fresh.events);
});

test("one that is compacted up to itself while it is read tells what it tells who asks afterwards", () => {
  const harness = deleted();
  const { keyspace } = harness;
  const { revision } = keyspace;
  const reading = harness.watch("k", { ...ALL, startRevision: revision, prevKv: true });
  slices(harness, (slice) => {
    if (slice !== 5) return;
    expect(harness.compact(revision)).toBeNull();
    harness.remove();
  });
  const fresh = harness.watch("k", { ...ALL, startRevision: revision, prevKv: true });
  harness.catchUp();
  expect(reading.deliveries).toEqual(fresh.deliveries);
});

test("a partition that is made while it is read loses nothing of it, nor anything after it", () => {
  const harness = deleted();
  const { keyspace } = harness;
  const everywhere = harness.watch(FROM_KEY, { ...ALL, startRevision: keyspace.revision });
  slices(harness, (slice) => {
    if (slice !== 5) return;
    harness.put("/registry/pods/a");
    harness.flush();
  });
  expect(everywhere.revisions.map(({ length }) => length)).toEqual([KEYS, 1]);
});

test("what moves in memory while it is read does not matter", () => {
  const harness = deleted({ partitionMap: new PartitionMap({ pool: new BlockPool({ blockBytes: 4_096 }) }) });
  const { keyspace } = harness;
  const { revision } = keyspace;
  const reading = harness.watch("k", { ...ALL, startRevision: revision, prevKv: true });
  slices(harness, () => {
    harness.put("other");
    keyspace.compact(revision - 1);
    keyspace.compactStep(200);
    keyspace.reclaimStep(200);
    harness.flush();
  });
  expect(keysOf({ kvs: reading.deliveries[0].events.map(({ kv }) => kv) })).toEqual(names);
  expect(new Set(reading.deliveries[0].events.map(({ prevKv }) => prevKv?.value))).toEqual(new Set([hex("value")]));
});

/** Begins to delete all keys. */
function begin({ keyspace }: Harness): LongChange<DeleteRangeResponse> {
  const change = keyspace.beginDeleteRange(deleteRequest("key", "kez"), 0);
  if (!(change instanceof LongChange)) throw new Error("it is a long change");
  return change;
}

test("its events lie behind one another in few pieces, which watchers of different forms and keys share", () => {
  const harness = filled({ shortChangeKeys: 10 });
  const [one, same] = [harness.watch("key", ALL), harness.watch("key", ALL)];
  const part = harness.watch(names[500], { rangeEnd: Buffer.from(names[1_500]) });
  begin(harness).finish();
  harness.flush();
  expectWhole(one);
  expect(same.raw[0]).toBe(one.raw[0]);
  expectWhole(part, names.slice(500, 1_500));
  for (const { raw } of [one, part]) expect(raw[0].pieces.length).toBeLessThan(KEYS / 100);
  const buffers = new Set(one.raw[0].pieces.map(({ buffer }) => buffer));
  for (const { buffer } of part.raw[0].pieces) expect(buffers.has(buffer)).toBe(true);
});

test("a step that makes the events of large values makes fewer of them", () => {
  const harness = new Harness(new Keyspace({ shortChangeKeys: 10 }));
  const keys = 200;
  for (const name of names.slice(0, keys)) harness.put(name, "v".repeat(100_000));
  harness.flush();
  const steps = (prevKv: boolean): number => {
    const watch = harness.watch("key", { ...ALL, prevKv });
    const change = begin(harness);
    let count = 1;
    while (!change.step(1_000)) count++;
    change.end();
    harness.flush();
    expect(watch.events).toHaveLength(keys);
    harness.keyspace.watchers.remove(watch.watcher!);
    for (const name of names.slice(0, keys)) harness.put(name, "v".repeat(100_000));
    harness.flush();
    return count;
  };
  expect(steps(false)).toBeLessThanOrEqual(2);
  expect(steps(true)).toBeGreaterThanOrEqual((keys * 100_000) / (1_000 * 2_048));
});

test("where too many events would wait groups are told one after the other, each of all of it", () => {
  for (const isLive of [true, false]) {
    const harness = filled({ shortChangeKeys: 10, waitingPiecesMax: 3 });
    const startRevision = isLive ? 0 : harness.keyspace.revision + 1;
    const watch = (): Recorder[] =>
      Array.from({ length: 4 }, (_, i) => harness.watch(names[100 * i], { ...ALL, startRevision }));
    const watches = isLive ? watch() : [];
    begin(harness).finish();
    harness.flush();
    if (!isLive) watches.push(...watch());
    const told = (): number => watches.filter(({ deliveries }) => deliveries.length > 0).length;
    const counts = new Set([told()]);
    slices(harness, () => void counts.add(told()));
    expect(
      [...counts].some((count) => count > 0 && count < 4),
      "not all at once",
    ).toBe(true);
    for (const [i, recorder] of watches.entries()) {
      expectWhole(recorder, names.slice(100 * i));
      expect(recorder.deliveries).toHaveLength(1);
    }
  }
});
