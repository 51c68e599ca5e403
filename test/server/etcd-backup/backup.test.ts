/** A backup has all that the keyspace keeps at the moment of its beginning, as etcd's database has it. */
import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { putRequest } from "../../partitions/requests.ts";
import { readBolt } from "../bolt/bolt-bytes.ts";
import { addUsers, backupBytes } from "./backup-bytes.ts";
import { etcdHash } from "./etcd-hash.ts";
import { RandomHistory } from "./random-history.ts";

type Elements = readonly (readonly [key: Buffer, value: Buffer])[];

function bucketsOf(file: Buffer): Map<string, Elements> {
  return new Map(readBolt(file));
}

const NAMES = [
  "alarm",
  "auth",
  "authRoles",
  "authUsers",
  "cluster",
  "key",
  "lease",
  "members",
  "members_removed",
  "meta",
];

test("a fresh keyspace gives an etcd that has all buckets and no keys", () => {
  const buckets = bucketsOf(backupBytes(new Keyspace(), 10, 1_000));
  expect([...buckets.keys()]).toEqual(NAMES);
  expect(buckets.get("key")).toEqual([]);
  expect(texts(buckets.get("cluster"))).toEqual({ clusterVersion: "3.6.0" });
  expect(texts(buckets.get("members"))).toEqual({
    "8000000000000001":
      '{"id":9223372036854775809,"peerURLs":["http://localhost:2380"],"name":"default","clientURLs":["http://localhost:2379"]}',
  });
  expect(texts(buckets.get("meta"))).toEqual({
    confState: '{"voters":[9223372036854775809],"auto_leave":false}',
    consistent_index: "\0\0\0\0\0\0\0Z",
    storageVersion: "3.6.0",
    term: "\0\0\0\0\0\0\0\u0003",
  });
});

test("versions are the bytes of etcd's, and a deletion is a key alone", () => {
  const keyspace = new Keyspace();
  keyspace.leaseGrant(-2n, 90);
  keyspace.put(putRequest("a", "1", { lease: -2n }));
  keyspace.put(putRequest("a", ""));
  keyspace.deleteRange({ key: Buffer.from("a"), rangeEnd: Buffer.alloc(0), prevKv: false });
  const buckets = bucketsOf(backupBytes(keyspace, 1, 1));
  expect(hexes(buckets.get("key"))).toEqual([
    ["00000000000000025f0000000000000000", "0a01611002180220012a013130feffffffffffffffff01"],
    ["00000000000000035f0000000000000000", "0a0161100218032002"],
    ["00000000000000045f000000000000000074", "0a0161"],
  ]);
  // Its whole TTL: etcd would renew it for what is left of it, and no longer.
  expect(hexes(buckets.get("lease"))).toEqual([["fffffffffffffffe", "08feffffffffffffffff01105a"]]);
});

test("of what is compacted the latest versions are there, in the order in which they were made", () => {
  const keyspace = new Keyspace();
  for (const key of ["b", "a", "c", "b"]) keyspace.put(putRequest(key, "1"));
  keyspace.deleteRange({ key: Buffer.from("c"), rangeEnd: Buffer.alloc(0), prevKv: false });
  keyspace.compact(6);
  keyspace.put(putRequest("a", "2"));
  const buckets = bucketsOf(backupBytes(keyspace, 1, 1));
  expect(buckets.get("key")?.map(([key]) => Number(key.readBigUInt64BE(0)))).toEqual([3, 5, 7]);
  expect(hexes(buckets.get("meta")).slice(2, 4)).toEqual([
    [Buffer.from("finishedCompactRev").toString("hex"), "00000000000000065f0000000000000000"],
    [Buffer.from("scheduledCompactRev").toString("hex"), "00000000000000065f0000000000000000"],
  ]);
});

test("users and roles are etcd's, with passwords as they are kept", () => {
  const keyspace = new Keyspace();
  addUsers(keyspace);
  keyspace.auth.enable();
  const buckets = bucketsOf(backupBytes(keyspace, 10, 1_000));
  expect(hexes(buckets.get("auth")).map(([, value]) => value)).toEqual(["01", "000000000000000e"]);
  expect(texts(buckets.get("authUsers"))).toEqual({
    ann:
      "\n\u0003ann\u0012<$2a$10$CwTycUXWue0Thq9StjUM0uJ8.5cN0cVbdGyN.ZHm5O5b5J1r7xJ1e" +
      '\u001a\u0003all\u001a\u0006reader"\0',
    root: '\n\u0004root\u0012\u0018scrypt$c2FsdA==$aGFzaA==\u001a\u0004root"\0',
    zoë: '\n\u0004zoë\u001a\u0006reader"\u0002\b\u0001',
  });
  expect(texts(buckets.get("authRoles"))).toEqual({
    all: "\n\u0003all\u0012\b\b\u0001\u0012\u0001k\u001a\u0001\0",
    reader: "\n\u0006reader\u0012\u0006\b\u0002\u0012\u0002/a\u0012\u0018\u0012\n/registry/\u001a\n/registry0",
    root: "\n\u0004root",
  });
});

test("whatever is written and compacted meanwhile, it is what was there at its beginning", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const keyspace = new Keyspace();
    const history = new RandomHistory(keyspace, seed);
    for (let i = 0; i < 20 + seed * 5; i++) history.step();
    const { revision, compactRevision } = keyspace;
    const hash = keyspace.hash(0);
    const leases = [...keyspace.leases()].map(({ id, ttl }) => `${id} ${ttl}`).toSorted();
    const file = backupBytes(keyspace, 1 + (seed % 7), 1 + (seed % 5) * 2_000, () => {
      history.step();
      keyspace.compactStep(3);
    });
    const buckets = bucketsOf(file);
    const found = etcdHash(buckets.get("key") ?? [], compactRevision, revision, keyOf);
    expect({ seed, hash: found }).toMatchObject({ seed, hash: (hash as { hash: number }).hash });
    expect(buckets.get("lease")?.map(leaseText).toSorted()).toEqual(leases);
    expect(keyspace.removalHeld).toBe(false);
  }
});

/** The first field of a KeyValue is its key, of fewer bytes than 128. */
function keyOf(value: Buffer): string {
  return value.toString("latin1", 2, 2 + value[1]);
}

function leaseText([key, value]: readonly [Buffer, Buffer]): string {
  const at = value.lastIndexOf(0x10);
  const low = value[at + 1];
  const ttl = low < 0x80 ? low : (low & 0x7f) | (value[at + 2] << 7);
  return `${key.readBigInt64BE()} ${ttl}`;
}

function texts(elements: Elements = []): Record<string, string> {
  return Object.fromEntries(elements.map(([key, value]) => [key.toString(), value.toString()]));
}

function hexes(elements: Elements = []): [string, string][] {
  return elements.map(([key, value]) => [key.toString("hex"), value.toString("hex")]);
}
