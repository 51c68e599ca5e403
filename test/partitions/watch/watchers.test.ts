import { describe, expect, test } from "vitest";
import { FILTER_NODELETE, FILTER_NOPUT } from "../../../proto/messages.ts";
import { CATCH_UP_REVISIONS_MAX } from "../../../partitions/watch/batch.ts";
import { Harness, hex, kv, tombstone } from "../harness.ts";
import { deleteOp, FROM_KEY, putOp } from "../requests.ts";

const PODS = { rangeEnd: Buffer.from("/registry/pods0") };

describe("where a watch starts", () => {
  test("WA-05: 0 means from the next revision on", () => {
    const harness = new Harness();
    harness.put("a", "1");
    const recorder = harness.watch("a");
    expect(recorder.watcher).toMatchObject({ synced: true, nextRevision: 3 });
    harness.put("a", "2");
    harness.flush();
    expect(recorder.revisions).toEqual([[3]]);
  });

  test("WA-01: an empty key is the smallest one", () => {
    const harness = new Harness();
    const recorder = harness.watch("", { rangeEnd: FROM_KEY });
    harness.put("a");
    harness.put(FROM_KEY);
    harness.flush();
    expect(recorder.revisions).toEqual([[2], [3]]);
  });

  test("WA-06: history first, then live, without gap or duplicate", () => {
    const harness = new Harness();
    for (let i = 0; i < 5; i++) harness.put("a", `${i}`);
    harness.flush();
    const recorder = harness.watch("a", { startRevision: 4 });
    expect(recorder.watcher?.synced).toBe(false);
    harness.put("a", "live");
    harness.flush();
    expect(recorder.deliveries, "a watcher behind gets nothing live").toEqual([]);
    harness.catchUp();
    harness.put("a", "more");
    harness.flush();
    expect(recorder.revisions).toEqual([[4, 5, 6, 7], [8]]);
    expect(recorder.deliveries.map(({ header }) => header)).toEqual([7, 8]);
  });

  test("WA-07, WP-07: a start in the future gets no event and no progress before it", () => {
    const harness = new Harness();
    const recorder = harness.watch("a", { startRevision: 4 });
    const { watcher } = recorder;
    expect(watcher?.startsAfter(harness.keyspace.revision)).toBe(true);
    harness.put("a");
    harness.put("a");
    harness.flush();
    expect(recorder.deliveries).toEqual([]);
    expect(watcher).toMatchObject({ synced: true, nextRevision: 4 });
    expect(watcher?.startsAfter(3)).toBe(true);
    harness.put("a");
    harness.flush();
    expect(watcher?.startsAfter(4)).toBe(false);
    expect(recorder.revisions).toEqual([[4]]);
  });

  test("WA-08, CO-03: a start below the compact revision is told so, a start at it is served", () => {
    const harness = new Harness();
    for (let i = 0; i < 5; i++) harness.put("a", `${i}`);
    harness.flush();
    harness.compact(4);
    const below = harness.watch("a", { startRevision: 3 });
    const at = harness.watch("a", { startRevision: 4, prevKv: true });
    expect(below.compactRevision, "nothing happens before create returns").toBeNull();
    harness.catchUp();
    expect(below).toMatchObject({ compactRevision: 4, deliveries: [] });
    expect(at.revisions).toEqual([[4, 5, 6]]);
    expect(at.events.map(({ prevKv }) => prevKv?.modRevision)).toEqual([undefined, 4, 5]);
    expect(harness.keyspace.watchers.count).toBe(1);
  });
});

