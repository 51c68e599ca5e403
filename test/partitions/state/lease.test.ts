import { describe, expect, test } from "vitest";
import { ALARM_CORRUPT, ALARM_NOSPACE } from "../../../proto/rare.ts";
import { CORRUPT, LEASE_EXISTS, LEASE_NOT_FOUND, NO_SPACE } from "../../../partitions/refusals.ts";
import { Harness, kv, tombstone } from "../harness.ts";
import { deleteOp, deleteRequest, FROM_KEY, putOp, putRequest, rangeOp, txnOp, txnRequest } from "../requests.ts";

function keysOfLease(harness: Harness, id: bigint): string[] {
  return [...(harness.keyspace.lease(id)?.keys() ?? [])].map((key) => key.toString()).toSorted();
}

describe("leases", () => {
  test("LS-04: an id is granted once", () => {
    const { keyspace } = new Harness();
    expect(keyspace.leaseGrant(7n, 60)).toBeNull();
    expect(keyspace.leaseGrant(7n, 30)).toBe(LEASE_EXISTS);
    expect(LEASE_EXISTS).toMatchObject({ code: 9, message: "etcdserver: lease already exists" });
    expect(keyspace.lease(7n)).toMatchObject({ id: 7n, ttl: 60 });
  });

  test("LS-06: ids are 64 bits, and many leases may be alike", () => {
    const harness = new Harness();
    const ids = [1n, -7n, 9_223_372_036_854_775_807n, 9_007_199_254_740_993n];
    for (const id of ids) harness.keyspace.leaseGrant(id, 60);
    for (const id of ids) harness.put(`key of ${id}`, "", { lease: id });
    expect([...harness.keyspace.leases()].map(({ id }) => id)).toEqual(ids);
    for (const id of ids) expect(harness.get(`key of ${id}`)?.lease).toBe(id.toString());
  });

  test("LS-07: a put moves a key, lease 0 detaches it, deleting it does too", () => {
    const harness = new Harness();
    harness.keyspace.leaseGrant(1n, 60);
    harness.keyspace.leaseGrant(2n, 60);
    harness.put("a", "", { lease: 1n });
    harness.put("a", "", { lease: 2n });
    expect([keysOfLease(harness, 1n), keysOfLease(harness, 2n)]).toEqual([[], ["a"]]);
    harness.put("a", "", { ignoreLease: true });
    expect(keysOfLease(harness, 2n)).toEqual(["a"]);
    harness.put("a");
    expect(keysOfLease(harness, 2n)).toEqual([]);
    harness.put("a", "", { lease: 2n });
    harness.delete("a");
    expect(keysOfLease(harness, 2n)).toEqual([]);
    expect(harness.keyspace.leaseRevoke(2n)).toEqual({ deleted: 0 });
    harness.keyspace.verify();
  });

  test("LS-08, LS-18: revocation deletes all keys at one revision, in key order", () => {
    const harness = new Harness();
    harness.keyspace.leaseGrant(7n, 60);
    for (const key of ["b", "/registry/pods/x", "a"]) harness.put(key, "v", { lease: 7n });
    harness.put("other");
    const recorder = harness.watch(FROM_KEY, { rangeEnd: FROM_KEY, prevKv: true });
    harness.flush();
    expect(harness.keyspace.leaseRevoke(7n)).toEqual({ deleted: 3 });
    harness.flush();
    expect(harness.keyspace.revision).toBe(6);
    const prevKv = (key: string, revision: number) => ({ ...kv(key, "v", revision, revision, 1), lease: "7" });
    expect(recorder.deliveries).toEqual([
      {
        header: 6,
        events: [
          { type: "delete", kv: tombstone("/registry/pods/x", 6), prevKv: prevKv("/registry/pods/x", 3) },
          { type: "delete", kv: tombstone("a", 6), prevKv: prevKv("a", 4) },
          { type: "delete", kv: tombstone("b", 6), prevKv: prevKv("b", 2) },
        ],
      },
    ]);
  });

  test("LS-08: revoking a lease without keys takes no revision", () => {
    const { keyspace } = new Harness();
    keyspace.leaseGrant(7n, 60);
    expect(keyspace.leaseRevoke(7n)).toEqual({ deleted: 0 });
    expect(keyspace.revision).toBe(1);
  });

  test("LS-09: a revoked lease is gone", () => {
    const { keyspace } = new Harness();
    keyspace.leaseGrant(7n, 60);
    keyspace.leaseRevoke(7n);
    expect(keyspace.leaseRevoke(7n)).toBe(LEASE_NOT_FOUND);
    expect(keyspace.lease(7n)).toBeNull();
    expect(keyspace.leaseCount).toBe(0);
    expect(keyspace.put(putRequest("a", "", { lease: 7n }))).toBe(LEASE_NOT_FOUND);
  });

  test("LS-19: a lease may have a thousand keys", () => {
    const harness = new Harness();
    harness.keyspace.leaseGrant(7n, 3_660);
    for (let i = 0; i < 1_000; i++) harness.put(`/registry/events/${i}`, "", { lease: 7n });
    expect(harness.keyspace.lease(7n)?.keyCount).toBe(1_000);
    const { revision } = harness.keyspace;
    expect(harness.keyspace.leaseRevoke(7n)).toEqual({ deleted: 1_000 });
    expect(harness.keyspace.revision).toBe(revision + 1);
    expect(harness.keyspace.keyCount).toBe(0);
    harness.keyspace.verify();
  });
});

