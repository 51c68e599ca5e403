/** What users may do with leases, whose keys come and go. The rest is tested side by side with etcd. */
import { beforeEach, expect, test, vi } from "vitest";
import type { Identity } from "../../../partitions/auth/authorization.ts";
import { Role } from "../../../partitions/auth/role.ts";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { PERMISSION_DENIED } from "../../../partitions/refusals.ts";
import { deleteRequest, putRequest } from "../../../bench/client/requests.ts";

const LEASE = 7n;
const NO_END = Buffer.alloc(0);

let keyspace: Keyspace;

beforeEach(() => {
  keyspace = new Keyspace();
  const { auth } = keyspace;
  for (const name of ["root", "amy"]) {
    auth.addUser(name, null);
    auth.addRole(name);
    auth.grantRole(name, name);
  }
  auth.grantPermission("amy", { permType: 2, key: Buffer.from("amy/"), rangeEnd: Buffer.from("amy0") });
  auth.enable();
  keyspace.leaseGrant(LEASE, 60);
});

const attach = (key: string) => keyspace.put(putRequest(key, "", { lease: LEASE }));
const amy = (): Identity => ({ name: "amy", authRevision: keyspace.auth.revision });
const refusals = () => [
  keyspace.authorization.refuseLeaseWrite(amy(), LEASE),
  keyspace.authorization.refuseLeaseRead(amy(), keyspace.lease(LEASE)),
];

test("what is refused of a lease follows its keys and what is granted", () => {
  expect(refusals()).toEqual([null, null]);
  attach("amy/1");
  expect(refusals()).toEqual([null, null]);
  attach("bob");
  expect(refusals()).toEqual([PERMISSION_DENIED, PERMISSION_DENIED]);
  keyspace.put(putRequest("bob", ""));
  expect(refusals()).toEqual([null, null]);
  attach("bob");
  keyspace.auth.grantPermission("amy", { permType: 0, key: Buffer.from("bob"), rangeEnd: NO_END });
  expect(refusals()).toEqual([PERMISSION_DENIED, null]);
  keyspace.auth.revokePermission("amy", { key: Buffer.from("bob"), rangeEnd: NO_END });
  expect(refusals()).toEqual([PERMISSION_DENIED, PERMISSION_DENIED]);
  keyspace.deleteRange(deleteRequest("bob"));
  expect(refusals()).toEqual([null, null]);
});

test("the keys of a lease are not gone through for each of a hundred thousand questions", () => {
  const count = 100_000;
  for (let i = 0; i < count; i++) attach(`amy/${i}`);
  for (let i = 0; i < count; i++) expect(keyspace.authorization.refuseLeaseWrite(amy(), LEASE)).toBeNull();
});

test("of a lease whose keys may all be written only those are looked at that have come since", () => {
  const count = 1_000;
  for (let i = 0; i < count; i++) attach(`amy/${i}`);
  expect(refusals()).toEqual([null, null]);
  const reach = vi.spyOn(Role.prototype, "writeReach");
  const looks = (): number => {
    reach.mockClear();
    expect(keyspace.authorization.refuseLeaseWrite(amy(), LEASE)).toBeNull();
    return reach.mock.calls.length;
  };
  for (let i = 0; i < 100; i++) {
    attach(`amy/new ${i}`);
    expect(looks()).toBe(1);
  }
  keyspace.deleteRange(deleteRequest("amy/new 7"));
  attach("amy/other");
  attach("bob");
  keyspace.put(putRequest("bob", ""));
  expect(looks()).toBeLessThanOrEqual(4);
  attach("amy/last");
  attach("bob");
  for (let i = 0; i < 10; i++) attach(`amy/behind ${i}`);
  expect(refusals()).toEqual([PERMISSION_DENIED, PERMISSION_DENIED]);
  reach.mockRestore();
});
