import { describe, expect, test } from "vitest";
import { COMPACTED, FUTURE_REVISION } from "../../../partitions/refusals.ts";
import { SORT_ASCEND, SORT_BY_MOD, SORT_BY_VALUE, SORT_BY_VERSION, SORT_DESCEND } from "../../../proto/messages.ts";
import { Harness, keysOf, kv } from "../harness.ts";
import { everything, FROM_KEY, rangeRequest } from "../requests.ts";

/** a..e at revisions 2 to 6, then b and d once more at 7 and 8. */
function filled(): Harness {
  const harness = new Harness();
  for (const key of ["a", "b", "c", "d", "e"]) harness.put(key, `value of ${key}`);
  harness.put("b", "zz");
  harness.put("d", "aa");
  return harness;
}

describe("range revisions", () => {
  test("RG-01: zero and below mean the current revision", () => {
    const harness = filled();
    expect(harness.all({ revision: -5 })).toEqual(harness.all({ revision: 0 }));
    expect(harness.all({ revision: 8 })).toEqual(harness.all({ revision: 0 }));
  });

  test("RG-02: a future revision is refused", () => {
    const { keyspace } = filled();
    expect(keyspace.range(everything({ revision: 9 }))).toBe(FUTURE_REVISION);
    expect(FUTURE_REVISION).toMatchObject({
      code: 11,
      message: "etcdserver: mvcc: required revision is a future revision",
    });
  });

  test("RG-03, RG-04: below the compact revision is refused, at it is exact", () => {
    const harness = filled();
    const before = harness.all({ revision: 7 });
    expect(harness.compact(7)).toBeNull();
    harness.remove();
    expect(harness.keyspace.range(everything({ revision: 6 }))).toBe(COMPACTED);
    expect(COMPACTED).toMatchObject({ code: 11, message: "etcdserver: mvcc: required revision has been compacted" });
    expect(harness.all({ revision: 7 })).toEqual(before);
  });

  test("RG-16: an old revision shows values, versions and leases of then", () => {
    const harness = new Harness();
    harness.keyspace.leaseGrant(7n, 60);
    harness.put("a", "1", { lease: 7n });
    harness.put("a", "2");
    harness.delete("a");
    harness.keyspace.leaseRevoke(7n);
    expect(harness.get("a", 2)).toEqual({ ...kv("a", "1", 2, 2, 1), lease: "7" });
    expect(harness.get("a", 3)).toEqual(kv("a", "2", 2, 3, 2));
    expect(harness.get("a", 4)).toBeNull();
    expect(harness.get("a", 1)).toBeNull();
  });
});