describe("alarms", () => {
  test("an alarm is raised and lifted once", () => {
    const { keyspace } = new Harness();
    expect(keyspace.activateAlarm(1n, ALARM_NOSPACE)).toBe(true);
    expect(keyspace.activateAlarm(1n, ALARM_NOSPACE)).toBe(false);
    expect(keyspace.activateAlarm(2n, ALARM_NOSPACE)).toBe(true);
    expect(keyspace.alarms()).toEqual([
      { memberId: 1n, alarm: ALARM_NOSPACE },
      { memberId: 2n, alarm: ALARM_NOSPACE },
    ]);
    expect(keyspace.deactivateAlarm(3n, ALARM_NOSPACE)).toBe(false);
    expect(keyspace.deactivateAlarm(1n, ALARM_NOSPACE)).toBe(true);
    expect(keyspace.put(putRequest("a"))).toBe(NO_SPACE);
    expect(keyspace.deactivateAlarm(2n, ALARM_NOSPACE)).toBe(true);
    expect(keyspace.put(putRequest("a"))).not.toBe(NO_SPACE);
  });

  test("LS-20: NOSPACE refuses what adds bytes and lets the rest through", () => {
    const harness = new Harness();
    const { keyspace } = harness;
    keyspace.leaseGrant(7n, 60);
    harness.put("a", "", { lease: 7n });
    harness.put("b");
    keyspace.activateAlarm(1n, ALARM_NOSPACE);
    expect(keyspace.put(putRequest("a"))).toBe(NO_SPACE);
    expect(keyspace.txn(txnRequest([], [rangeOp("a")], [putOp("a")]))).toBe(NO_SPACE);
    expect(keyspace.txn(txnRequest([], [txnOp([], [putOp("a")])]))).toBe(NO_SPACE);
    expect(keyspace.leaseGrant(8n, 60)).toBe(NO_SPACE);
    expect(NO_SPACE).toMatchObject({ code: 8, message: "etcdserver: mvcc: database space exceeded" });
    expect(harness.txn([], [rangeOp("a")]).succeeded).toBe(true);
    expect(harness.delete("b")).toMatchObject({ deleted: 1 });
    expect(keyspace.leaseRevoke(7n)).toEqual({ deleted: 1 });
    expect(harness.compact(keyspace.revision)).toBeNull();
  });

  test("CORRUPT refuses every change and no read", () => {
    const harness = new Harness();
    const { keyspace } = harness;
    harness.put("a");
    keyspace.leaseGrant(7n, 60);
    keyspace.activateAlarm(1n, ALARM_CORRUPT);
    expect(keyspace.put(putRequest("a"))).toBe(CORRUPT);
    expect(keyspace.deleteRange(deleteRequest("a"))).toBe(CORRUPT);
    expect(keyspace.txn(txnRequest([], [deleteOp("a")]))).toBe(CORRUPT);
    expect(keyspace.txn(txnRequest([], [txnOp([], [rangeOp("a")])]))).toBe(CORRUPT);
    expect(keyspace.compact(1)).toBe(CORRUPT);
    expect(keyspace.leaseGrant(8n, 60)).toBe(CORRUPT);
    expect(keyspace.leaseRevoke(7n)).toBe(CORRUPT);
    expect(harness.all().count).toBe(1);
    expect(keyspace.txn(txnRequest([], [rangeOp("a")]))).toMatchObject({ succeeded: true });
  });
});
