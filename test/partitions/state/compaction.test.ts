import { describe, expect, test } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import type { HistoryHash } from "../../../partitions/keyspace.ts";
import { PartitionMap } from "../../../partitions/state/partition-map.ts";
import { COMPACTED, FUTURE_REVISION, Refusal } from "../../../partitions/refusals.ts";
import { Harness, keysOf, kv, tombstone } from "../harness.ts";
import { deleteOp, everything, putOp } from "../requests.ts";

describe("compaction", () => {
  test("CO-01: the point is above the last one and not in the future; the current revision is fine", () => {
    const harness = new Harness();
    harness.put("a");
    harness.put("a");
    expect(harness.compact(4)).toBe(FUTURE_REVISION);
    expect(harness.compact(3)).toBeNull();
    expect(harness.compact(3)).toBe(COMPACTED);
    expect(harness.compact(2)).toBe(COMPACTED);
    expect(harness.keyspace.compactRevision).toBe(3);
    expect(harness.keyspace.revision).toBe(3);
  });

  test("CO-02: the first compaction may be at 0, and a negative one is compacted", () => {
    const harness = new Harness();
    expect(harness.compact(-1)).toBe(COMPACTED);
    expect(harness.compact(0)).toBeNull();
    expect(harness.compact(0)).toBe(COMPACTED);
    expect(harness.keyspace.compactRevision).toBe(0);
  });

  test("CO-03: reads below are refused at once, before anything is removed", () => {
    const harness = new Harness();
    harness.put("a", "1");
    harness.put("a", "2");
    harness.put("a", "3");
    harness.compact(3);
    expect(harness.keyspace.range(everything({ revision: 2 }))).toBe(COMPACTED);
    expect(harness.get("a", 3)).toEqual(kv("a", "2", 2, 3, 2));
    harness.remove();
    expect(harness.get("a", 3)).toEqual(kv("a", "2", 2, 3, 2));
    expect(harness.get("a")).toEqual(kv("a", "3", 2, 4, 3));
  });

  test("CO-03, CO-04: a tombstone at the point is delivered, and goes with the next compaction", () => {
    const harness = new Harness();
    harness.put("a", "1");
    harness.delete("a");
    harness.flush();
    harness.compact(3);
    harness.remove();
    expect(harness.get("a", 3)).toBeNull();
    const recorder = harness.watch("a", { startRevision: 3, prevKv: true });
    harness.catchUp();
    expect(recorder.events).toEqual([{ type: "delete", kv: tombstone("a", 3), prevKv: null }]);
    harness.put("b");
    harness.flush();
    harness.compact(4);
    harness.remove();
    const before = harness.keyspace.bytes;
    harness.delete("b");
    harness.put("c");
    harness.flush();
    harness.compact(6);
    harness.remove();
    expect(harness.keyspace.bytes, "nothing of a and b is left").toBe(before);
  });

  test("removal gives back the bytes of superseded changes", () => {
    const harness = new Harness();
    for (const key of ["/registry/pods/a", "b"]) harness.put(key, Buffer.alloc(1_000));
    const fresh = harness.keyspace.bytes;
    for (let i = 0; i < 100; i++) harness.put("b", Buffer.alloc(1_000));
    expect(harness.keyspace.bytes).toBeGreaterThan(fresh + 100_000);
    harness.compact(harness.keyspace.revision);
    harness.remove();
    const unchanged = new Harness();
    for (const key of ["/registry/pods/a", "b"]) unchanged.put(key, Buffer.alloc(1_000));
    // Revisions and versions of later changes have more digits.
    expect(harness.keyspace.bytes - unchanged.keyspace.bytes).toBeLessThan(10);
  });

  test("compaction to a revision forgets what that revision itself superseded", () => {
    const harness = new Harness();
    const empty = harness.keyspace.bytes;
    harness.put("a", Buffer.alloc(10_000));
    harness.put("b", Buffer.alloc(10_000));
    harness.delete("a", "c");
    harness.compact(harness.keyspace.revision);
    harness.remove();
    expect(harness.keyspace.versionCount, "two tombstones, of which a watch may still be told").toBe(2);
    expect(harness.keyspace.bytes).toBeLessThan(empty + 2_000);
  });

  test("CO-09: an event of the compact revision tells no prev_kv, before the removal as after it", () => {
    const harness = new Harness();
    harness.put("a", "1");
    harness.put("a", "2");
    harness.put("a", "3");
    harness.flush();
    // Whoever read before the compaction has left an event with prev_kv in the cache.
    const early = harness.watch("a", { startRevision: 3, prevKv: true });
    const other = harness.watch("a", { startRevision: 2, prevKv: true });
    harness.keyspace.watchers.catchUp(2);
    harness.compact(3);
    const watches = [harness.watch("a", { startRevision: 3, prevKv: true })];
    harness.catchUp();
    harness.remove();
    watches.push(harness.watch("a", { startRevision: 3, prevKv: true }));
    harness.catchUp();
    expect(early.events.map(({ prevKv }) => prevKv?.modRevision)).toEqual([2, 3]);
    expect(other.compactRevision).toBe(3);
    for (const { events } of watches) {
      expect(events.map(({ kv: { modRevision }, prevKv }) => [modRevision, prevKv?.modRevision])).toEqual([
        [3, undefined],
        [4, 3],
      ]);
    }
  });

  test("a key that one revision changes twice is told whole from the compact revision on", () => {
    const harness = new Harness();
    harness.put("a", "1");
    harness.txn([], [putOp("a", "2"), deleteOp("a"), putOp("a", "3")]);
    harness.flush();
    harness.compact(3);
    harness.remove();
    const recorder = harness.watch("a", { startRevision: 3, prevKv: true });
    harness.catchUp();
    expect(recorder.events.map(({ type, prevKv }) => [type, prevKv])).toEqual([
      ["put", null],
      ["delete", null],
      ["put", null],
    ]);
    harness.put("b");
    harness.flush();
    harness.compact(4);
    harness.remove();
    expect(harness.keyspace.versionCount).toBe(2);
  });

  test("CO-11: a step removes no more than it was asked to", () => {
    const harness = new Harness();
    for (let i = 0; i < 10; i++) harness.put("a");
    harness.compact(10);
    expect(harness.keyspace.changeCount).toBe(10);
    expect(harness.keyspace.compactStep(3)).toBe(false);
    expect(harness.keyspace.changeCount).toBe(7);
    harness.keyspace.verify();
    expect(harness.keyspace.compactStep(5), "one is left to lose its predecessor").toBe(false);
    expect(harness.keyspace.changeCount, "the changes from the point on stay").toBe(2);
    expect(harness.keyspace.compactStep(1)).toBe(true);
    expect(harness.keyspace.versionCount).toBe(2);
  });

  test("a step goes on where the one before has stopped, however often the point moves", () => {
    const harness = new Harness();
    const prefixes = ["/registry/pods/", "/registry/events/", "/registry/leases/", ""];
    for (let round = 0; round < 40; round++) for (const prefix of prefixes) harness.put(`${prefix}a`);
    // Each step is short, and leaves the partition in which it ends nothing but newer work behind.
    for (let step = 0; step < 20; step++) {
      for (const prefix of prefixes) harness.put(`${prefix}a`);
      harness.compact(harness.keyspace.revision);
      harness.keyspace.compactStep(20);
    }
    const versions = harness.keyspace.partitions.map(({ versionCount }) => versionCount);
    expect(Math.max(...versions), "no partition is left behind").toBeLessThan(40);
    harness.remove();
    expect(harness.keyspace.versionCount).toBe(prefixes.length);
  });

  test("CO-08: what synced watchers were not told of yet is kept for them", () => {
    const harness = new Harness();
    harness.put("a", "1");
    harness.flush();
    const recorder = harness.watch("a", { prevKv: true });
    harness.put("a", "2");
    harness.put("a", "3");
    harness.compact(4);
    harness.remove();
    harness.flush();
    expect(recorder.events.map(({ kv: { modRevision }, prevKv }) => [modRevision, prevKv?.modRevision])).toEqual([
      [3, 2],
      [4, 3],
    ]);
    expect(harness.keyspace.compactStep(100)).toBe(true);
    expect(harness.keyspace.changeCount).toBe(1);
  });

  test("a key that is created again while its tombstone is compacted stays", () => {
    const harness = new Harness();
    harness.put("a", "1");
    harness.delete("a");
    harness.put("b");
    harness.put("a", "2");
    harness.compact(4);
    harness.remove();
    expect(harness.get("a", 4)).toBeNull();
    expect(harness.get("a")).toEqual(kv("a", "2", 5, 5, 1));
    expect(keysOf(harness.all({ revision: 4 }))).toEqual(["b"]);
  });
});

