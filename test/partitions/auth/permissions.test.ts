/** What the roles of a user permit together, against all intervals melted into one set. */
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { Auth } from "../../../partitions/auth/auth.ts";
import { Permissions } from "../../../partitions/auth/permissions.ts";
import { Role } from "../../../partitions/auth/role.ts";
import { intervalOf, isSingleKey, keyString } from "../../../partitions/interval/interval.ts";
import { IntervalSet } from "../../../partitions/interval/interval-set.ts";
import { IntervalTree } from "../../../partitions/interval/interval-tree.ts";
import { PERMISSION_READ, PERMISSION_READWRITE, PERMISSION_WRITE } from "../../../proto/auth.ts";
import type { Permission } from "../../../proto/auth.ts";

afterEach(() => void vi.restoreAllMocks());

const key = fc
  .string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 3 })
  .map((text) => Buffer.from(text));
const rangeEnd = fc.oneof(fc.constant(Buffer.alloc(0)), fc.constant(Buffer.from([0])), key);
const permission: fc.Arbitrary<Permission> = fc
  .tuple(fc.constantFrom(PERMISSION_READ, PERMISSION_WRITE, PERMISSION_READWRITE), key, rangeEnd)
  .map(([permType, start, end]) => ({ permType, key: start, rangeEnd: end }))
  .filter(({ key: start, rangeEnd: end }) => end.length === 0 || end[0] === 0 || start.compare(end) < 0);
const step = fc.record({ role: fc.nat(1), permission, isRemoved: fc.boolean() });

function melted(roles: readonly Role[], types: readonly number[]): IntervalSet {
  const set = new IntervalSet();
  for (const role of roles) {
    for (const each of role.permissions()) {
      const { start, end } = intervalOf(each.key, each.rangeEnd);
      if (types.includes(each.permType)) set.add(start, end);
    }
  }
  return set;
}

function covers(set: IntervalSet, start: Buffer, end: Buffer): boolean {
  if (isSingleKey(end)) return set.has(keyString(start));
  const interval = intervalOf(start, end);
  return set.covers(interval.start, interval.end);
}

test("roles permit together what all their permissions melted together do, empty ranges included", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 30 }),
      fc.array(fc.tuple(key, rangeEnd), { maxLength: 30 }),
      (steps, asked) => {
        const roles = [new Role(), new Role()];
        const permissions = new Permissions(roles);
        for (const each of steps) {
          const role = roles[each.role];
          if (each.isRemoved) role.remove(each.permission);
          else if (!role.replace(each.permission)) role.add(each.permission);
        }
        const read = melted(roles, [PERMISSION_READ, PERMISSION_READWRITE]);
        const write = melted(roles, [PERMISSION_WRITE, PERMISSION_READWRITE]);
        for (const [start, end] of asked) {
          expect(permissions.mayRead(start, end)).toBe(covers(read, start, end));
          expect(permissions.mayWrite(start, end)).toBe(covers(write, start, end));
        }
      },
    ),
  );
});

test("a user's first request costs the same however many permissions its role was granted, or lost", () => {
  const auth = new Auth();
  auth.addUser("amy", null);
  auth.addRole("reader");
  auth.grantRole("amy", "reader");
  const granted = (i: number): Permission => ({
    permType: PERMISSION_READWRITE,
    key: Buffer.from(`${i}/`),
    rangeEnd: Buffer.from(`${i}0`),
  });
  for (let i = 0; i < 20_000; i++) auth.grantPermission("reader", granted(i));
  const user = auth.user("amy");
  if (user === null) throw new Error("the user was added");
  const added = [vi.spyOn(IntervalSet.prototype, "add"), vi.spyOn(IntervalTree.prototype, "add")];
  const reach = vi.spyOn(IntervalTree.prototype, "reach");
  const permissions = auth.permissionsOf(user);
  expect(permissions.mayRead(Buffer.from("777/a"), Buffer.from("777/b"))).toBe(true);
  auth.revokePermission("reader", granted(777));
  expect(permissions.mayRead(Buffer.from("777/a"), Buffer.from("777/b"))).toBe(false);
  expect(permissions.mayWrite(Buffer.from("778/a"), Buffer.alloc(0))).toBe(true);
  for (const spy of added) expect(spy).not.toHaveBeenCalled();
  expect(reach.mock.calls.length).toBeLessThan(10);
});
