/** Users and roles by themselves. That they are what etcd's are is tested side by side with etcd. */
import { beforeEach, expect, test } from "vitest";
import { PERMISSION_WRITE } from "../../../proto/auth.ts";
import { Auth, AUTH_BYTES_MAX } from "../../../partitions/auth/auth.ts";
import type { Permissions } from "../../../partitions/auth/permissions.ts";
import { ROLE_NOT_GRANTED, TOO_MUCH_AUTH_DATA, USER_EXISTS } from "../../../partitions/refusals.ts";

let auth: Auth;

beforeEach(() => {
  auth = new Auth();
});

const permission = (key: string, permType = 0) => ({ permType, key: Buffer.from(key), rangeEnd: Buffer.alloc(0) });

test("every change gives the next revision, and what changes nothing gives none", () => {
  const revisions: number[] = [];
  const then = (): number => revisions.push(auth.revision);
  then();
  auth.addUser("amy", "hash");
  then();
  expect(auth.addUser("amy", "hash")).toBe(USER_EXISTS);
  auth.addRole("reader");
  then();
  auth.grantRole("amy", "reader");
  then();
  auth.grantRole("amy", "reader");
  auth.disable();
  then();
  auth.revokeRole("amy", "reader");
  expect(auth.revokeRole("amy", "reader")).toBe(ROLE_NOT_GRANTED);
  then();
  expect(revisions).toEqual([1, 2, 3, 4, 4, 5]);
});

test("names are listed in the order of their bytes", () => {
  const names = ["zoë", "\u{1f600}", "\uffee", "b", "B"];
  for (const name of names) {
    auth.addUser(name, null);
    auth.addRole(name);
    auth.addUser("all", null);
    auth.grantRole("all", name);
  }
  const sorted = names.toSorted((a, b) => Buffer.from(a).compare(Buffer.from(b)));
  expect(sorted).toEqual(["B", "b", "zoë", "\uffee", "\u{1f600}"]);
  expect(auth.roleNames()).toEqual(sorted);
  expect(auth.user("all")?.roles).toEqual(sorted);
  expect(auth.userNames()).toEqual(["B", "all", "b", "zoë", "\uffee", "\u{1f600}"]);
});

test("a permission keeps no view of the request it came in", () => {
  const given = permission("key");
  auth.addRole("reader");
  auth.grantPermission("reader", given);
  given.key.fill(0);
  expect(auth.role("reader")).toEqual([permission("key")]);
});

test("what a user may do follows every change of its roles", () => {
  auth.addUser("amy", null);
  auth.addRole("reader");
  auth.grantRole("amy", "reader");
  const mayRead = (key: string): boolean => {
    const user = auth.user("amy");
    return user !== null && auth.permissionsOf(user).mayRead(Buffer.from(key), Buffer.alloc(0));
  };
  expect(mayRead("a")).toBe(false);
  auth.grantPermission("reader", permission("a"));
  expect(mayRead("a")).toBe(true);
  auth.grantPermission("reader", permission("a", 1));
  expect(mayRead("a")).toBe(false);
  auth.grantPermission("reader", permission("a", 2));
  expect(mayRead("a")).toBe(true);
  auth.deleteRole("reader");
  expect(mayRead("a")).toBe(false);
});

test("what is known of a user grows by what its role is granted, and is found anew when something was taken away", () => {
  for (const name of ["amy", "bob"]) auth.addUser(name, null);
  for (const name of ["one", "two"]) auth.addRole(name);
  auth.grantRole("amy", "one");
  auth.grantRole("bob", "two");
  const of = (name: string): Permissions => {
    const user = auth.user(name);
    if (user === null) throw new Error("the user was added");
    return auth.permissionsOf(user);
  };
  const mayWrite = (name: string, key: string): boolean => of(name).mayWrite(Buffer.from(key), Buffer.alloc(0));
  const [amy, bob] = [of("amy"), of("bob")];
  const lease = { keyCount: 1, version: 1, keyTexts: () => ["b"] };
  expect(amy.mayWriteKeysOf(lease)).toBe(false);
  for (const key of ["c", "a", "b"]) auth.grantPermission("one", permission(key, PERMISSION_WRITE));
  expect(of("amy"), "it is not melted together anew").toBe(amy);
  expect(of("bob")).toBe(bob);
  expect(["a", "b", "c", "d"].map((key) => mayWrite("amy", key))).toEqual([true, true, true, false]);
  expect(mayWrite("bob", "a")).toBe(false);
  expect(amy.mayWriteKeysOf(lease), "what was found of a lease is not kept").toBe(true);
  auth.revokePermission("one", { key: Buffer.from("b"), rangeEnd: Buffer.alloc(0) });
  expect(["a", "b", "c"].map((key) => mayWrite("amy", key))).toEqual([true, false, true]);
});

