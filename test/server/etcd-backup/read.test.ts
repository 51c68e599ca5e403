/** A backup is read as what it was made of, and what cannot be imported is refused. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { EtcdRefusal } from "../../../server/etcd-backup/etcd-refusal.ts";
import { planImport } from "../../../server/etcd-backup/import-plan.ts";
import type { ImportPlan } from "../../../server/etcd-backup/import-plan.ts";
import { openEtcd } from "../../../server/etcd-backup/open-etcd.ts";
import { deleteRequest, putRequest } from "../../partitions/requests.ts";
import { boltBytes, readBolt } from "../bolt/bolt-bytes.ts";
import type { Buckets } from "../bolt/bolt-bytes.ts";
import { addUsers, backupBytes, withTrailer } from "./backup-bytes.ts";
import { RandomHistory } from "./random-history.ts";

const folder = mkdtempSync(path.join(tmpdir(), "plinth-read-"));
const file = path.join(folder, "backup.db");

afterAll(() => rm(folder, { recursive: true, force: true }));

function planOf(bytes: Buffer): ImportPlan {
  writeFileSync(file, bytes);
  const etcd = openEtcd(file);
  try {
    return planImport(etcd);
  } finally {
    etcd.close();
  }
}

function complaint(bytes: Buffer): string {
  try {
    planOf(bytes);
  } catch (error) {
    if (error instanceof EtcdRefusal) return error.message;
    throw error;
  }
  return "";
}

/** The same file with other elements in a bucket; null for none of that name. */
function changed(bytes: Buffer, bucket: string, elements: Buckets[number][1] | null): Buffer {
  const buckets = readBolt(bytes).filter(([name]) => name !== bucket);
  const all: Buckets = elements === null ? buckets : [...buckets, [bucket, elements]];
  return withTrailer(boltBytes(all.toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

function elementsOf(bytes: Buffer, bucket: string): Buckets[number][1] {
  return readBolt(bytes).find(([name]) => name === bucket)?.[1] ?? [];
}

function someKeyspace(): Keyspace {
  const keyspace = new Keyspace();
  addUsers(keyspace);
  for (const key of ["/registry/pods/a", "/registry/pods/b", "/registry/x.io/ws/c", "d"]) {
    keyspace.put(putRequest(key, "value"));
  }
  keyspace.deleteRange(deleteRequest("d"));
  return keyspace;
}

test("whatever the history, the plan has its hash, its revisions and its counts", () => {
  for (let seed = 200; seed < 230; seed++) {
    const keyspace = new Keyspace();
    const history = new RandomHistory(keyspace, seed);
    for (let i = 0; i < 10 + (seed - 200) * 12; i++) history.step();
    const plan = planOf(withTrailer(backupBytes(keyspace, 500, 100_000)));
    expect({ seed, ...plan }).toMatchObject({
      seed,
      revision: keyspace.revision,
      hash: (keyspace.hash(0) as { hash: number }).hash,
      leases: keyspace.leaseCount,
      leftOut: 0,
      isHashComparable: true,
    });
    expect(plan.compactRevision).toBe(keyspace.compactRevision);
    expect(plan.total.keys).toBe(keyspace.keyCount);
  }
});

test("keys are counted by the resource that they are of", () => {
  const { resources, total, tombstones } = planOf(withTrailer(backupBytes(someKeyspace(), 500, 100_000)));
  expect(Object.fromEntries(resources)).toEqual({
    "/registry/pods/": { keys: 2, versions: 2, bytes: 42 },
    "/registry/x.io/ws/": { keys: 1, versions: 1, bytes: 24 },
    "": { keys: 0, versions: 2, bytes: 7 },
  });
  expect({ total, tombstones }).toEqual({ total: { keys: 3, versions: 5, bytes: 73 }, tombstones: 1 });
});

test("users and roles come back as they were, with passwords that Plinth has made", () => {
  const keyspace = someKeyspace();
  keyspace.auth.enable();
  writeFileSync(file, withTrailer(backupBytes(keyspace, 500, 100_000)));
  const etcd = openEtcd(file);
  const { auth } = etcd.database;
  expect(auth.enabled).toBe(true);
  expect(auth.revision).toBe(keyspace.auth.revision);
  expect(auth.users).toEqual(keyspace.auth.userNames().map((name) => keyspace.auth.userFacts(name)));
  for (const { name, permissions } of auth.roles) {
    expect([name, permissions]).toEqual([name, name === "root" ? [] : keyspace.auth.role(name)]);
  }
  etcd.close();
});

test("what a compaction has not removed yet is left out", () => {
  const keyspace = new Keyspace();
  for (const value of ["1", "2", "3", "4"]) keyspace.put(putRequest("a", value));
  keyspace.put(putRequest("b", "1"));
  keyspace.deleteRange(deleteRequest("b"));
  keyspace.put(putRequest("a", "5"));
  const bytes = backupBytes(keyspace, 500, 100_000);
  keyspace.compact(7);
  const scheduled = elementsOf(backupBytes(keyspace, 500, 100_000), "meta").filter(
    ([key]) => String(key) !== "finishedCompactRev",
  );
  const plan = planOf(changed(bytes, "meta", scheduled));
  expect(plan).toMatchObject({
    revision: 8,
    compactRevision: 7,
    leftOut: 5,
    total: { keys: 1, versions: 2 },
    hash: (keyspace.hash(0) as { hash: number }).hash,
  });
});

test("a file that is not what it should be is refused with a sentence", () => {
  const bytes = backupBytes(someKeyspace(), 500, 100_000);
  const keys = elementsOf(bytes, "key");
  const [[firstKey, firstValue]] = keys;
  const withFirst = (key: Buffer, value: Buffer): string =>
    complaint(changed(bytes, "key", [[key, value], ...keys.slice(1)]));
  const meta = (name: string, value: Buffer): string =>
    complaint(
      changed(
        bytes,
        "meta",
        elementsOf(bytes, "meta").map(([k, v]) => [k, String(k) === name ? value : v]),
      ),
    );

  expect(complaint(withTrailer(bytes))).toBe("");
  expect(complaint(bytes)).toBe("");
  expect(complaint(changed(bytes, "key", null))).toContain("none of etcd");
  expect(complaint(changed(bytes, "meta", []))).toContain("does not say up to which Raft entry");
  expect(complaint(changed(bytes, "more", []))).toContain('what no etcd up to 3.7 has: the bucket "more"');
  expect(meta("storageVersion", Buffer.from("3.8.0"))).toContain("storage version 3.8.0 is newer than 3.7");
  expect(meta("storageVersion", Buffer.from("new"))).toContain("which is none");
  expect(meta("consistent_index", Buffer.alloc(7))).toContain("consistent_index has 7 bytes");
  expect(withFirst(firstKey.subarray(0, 16), firstValue)).toContain(
    'bucket "key", its inline page, element 0: its key is no revision',
  );
  expect(withFirst(Buffer.concat([firstKey, Buffer.from("t")]), firstValue)).toContain("it is a deletion");
  expect(withFirst(firstKey, firstValue.subarray(0, -1))).toContain("element 0: length beyond the end of the message");
  expect(withFirst(firstKey, Buffer.concat([firstValue, Buffer.from([0x38, 1])]))).toContain("a field 7");
  expect(withFirst(firstKey, Buffer.alloc(0))).toContain("it has no key");
  const other = Buffer.from(firstKey);
  other[7] = 1;
  expect(withFirst(other, firstValue)).toContain("its mod revision is 2, and not 1");
  expect(complaint(changed(bytes, "lease", [[Buffer.alloc(8, 1), Buffer.from([0x08, 1, 0x10, 60])]]))).toContain(
    "it is not the lease 1",
  );
  expect(complaint(changed(bytes, "authUsers", [[Buffer.from("a"), Buffer.from("\n\u0001b")]]))).toContain(
    'it calls itself "b"',
  );
});