describe("what a watch is told", () => {
  test("WA-10: filters drop events, and a revision of which nothing is left is not delivered", () => {
    const harness = new Harness();
    const noPut = harness.watch("a", { filters: [FILTER_NOPUT, 99] });
    const noDelete = harness.watch("a", { filters: [FILTER_NODELETE] });
    const nothing = harness.watch("a", { filters: [FILTER_NODELETE, FILTER_NOPUT] });
    harness.put("a");
    harness.delete("a");
    harness.flush();
    expect(noPut.revisions).toEqual([[3]]);
    expect(noDelete.revisions).toEqual([[2]]);
    expect(nothing.revisions).toEqual([]);
    const late = harness.watch("a", { filters: [FILTER_NOPUT], startRevision: 2 });
    harness.catchUp();
    expect(late.revisions).toEqual([[3]]);
  });

  test("WA-11: prev_kv is there for all but creations; a DELETE has key and revision alone", () => {
    const harness = new Harness();
    const recorder = harness.watch("a", { prevKv: true });
    harness.put("a", "1");
    harness.put("a", "2");
    harness.delete("a");
    harness.put("a", "3");
    harness.flush();
    expect(recorder.events).toEqual([
      { type: "put", kv: kv("a", "1", 2, 2, 1), prevKv: null },
      { type: "put", kv: kv("a", "2", 2, 3, 2), prevKv: kv("a", "1", 2, 2, 1) },
      { type: "delete", kv: tombstone("a", 4), prevKv: kv("a", "2", 2, 3, 2) },
      { type: "put", kv: kv("a", "3", 5, 5, 1), prevKv: null },
    ]);
  });

  test("two changes of a key in one txn: both that are no creation have the state before the txn", () => {
    const harness = new Harness();
    harness.put("k", "before");
    const recorder = harness.watch("k", { prevKv: true });
    const before = kv("k", "before", 2, 2, 1);
    harness.txn([], [putOp("k", "inside"), deleteOp("a", FROM_KEY)]);
    harness.txn([], [putOp("k", "first")]);
    harness.txn([], [deleteOp("a", FROM_KEY), putOp("k", "again")]);
    harness.flush();
    expect(recorder.deliveries.map(({ events }) => events)).toEqual([
      [
        { type: "put", kv: kv("k", "inside", 2, 3, 2), prevKv: before },
        { type: "delete", kv: tombstone("k", 3), prevKv: before },
      ],
      [{ type: "put", kv: kv("k", "first", 4, 4, 1), prevKv: null }],
      [
        { type: "delete", kv: tombstone("k", 5), prevKv: kv("k", "first", 4, 4, 1) },
        { type: "put", kv: kv("k", "again", 5, 5, 1), prevKv: null },
      ],
    ]);
  });

  test("a put behind the creation of its key in one txn tells no more of what was before than the creation", () => {
    const harness = new Harness();
    harness.put("k", "before");
    const recorder = harness.watch("k", { prevKv: true });
    harness.txn([], [deleteOp("k"), putOp("k", "first"), putOp("k", "second")]);
    harness.flush();
    expect(recorder.events.map(({ type, prevKv }) => [type, prevKv])).toEqual([
      ["delete", kv("k", "before", 2, 2, 1)],
      ["put", null],
      ["put", null],
    ]);
  });

  test("WO-01, WO-02, TX-16: the changes of a txn come at once, in the order of its operations", () => {
    const harness = new Harness();
    harness.put("c");
    const recorder = harness.watch(FROM_KEY, { rangeEnd: FROM_KEY });
    harness.txn([], [putOp("z"), putOp("/registry/pods/a"), deleteOp("c"), putOp("b")]);
    harness.flush();
    expect(recorder.deliveries).toHaveLength(1);
    expect(recorder.events.map((event) => event.kv.key)).toEqual(["z", "/registry/pods/a", "c", "b"].map(hex));
  });

  test("WO-03: live, each revision is a delivery with its own header", () => {
    const harness = new Harness();
    const recorder = harness.watch("/registry/pods/", PODS);
    for (const key of ["/registry/pods/a", "/registry/podsx", "/registry/pods/b"]) harness.put(key);
    harness.flush();
    expect(recorder.deliveries.map(({ header }) => header)).toEqual([2, 4]);
  });

  test("WO-04: a catch-up delivery has at most so many revisions, and never half a one", () => {
    const harness = new Harness();
    for (let i = 0; i < CATCH_UP_REVISIONS_MAX + 10; i++) harness.txn([], [putOp("a"), putOp("b")]);
    harness.flush();
    const recorder = harness.watch("a", { rangeEnd: Buffer.from("c"), startRevision: 2 });
    while (!harness.keyspace.watchers.catchUp(7));
    const revisions = recorder.revisions.flat();
    expect(revisions).toHaveLength(2 * (CATCH_UP_REVISIONS_MAX + 10));
    for (const delivery of recorder.revisions) {
      expect(delivery.length % 2).toBe(0);
      expect(delivery.length).toBeLessThan(10);
    }
    const other = harness.watch("a", { startRevision: 2 });
    harness.keyspace.watchers.catchUp(1_000_000);
    expect(other.revisions.map(({ length }) => length)).toEqual([CATCH_UP_REVISIONS_MAX, 10]);
    expect(other.deliveries.every(({ header }) => header === harness.keyspace.revision)).toBe(true);
  });

  test("watchers that want the same share the bytes", () => {
    const harness = new Harness();
    const [one, other] = [harness.watch("/registry/pods/", PODS), harness.watch("/registry/pods/", PODS)];
    const single = harness.watch("/registry/pods/a");
    harness.put("/registry/pods/a");
    harness.flush();
    expect(one.raw[0]).toBe(other.raw[0]);
    expect(single.raw[0].pieces[0]).toBe(one.raw[0].pieces[0]);
  });

  test("only those whose interval has the key are told, whoever else watches", () => {
    const harness = new Harness();
    const named = new Map([
      ["all", harness.watch(FROM_KEY, { rangeEnd: FROM_KEY })],
      ["pods", harness.watch("/registry/pods/", PODS)],
      ["pod a", harness.watch("/registry/pods/a")],
      ["pod b", harness.watch("/registry/pods/b")],
      ["from pod b", harness.watch("/registry/pods/b", { rangeEnd: FROM_KEY })],
      ["nothing", harness.watch("/registry/pods/b", { rangeEnd: Buffer.from("/registry/pods/a") })],
    ]);
    harness.put("/registry/pods/a");
    harness.flush();
    const told = [...named].filter(([, recorder]) => recorder.events.length > 0).map(([name]) => name);
    expect(told).toEqual(["all", "pods", "pod a"]);
  });
});