describe("range options", () => {
  test("RG-05, RG-06, RG-07: the limit cuts the kvs and not the count", () => {
    const harness = filled();
    const outcome = harness.all({ limit: 2 });
    expect(keysOf(outcome)).toEqual(["a", "b"]);
    expect(outcome).toMatchObject({ more: true, count: 5 });
    expect(harness.all({ limit: 5 })).toMatchObject({ more: false, count: 5 });
    expect(harness.all({ limit: -1 }).kvs).toHaveLength(5);
    expect(harness.all({ limit: 2, revision: 4 })).toMatchObject({ more: true, count: 3 });
  });

  test("RG-08, RG-09: count_only has no kvs, keys_only no values", () => {
    const harness = filled();
    expect(harness.all({ countOnly: true, limit: 2 })).toEqual({ kvs: [], more: false, count: 5 });
    expect(harness.all({ countOnly: true, keysOnly: true })).toEqual({ kvs: [], more: false, count: 5 });
    const { kvs } = harness.all({ keysOnly: true });
    expect(kvs.map(({ value }) => value)).toEqual(["", "", "", "", ""]);
    expect(kvs[1]).toEqual(kv("b", "", 3, 7, 2));
    expect(harness.range("b", "", { keysOnly: true }).kvs).toEqual([kv("b", "", 3, 7, 2)]);
    expect(harness.range("b", "", { countOnly: true })).toEqual({ kvs: [], more: false, count: 1 });
  });

  test("RG-10: order none with another target than the key ascends by it", () => {
    const harness = filled();
    expect(keysOf(harness.all({ sortTarget: SORT_BY_MOD }))).toEqual(["a", "c", "e", "b", "d"]);
    expect(keysOf(harness.all({ sortTarget: SORT_BY_VALUE }))).toEqual(["d", "a", "c", "e", "b"]);
    expect(keysOf(harness.all({ sortOrder: SORT_DESCEND }))).toEqual(["e", "d", "c", "b", "a"]);
    expect(keysOf(harness.all({ sortOrder: SORT_ASCEND }))).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("RG-10: a sort is over all that pass the filter, and the limit comes after it", () => {
    const harness = filled();
    const outcome = harness.all({ sortTarget: SORT_BY_MOD, sortOrder: SORT_DESCEND, limit: 2, maxModRevision: 7 });
    expect(keysOf(outcome)).toEqual(["b", "e"]);
    expect(outcome).toMatchObject({ more: true, count: 5 });
  });

  test("RG-11: equal ones stay in key order, also descending", () => {
    const harness = filled();
    expect(keysOf(harness.all({ sortTarget: SORT_BY_VERSION, sortOrder: SORT_DESCEND }))).toEqual([
      "b",
      "d",
      "a",
      "c",
      "e",
    ]);
  });

  test("RG-12: bounds include themselves and leave the count alone", () => {
    const harness = filled();
    expect(keysOf(harness.all({ minModRevision: 4, maxModRevision: 7 }))).toEqual(["b", "c", "e"]);
    expect(keysOf(harness.all({ minCreateRevision: 3, maxCreateRevision: 4 }))).toEqual(["b", "c"]);
    const outcome = harness.all({ minModRevision: 7, limit: 1 });
    expect(keysOf(outcome)).toEqual(["b"]);
    expect(outcome).toMatchObject({ more: true, count: 5 });
    expect(harness.range("a", "", { minModRevision: 3 })).toEqual({ kvs: [], more: false, count: 1 });
  });

  test("range ends: one key, from a key on, all keys, an empty interval", () => {
    const harness = filled();
    expect(keysOf(harness.range("b"))).toEqual(["b"]);
    expect(keysOf(harness.range("b", FROM_KEY))).toEqual(["b", "c", "d", "e"]);
    expect(keysOf(harness.range(FROM_KEY, FROM_KEY))).toEqual(["a", "b", "c", "d", "e"]);
    expect(harness.range("d", "b")).toEqual({ kvs: [], more: false, count: 0 });
    expect(harness.range("d", "d")).toEqual({ kvs: [], more: false, count: 0 });
    expect(keysOf(harness.range("aa", "d"))).toEqual(["b", "c"]);
  });

  test("a paged list at a pinned revision is complete while keys come and go", () => {
    const harness = new Harness();
    const keys = Array.from({ length: 300 }, (_, i) => `/registry/pods/p${String(i).padStart(3, "0")}`);
    for (const key of keys) harness.put(key);
    const { revision } = harness.keyspace;
    const found: string[] = [];
    let next = "/registry/pods/";
    for (let more = true; more;) {
      const page = harness.range(next, "/registry/pods0", { limit: 7, revision });
      found.push(...keysOf(page));
      expect(page.count).toBe(300 - found.length + page.kvs.length);
      more = page.more;
      next = `${found[found.length - 1]}\0`;
      harness.delete(keys[found.length % 300]);
      harness.put(`${keys[(found.length * 7) % 300]}-new`);
    }
    expect(found).toEqual(keys);
  });

  test("reading changes nothing", () => {
    const harness = filled();
    const hash = harness.keyspace.hashAll();
    harness.keyspace.range(rangeRequest("/registry/new/", "/registry/new0"));
    harness.keyspace.range(everything({ revision: 3, sortTarget: SORT_BY_MOD }));
    expect(harness.keyspace.hashAll()).toBe(hash);
    expect(harness.keyspace.partitions).toHaveLength(1);
  });
});
