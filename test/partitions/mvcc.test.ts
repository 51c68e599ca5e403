import { describe, expect, test } from "vitest";
import { LEASE_NOT_FOUND, KEY_NOT_FOUND } from "../../partitions/refusals.ts";
import { Harness, keysOf, kv } from "./harness.ts";
import { deleteOp, putOp, putRequest, rangeOp } from "./requests.ts";

describe("revisions and versions", () => {
  test("MV-01: a fresh keyspace is empty and at revision 1", () => {
    const { keyspace } = new Harness();
    expect(keyspace.revision).toBe(1);
    expect(keyspace.compactRevision).toBe(-1);
    expect(keyspace.keyCount).toBe(0);
    expect(keyspace.bytes, "partitions take room before they have keys").toBeGreaterThan(0);
  });

  test("MV-02, MV-04, MV-05: each change takes one revision; a put after a delete begins a new life", () => {
    const harness = new Harness();
    harness.put("a", "1");
    expect(harness.get("a")).toEqual(kv("a", "1", 2, 2, 1));
    harness.put("a", "1");
    expect(harness.get("a")).toEqual(kv("a", "1", 2, 3, 2));
    expect(harness.delete("a")).toEqual({ deleted: 1, prevKvs: [] });
    expect(harness.get("a")).toBeNull();
    harness.put("a", "2");
    expect(harness.get("a")).toEqual(kv("a", "2", 5, 5, 1));
    expect(harness.keyspace.revision).toBe(5);
  });

  test("MV-03: what changes nothing takes no revision", () => {
    const harness = new Harness();
    harness.put("a");
    harness.delete("b", "\0");
    harness.txn([], []);
    harness.txn([], [rangeOp("a"), deleteOp("nothing")]);
    harness.keyspace.leaseGrant(7n, 60);
    harness.keyspace.leaseRevoke(7n);
    harness.compact(2);
    harness.all();
    expect(harness.keyspace.revision).toBe(2);
  });

  test("MV-04: a put after a delete in the same txn creates the key again", () => {
    const harness = new Harness();
    harness.put("a", "old");
    harness.txn([], [deleteOp("a"), putOp("a", "new")]);
    expect(harness.get("a")).toEqual(kv("a", "new", 3, 3, 1));
    harness.keyspace.verify();
  });

  test("MV-06: all keys of a txn have its revision", () => {
    const harness = new Harness();
    harness.txn([], [putOp("a"), putOp("b")]);
    expect(harness.all().kvs.map(({ modRevision }) => modRevision)).toEqual([2, 2]);
  });

  test("MV-07: an empty value is a value", () => {
    const harness = new Harness();
    harness.put("a", "");
    expect(harness.range("a")).toEqual({ kvs: [kv("a", "", 2, 2, 1)], more: false, count: 1 });
  });

  test("MV-08: keys and values are bytes, and order is byte order", () => {
    const harness = new Harness();
    const keys = [[0xff, 0xff], [0xff], [0], [0, 0], [0x61], [0x80], [0xc3, 0x28], [0x7f]].map((key) =>
      Buffer.from(key),
    );
    for (const key of keys) harness.put(key, key);
    const sorted = keys.toSorted((a, b) => Buffer.compare(a, b));
    const { kvs } = harness.all();
    expect(kvs.map(({ key }) => key)).toEqual(sorted.map((key) => key.toString("hex")));
    expect(kvs.map(({ value }) => value)).toEqual(sorted.map((key) => key.toString("hex")));
  });

  test("keys and values are copied from the request", () => {
    const harness = new Harness();
    const key = Buffer.from("key");
    const value = Buffer.from("value");
    harness.put(key, value);
    key.fill(0);
    value.fill(0);
    expect(harness.get("key")).toEqual(kv("key", "value", 2, 2, 1));
  });
});

describe("put", () => {
  test("PT-04: keeping value or lease of a missing key is refused", () => {
    const { keyspace } = new Harness();
    for (const fields of [{ ignoreValue: true }, { ignoreLease: true }]) {
      expect(keyspace.put(putRequest("a", "", fields))).toBe(KEY_NOT_FOUND);
    }
    expect(KEY_NOT_FOUND).toMatchObject({ code: 3, message: "etcdserver: key not found" });
    expect(keyspace.revision).toBe(1);
  });

  test("PT-05: a put with an unknown lease writes nothing", () => {
    const harness = new Harness();
    expect(harness.keyspace.put(putRequest("a", "1", { lease: 7n }))).toBe(LEASE_NOT_FOUND);
    expect(LEASE_NOT_FOUND).toMatchObject({ code: 5, message: "etcdserver: requested lease not found" });
    expect(harness.keyspace.revision).toBe(1);
    expect(harness.get("a")).toBeNull();
  });

  test("PT-06: ignore_value keeps the value, ignore_lease the lease", () => {
    const harness = new Harness();
    harness.keyspace.leaseGrant(7n, 60);
    harness.keyspace.leaseGrant(8n, 60);
    harness.put("a", "1", { lease: 7n });
    harness.put("a", "", { lease: 8n, ignoreValue: true });
    expect(harness.get("a")).toMatchObject({ value: "31", lease: "8", version: 2 });
    harness.put("a", "2", { ignoreLease: true });
    expect(harness.get("a")).toMatchObject({ value: "32", lease: "8", version: 3 });
    harness.put("a", "", { ignoreValue: true, ignoreLease: true });
    expect(harness.get("a")).toMatchObject({ value: "32", lease: "8", version: 4 });
  });

  test("PT-07: prev_kv is the whole kv before, and absent for a new key", () => {
    const harness = new Harness();
    harness.keyspace.leaseGrant(7n, 60);
    expect(harness.put("a", "1", { prevKv: true, lease: 7n })).toEqual({ prevKv: null });
    expect(harness.put("a", "2", { prevKv: true })).toEqual({ prevKv: { ...kv("a", "1", 2, 2, 1), lease: "7" } });
    harness.delete("a");
    expect(harness.put("a", "3", { prevKv: true })).toEqual({ prevKv: null });
  });
});

describe("deleteRange", () => {
  test("all keys of a call share a revision, and prev_kvs are in key order", () => {
    const harness = new Harness();
    for (const key of ["c", "a", "b", "d"]) harness.put(key, key);
    expect(harness.delete("a", "d", true)).toEqual({
      deleted: 3,
      prevKvs: [kv("a", "a", 3, 3, 1), kv("b", "b", 4, 4, 1), kv("c", "c", 2, 2, 1)],
    });
    expect(harness.keyspace.revision).toBe(6);
    expect(keysOf(harness.all())).toEqual(["d"]);
    expect(harness.delete("a", "d", true)).toEqual({ deleted: 0, prevKvs: [] });
    expect(harness.keyspace.revision).toBe(6);
  });

  test("a delete crosses partitions in key order", () => {
    const harness = new Harness();
    const keys = ["/registry/pods0", "/registry/pods/a", "/registry/events/a", "/registry/pods", "/registry/x"];
    for (const key of keys) harness.put(key);
    const { prevKvs } = harness.delete("/registry/", "/registry0", true);
    expect(keysOf({ kvs: prevKvs })).toEqual(keys.toSorted());
  });
});