describe("slow watchers", () => {
  test("a watcher whose sink is full keeps its place and loses no event", () => {
    const harness = new Harness();
    const recorder = harness.watch("a");
    const other = harness.watch("a");
    recorder.isFull = true;
    for (let i = 0; i < 3; i++) harness.put("a");
    harness.flush();
    expect(recorder.revisions, "what filled it was accepted").toEqual([[2]]);
    expect(other.revisions).toEqual([[2], [3], [4]]);
    expect(recorder.watcher).toMatchObject({ synced: false, paused: true, nextRevision: 3 });
    expect(harness.keyspace.watchers).toMatchObject({ count: 2, syncedCount: 1, unsyncedCount: 1, pausedCount: 1 });
    harness.catchUp();
    expect(recorder.revisions, "it waits to be resumed").toEqual([[2]]);
    recorder.isFull = false;
    harness.keyspace.watchers.resume(recorder.watcher!);
    harness.catchUp();
    expect(recorder.revisions).toEqual([[2], [3, 4]]);
    expect(recorder.watcher?.synced).toBe(true);
    expect(harness.keyspace.watchers).toMatchObject({ unsyncedCount: 0, pausedCount: 0 });
  });

  test("a sink that is full with the last event is in sync as soon as it is resumed", () => {
    const harness = new Harness();
    const recorder = harness.watch("a");
    recorder.isFull = true;
    harness.put("a");
    harness.flush();
    expect(recorder.watcher?.synced, "progress must wait for it").toBe(false);
    harness.keyspace.watchers.resume(recorder.watcher!);
    expect(recorder.watcher).toMatchObject({ synced: true, nextRevision: 3 });
  });

  test("CO-08: a synced watcher survives compaction, one that is behind is ended", () => {
    const harness = new Harness();
    const synced = harness.watch("a");
    const slow = harness.watch("a");
    slow.isFull = true;
    for (let i = 0; i < 3; i++) harness.put("a");
    harness.flush();
    harness.compact(4);
    harness.remove();
    harness.put("a");
    harness.flush();
    expect(synced.revisions).toEqual([[2], [3], [4], [5]]);
    harness.keyspace.watchers.resume(slow.watcher!);
    harness.catchUp();
    expect(slow).toMatchObject({ compactRevision: 4, revisions: [[2]] });
    expect(harness.keyspace.watchers.count).toBe(1);
  });

  test("a watcher resumed between a compaction and the next flush does not skip what was removed", () => {
    const harness = new Harness();
    const recorder = harness.watch("a");
    recorder.isFull = true;
    harness.put("a");
    harness.flush();
    harness.put("a");
    harness.put("a");
    harness.compact(4);
    harness.remove();
    harness.keyspace.watchers.resume(recorder.watcher!);
    harness.flush();
    harness.catchUp();
    expect(recorder).toMatchObject({ compactRevision: 4, revisions: [[2]] });
  });

  test("those behind take turns, so that one far behind does not keep the others", () => {
    const harness = new Harness();
    for (let i = 0; i < 100; i++) harness.put("a");
    harness.flush();
    const far = harness.watch("a", { startRevision: 2 });
    const near = harness.watch("a", { startRevision: 101 });
    expect(harness.keyspace.watchers.catchUp(10)).toBe(false);
    expect(far.watcher?.synced).toBe(false);
    expect(harness.keyspace.watchers.catchUp(10)).toBe(false);
    expect(near.watcher?.synced).toBe(true);
    harness.catchUp();
    expect(far.revisions.flat()).toEqual(Array.from({ length: 100 }, (_, i) => i + 2));
  });

  test("a sink may remove watchers while it is called", () => {
    const harness = new Harness();
    const { watchers } = harness.keyspace;
    const victim = harness.watch("b");
    const killer = harness.watch("a");
    const { deliver } = killer;
    killer.deliver = (watcher, revision, events) => {
      watchers.remove(victim.watcher!);
      watchers.remove(watcher);
      return deliver.call(killer, watcher, revision, events);
    };
    harness.txn([], [putOp("a"), putOp("b")]);
    harness.put("a");
    harness.flush();
    expect(killer.revisions).toEqual([[2]]);
    expect(victim.revisions).toEqual([]);
    expect(watchers.count).toBe(0);
    watchers.remove(victim.watcher!);
    expect(watchers.count).toBe(0);
  });

  test("a sink may remove its watcher while it catches up", () => {
    const harness = new Harness();
    for (let i = 0; i < 3; i++) harness.put("a");
    harness.flush();
    const { watchers } = harness.keyspace;
    const recorder = harness.watch("a", { startRevision: 2 });
    const { deliver } = recorder;
    recorder.deliver = (watcher, revision, events) => {
      watchers.remove(watcher);
      return deliver.call(recorder, watcher, revision, events);
    };
    expect(watchers.catchUp(1)).toBe(true);
    harness.put("a");
    harness.flush();
    expect(recorder.revisions).toEqual([[2]]);
    expect(watchers).toMatchObject({ count: 0, syncedCount: 0, unsyncedCount: 0 });
  });

  test("after it was removed a watcher gets nothing", () => {
    const harness = new Harness();
    const live = harness.watch("a");
    harness.put("a");
    harness.flush();
    const behind = harness.watch("a", { startRevision: 2 });
    for (const { watcher } of [live, behind]) harness.keyspace.watchers.remove(watcher!);
    harness.put("a");
    harness.flush();
    harness.catchUp();
    expect(live.revisions).toEqual([[2]]);
    expect(behind.revisions).toEqual([]);
  });

  test("WP-01: the flushed revision covers exactly what synced watchers were told", () => {
    const harness = new Harness();
    const recorder = harness.watch("a");
    harness.put("a");
    expect(harness.keyspace.watchers.flushedRevision).toBe(1);
    expect(recorder.watcher?.nextRevision).toBe(2);
    harness.flush();
    expect(harness.keyspace.watchers.flushedRevision).toBe(2);
    expect(recorder.watcher?.nextRevision).toBe(3);
  });
});