test("users and roles have a largest size, and what is deleted makes room", () => {
  const longName = (i: number): string => `${i}`.padEnd(1024 * 1024, "x");
  let users = 0;
  while (auth.addUser(longName(users), null) === null) users++;
  expect(auth.addUser(longName(users), null)).toBe(TOO_MUCH_AUTH_DATA);
  expect(auth.bytes).toBeGreaterThan(AUTH_BYTES_MAX - 2 * 1024 * 1024);
  expect(auth.bytes).toBeLessThanOrEqual(AUTH_BYTES_MAX);
  const { revision } = auth;
  expect(auth.addRole(longName(0))).toBe(TOO_MUCH_AUTH_DATA);
  expect(auth.revision).toBe(revision);
  auth.deleteUser(longName(0));
  expect(auth.addRole(longName(0))).toBeNull();
  auth.deleteRole(longName(0));
  for (let i = 1; i < users; i++) auth.deleteUser(longName(i));
  expect(auth.bytes).toBe(0);
});

test("a role takes a hundred thousand permissions, which every start grants again one by one", () => {
  const count = 100_000;
  auth.addRole("reader");
  auth.addRole("writer");
  const before = auth.bytes;
  for (let i = 0; i < count; i++) auth.grantPermission("reader", permission(`${(i * 7_919) % count}`));
  const keys = auth.role("reader")?.map(({ key }) => key.toString());
  expect(keys).toEqual(Array.from({ length: count }, (_, i) => `${i}`).toSorted());
  for (let i = 0; i < count; i++) auth.revokePermission("reader", permission(`${i}`));
  expect(auth.role("reader")).toEqual([]);
  expect(auth.bytes).toBe(before);
});

test("permissions that begin with one key stay in the order of their grants, of which the first one is changed", () => {
  auth.addRole("reader");
  const grant = (end: string, permType: number) =>
    auth.grantPermission("reader", { permType, key: Buffer.from("k"), rangeEnd: Buffer.from(end) });
  const ends = () => auth.role("reader")?.map(({ permType, rangeEnd }) => `${rangeEnd.toString()} ${permType}`);
  for (const end of ["m", "l", "n"]) grant(end, 0);
  expect(ends()).toEqual(["m 0", "l 0", "n 0"]);
  grant("m", 1);
  expect(ends()).toEqual(["m 1", "l 0", "n 0"]);
  grant("l", 1);
  expect(ends()).toEqual(["m 1", "l 0", "n 0", "l 1"]);
  const { bytes } = auth;
  auth.revokePermission("reader", { key: Buffer.from("k"), rangeEnd: Buffer.from("l") });
  expect(ends()).toEqual(["m 1", "n 0"]);
  expect(auth.bytes).toBe(bytes - 2 * (128 + 2));
});

test("another form of a password is kept only in the place of the one that it is a form of, and gives no revision", () => {
  auth.addUser("amy", "old");
  const { revision, bytes } = auth;
  auth.renewPassword("amy", "other", "new");
  auth.renewPassword("bob", "old", "new");
  expect([auth.user("amy")?.passwordHash, auth.revision, auth.bytes]).toEqual(["old", revision, bytes]);
  auth.renewPassword("amy", "old", "newer");
  expect([auth.user("amy")?.passwordHash, auth.revision, auth.bytes]).toEqual(["newer", revision, bytes + 2]);
});