describe("hash", () => {
  function filled(partitionMap: PartitionMap): Harness {
    const harness = new Harness(new Keyspace({ partitionMap }));
    for (const key of ["/registry/pods/a", "/registry/pods0", "a", "/registry/events/a"]) {
      harness.put(key, "1");
      harness.put(key, "2");
    }
    harness.delete("a");
    return harness;
  }

  test("HK-01: it tells its revision and the compact revision, and refuses what cannot be read", () => {
    const harness = filled(new PartitionMap());
    const { keyspace } = harness;
    expect(keyspace.hash(0)).toMatchObject({ compactRevision: -1, hashRevision: 10 });
    expect(keyspace.hash(10)).toEqual(keyspace.hash(0));
    expect(keyspace.hash(4)).toMatchObject({ hashRevision: 4 });
    expect(keyspace.hash(11)).toBe(FUTURE_REVISION);
    harness.compact(5);
    expect(keyspace.hash(4)).toBe(COMPACTED);
    expect(keyspace.hash(5)).toMatchObject({ compactRevision: 5, hashRevision: 5 });
  });

  test("HK-02: removal makes no difference to it, and neither do partitions", () => {
    const one = filled(new PartitionMap());
    const other = filled(new PartitionMap({ resourceRoot: null }));
    expect(one.keyspace.hash(7)).toEqual(other.keyspace.hash(7));
    one.compact(6);
    other.compact(6);
    const before = one.keyspace.hash(0);
    one.remove();
    expect(one.keyspace.hash(0)).toEqual(before);
    expect(other.keyspace.hash(0)).toEqual(before);
    expect(one.keyspace.hashAll()).toBe(other.keyspace.hashAll());
  });

  test("later changes do not alter the hash of a revision, other content does", () => {
    const one = filled(new PartitionMap());
    const { hash } = one.keyspace.hash(9) as { hash: number };
    one.put("later");
    expect(one.keyspace.hash(9)).toMatchObject({ hash });
    const other = filled(new PartitionMap());
    other.put("other");
    expect(other.keyspace.hash(11)).not.toEqual(one.keyspace.hash(11));
  });

  test("HK-01: a tombstone is hashed as long as it is above the compact revision", () => {
    const hashes = ["a", "b"].map((key) => {
      const harness = new Harness();
      harness.put(key);
      const there = harness.keyspace.hash(0);
      harness.delete(key);
      const gone = harness.keyspace.hash(0);
      harness.compact(3);
      return { there, gone, compacted: harness.keyspace.hash(0) };
    });
    expect(hashes[0].gone).not.toMatchObject({ hash: hashOf(hashes[0].there) });
    expect(hashes[0].gone).not.toMatchObject({ hash: hashOf(hashes[1].gone) });
    expect(hashes[0].compacted).toEqual(hashes[1].compacted);
    expect(hashes[0].compacted).toMatchObject({ hash: hashOf(new Harness().keyspace.hash(0)) });
  });

  test("HK-03: the hash of everything knows leases and alarms", () => {
    const one = filled(new PartitionMap()).keyspace;
    const other = filled(new PartitionMap()).keyspace;
    one.leaseGrant(7n, 60);
    expect(one.hashAll()).not.toBe(other.hashAll());
    other.leaseGrant(7n, 60);
    expect(one.hashAll()).toBe(other.hashAll());
    one.activateAlarm(1n, 1);
    expect(one.hashAll()).not.toBe(other.hashAll());
  });
});

function hashOf(answer: HistoryHash | Refusal): number {
  if (answer instanceof Refusal) throw new Error(answer.message);
  return answer.hash;
}
