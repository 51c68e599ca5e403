import { describe, expect, test } from "vitest";
import { END_OF_KEYS, intervalOf, prefixEnd } from "../../../partitions/interval/interval.ts";
import { PARTITIONS_MAX, PartitionMap, RESOURCE_PREFIX_BYTES_MAX } from "../../../partitions/state/partition-map.ts";
import { Harness, keysOf } from "../harness.ts";
import { FROM_KEY } from "../requests.ts";

describe("partitions", () => {
  test("each resource has one from its first key on, and the rest has the others", () => {
    const harness = new Harness();
    const keys = [
      "/registry/pods/a",
      "/registry/pods/b",
      "/registry/events/x/y",
      "/registry/pods",
      "/registry//x",
      "a",
    ];
    for (const key of keys) harness.put(key);
    const counts = harness.keyspace.partitions.map(({ prefix, keyCount }) => [prefix, keyCount]);
    expect(counts).toEqual([
      ["", 3],
      ["/registry/pods/", 2],
      ["/registry/events/", 1],
    ]);
    harness.keyspace.verify();
  });

  test("a resource of a group has one of its own, and the group has none", () => {
    const harness = new Harness();
    const keys = [
      "/registry/example.com/widgets/a/b",
      "/registry/example.com/widgets/c",
      "/registry/example.com/gadgets/a",
      "/registry/example.com/a",
      "/registry/example.com//a",
      "/registry/pods/example.com/a",
    ];
    for (const key of keys) harness.put(key);
    const counts = harness.keyspace.partitions.map(({ prefix, keyCount }) => [prefix, keyCount]);
    expect(counts).toEqual([
      ["", 2],
      ["/registry/example.com/widgets/", 2],
      ["/registry/example.com/gadgets/", 1],
      ["/registry/pods/", 1],
    ]);
    harness.keyspace.verify();
  });

  test("a range over several partitions is in key order", () => {
    const harness = new Harness();
    const keys = ["", "/", "/a", "/b", "0", "s", "x/"].map((end) => `/registry/pod${end}`);
    for (const key of keys.toReversed()) harness.put(key);
    harness.put("z");
    harness.put("/");
    expect(keysOf(harness.range("/registry/", "/registry0"))).toEqual(keys.toSorted());
    expect(keysOf(harness.all({ limit: 3 }))).toEqual(["/", ...keys.toSorted().slice(0, 2)]);
    expect(harness.all({ countOnly: true }).count).toBe(keys.length + 2);
    expect(harness.range("/registry/pod/a", "/registry/pod/b").count).toBe(1);
    harness.keyspace.verify();
  });

  test("prefixes can be given instead, and do not overlap with what is made later", () => {
    const partitionMap = new PartitionMap({ prefixes: ["/registry/pods/kube-system/", "/registry/events/"] });
    for (const key of [
      "/registry/pods/kube-system/a",
      "/registry/pods/default/a",
      "/registry/events/a",
      "/registry/x/a",
    ]) {
      partitionMap.findForNewKey(key);
    }
    expect(partitionMap.partitions.map(({ prefix }) => prefix)).toEqual([
      "",
      "/registry/pods/kube-system/",
      "/registry/events/",
      "/registry/x/",
    ]);
    expect(partitionMap.find("/registry/pods/default/a")).toBe(partitionMap.rest);
    partitionMap.verify();
    expect(() => new PartitionMap({ prefixes: ["/a/", "/a/b/"] })).toThrow("overlap");
    expect(() => new PartitionMap({ prefixes: ["/a/b/", "/a/"] })).toThrow("overlap");
  });

  test("without a resource root there is one partition", () => {
    const partitionMap = new PartitionMap({ resourceRoot: null });
    expect(partitionMap.findForNewKey("/registry/pods/a")).toBe(partitionMap.rest);
    expect(partitionMap.partitions).toHaveLength(1);
  });

  test("their number is bounded: resources beyond it stay in the rest", () => {
    const partitionMap = new PartitionMap();
    for (let i = 0; i < PARTITIONS_MAX + 10; i++) partitionMap.findForNewKey(`/registry/r${i}/x`);
    expect(partitionMap.partitions).toHaveLength(PARTITIONS_MAX);
    expect(partitionMap.find(`/registry/r${PARTITIONS_MAX + 5}/x`)).toBe(partitionMap.rest);
    partitionMap.verify();
  });

  test("a resource with a name beyond all measure stays in the rest", () => {
    const partitionMap = new PartitionMap();
    const name = "r".repeat(RESOURCE_PREFIX_BYTES_MAX - "/registry//".length);
    expect(partitionMap.findForNewKey(`/registry/${name}s/x`)).toBe(partitionMap.rest);
    expect(partitionMap.findForNewKey(`/registry/${name}/x`).prefix).toBe(`/registry/${name}/`);
    partitionMap.verify();
  });

  test("a prefix of the largest bytes has no end", () => {
    expect(prefixEnd("a\xff")).toBe("b");
    expect(prefixEnd("\xff\xff")).toBe(END_OF_KEYS);
    const partitionMap = new PartitionMap({ prefixes: ["\xff"] });
    expect(partitionMap.find("\xff\xff\xff").prefix).toBe("\xff");
    expect(partitionMap.find("\xfe\xff")).toBe(partitionMap.rest);
    partitionMap.verify();
  });
});

describe("intervals", () => {
  test("an empty end is the key alone, a zero byte everything from it on", () => {
    const key = Buffer.from("k");
    expect(intervalOf(key, Buffer.alloc(0))).toEqual({ start: "k", end: "k\0" });
    expect(intervalOf(key, FROM_KEY)).toEqual({ start: "k", end: END_OF_KEYS });
    expect(intervalOf(key, Buffer.from("m"))).toEqual({ start: "k", end: "m" });
    expect(intervalOf(key, Buffer.from([0, 0]))).toEqual({ start: "k", end: "\0\0" });
    expect(Buffer.from([0xff, 0xff]).toString("latin1") < END_OF_KEYS).toBe(true);
  });
});
