/** What a snapshot gives of a keyspace beside what the model looks at (keyspace-model.test.ts). */
import { describe, expect, test } from "vitest";
import { PERMISSION_READ, PERMISSION_READWRITE } from "../../../proto/auth.ts";
import { ALARM_NOSPACE } from "../../../proto/rare.ts";
import { Keyspace } from "../../../partitions/keyspace.ts";
import type { SnapshotSource } from "../../../partitions/walk/snapshot-source.ts";
import { putRequest } from "../requests.ts";
import { HeldSnapshot } from "./held-snapshot.ts";

const key = (name: string): Buffer => Buffer.from(name);

function open(keyspace: Keyspace): SnapshotSource {
  const source = keyspace.openSnapshot();
  if (source === null) throw new Error("a long change rests");
  return source;
}

function loaded(keyspace: Keyspace, maxLooks: number = 1_000): Keyspace {
  const held = new HeldSnapshot(keyspace, open(keyspace), maxLooks);
  while (!held.step());
  return held.load();
}

describe("a keyspace that is made of a snapshot", () => {
  test("has the same users, roles, permissions, quotas and alarms", () => {
    const keyspace = new Keyspace();
    const { auth, quotas } = keyspace;
    auth.addRole("root");
    auth.addRole("reader");
    auth.addUser("root", "hash");
    auth.addUser("nobody", null);
    auth.grantRole("root", "root");
    auth.grantRole("nobody", "reader");
    auth.grantPermission("reader", { permType: PERMISSION_READ, key: key("a"), rangeEnd: key("b") });
    auth.grantPermission("reader", { permType: PERMISSION_READWRITE, key: key("a"), rangeEnd: key("") });
    auth.enable();
    auth.disable();
    auth.enable();
    quotas.set([
      { prefix: "/b/", quotaBytes: 1_000 },
      { prefix: "/a/", quotaBytes: 2_000 },
    ]);
    quotas.setReached("/b/", true);
    keyspace.activateAlarm(7n, ALARM_NOSPACE);
    const copy = loaded(keyspace);
    expect(copy.hashAll()).toBe(keyspace.hashAll());
    expect(copy.auth.facts()).toEqual(auth.facts());
    expect(copy.auth.bytes).toBe(auth.bytes);
    const nobody = copy.auth.user("nobody");
    expect(nobody !== null && copy.auth.permissionsOf(nobody).mayWrite(key("a"), key(""))).toBe(true);
    expect(copy.put(putRequest(key("/b/x"), key("v")))).toEqual(keyspace.put(putRequest(key("/b/x"), key("v"))));
    expect(copy.deactivateAlarm(7n, ALARM_NOSPACE)).toBe(true);
  });

  test("has the keys of a lease, and what of them has another one by now", () => {
    const keyspace = new Keyspace();
    keyspace.leaseGrant(9_007_199_254_740_993n, 60);
    keyspace.leaseGrant(-5n, 70);
    keyspace.put(putRequest(key("a"), key("v"), { lease: 9_007_199_254_740_993n }));
    keyspace.put(putRequest(key("b"), key("v"), { lease: 9_007_199_254_740_993n }));
    keyspace.put(putRequest(key("b"), key("w"), { lease: -5n }));
    const copy = loaded(keyspace);
    expect([...copy.leases()].map(({ id, ttl, keyCount }) => [id, ttl, keyCount])).toEqual([
      [9_007_199_254_740_993n, 60, 1],
      [-5n, 70, 1],
    ]);
    expect(copy.leaseRevoke(-5n)).toEqual(keyspace.leaseRevoke(-5n));
    expect(copy.hashAll()).toBe(keyspace.hashAll());
  });

  test("is empty where the other one is", () => {
    const copy = loaded(new Keyspace());
    expect(copy.revision).toBe(1);
    expect(copy.compactRevision).toBe(-1);
    expect(copy.hashAll()).toBe(new Keyspace().hashAll());
  });

  test("is told no more than asked for of a key with very many versions, and all of it in the end", () => {
    const keyspace = new Keyspace();
    const versions = 5_000;
    for (let i = 0; i < versions; i++) keyspace.put(putRequest(key("hot"), key(`${i}`)));
    const source = open(keyspace);
    const piece = Buffer.alloc(1 << 20);
    let before = 0;
    while (!source.isFinished) {
      source.fill(piece, 0, 10);
      expect(source.count - before).toBeLessThanOrEqual(10);
      before = source.count;
      // Later ones are passed over, and are looks as well.
      for (let i = 0; i < 5; i++) keyspace.put(putRequest(key("hot"), key("later")));
    }
    expect(source.count).toBe(versions);
    source.hold.release();
  });

  test("a value that is larger than a piece is asked for with the room that it needs", () => {
    const keyspace = new Keyspace();
    keyspace.put(putRequest(key("large"), Buffer.alloc(1_000)));
    const source = open(keyspace);
    expect(source.fill(Buffer.alloc(100), 0, 10)).toBe(0);
    const { needed } = source;
    expect(needed).toBeGreaterThan(1_000);
    expect(source.fill(Buffer.alloc(needed), 0, 10)).toBe(needed);
    expect(source.needed).toBe(0);
    source.hold.release();
  });
});
