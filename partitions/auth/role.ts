/**
 * The permissions of a role, and how far they reach from a key. That is known after every grant, and at no time are they
 * gone through or brought into order for it: a role may have a hundred thousand, and every start grants them again one by one.
 */
import { PERMISSION_READ, PERMISSION_READWRITE, PERMISSION_WRITE } from "../../proto/auth.ts";
import type { Permission } from "../../proto/auth.ts";
import { intervalOf, keyString } from "../interval/interval.ts";
import { IntervalTree } from "../interval/interval-tree.ts";

export type PermissionInterval = Pick<Permission, "key" | "rangeEnd">;

export class Role {
  /** Those with one key in the order of their grants. */
  readonly #byKey = new Map<string, Permission[]>();
  readonly #read = new IntervalTree<Permission>();
  readonly #write = new IntervalTree<Permission>();
  readonly #readWrite = new IntervalTree<Permission>();
  #version = 0;

  /** Another one whenever what is permitted has changed. */
  get version(): number {
    return this.#version;
  }

  /** In no particular order. */
  *permissions(): Generator<Permission> {
    for (const granted of this.#byKey.values()) yield* granted;
  }

  /** By their keys. */
  list(): readonly Permission[] {
    return [...this.#byKey.keys()].toSorted().flatMap((key) => this.#byKey.get(key) ?? []);
  }

  /** Puts a permission in the place of the first one with its key, if that is for the same interval. */
  replace(permission: Permission): boolean {
    const granted = this.#byKey.get(keyString(permission.key));
    if (granted === undefined || !isSameInterval(granted[0], permission)) return false;
    this.#forget(granted[0]);
    granted[0] = permission;
    this.#note(permission);
    return true;
  }

  add(permission: Permission): void {
    const key = keyString(permission.key);
    const granted = this.#byKey.get(key);
    if (granted === undefined) this.#byKey.set(key, [permission]);
    else granted.push(permission);
    this.#note(permission);
  }

  /** Takes out all permissions for an interval, and gives how many these are. */
  remove(interval: PermissionInterval): number {
    const key = keyString(interval.key);
    const granted = this.#byKey.get(key) ?? [];
    const remaining: Permission[] = [];
    for (const permission of granted) {
      if (isSameInterval(permission, interval)) this.#forget(permission);
      else remaining.push(permission);
    }
    if (remaining.length > 0) this.#byKey.set(key, remaining);
    else this.#byKey.delete(key);
    return granted.length - remaining.length;
  }

  /** The furthest end of the permissions to read that begin at a key or before it; "" when there are none. */
  readReach(key: string, isBefore: boolean): string {
    return furthest(this.#read.reach(key, isBefore), this.#readWrite.reach(key, isBefore));
  }

  /** The same for those to write. */
  writeReach(key: string, isBefore: boolean): string {
    return furthest(this.#write.reach(key, isBefore), this.#readWrite.reach(key, isBefore));
  }

  #note(permission: Permission): void {
    this.#version++;
    this.#treeOf(permission)?.add(intervalOf(permission.key, permission.rangeEnd), permission);
  }

  #forget(permission: Permission): void {
    this.#version++;
    this.#treeOf(permission)?.remove(intervalOf(permission.key, permission.rangeEnd), permission);
  }

  /** Null for a type that permits nothing. */
  #treeOf({ permType }: Permission): IntervalTree<Permission> | null {
    if (permType === PERMISSION_READ) return this.#read;
    if (permType === PERMISSION_WRITE) return this.#write;
    return permType === PERMISSION_READWRITE ? this.#readWrite : null;
  }
}

function furthest(a: string, b: string): string {
  return a > b ? a : b;
}

function isSameInterval(a: PermissionInterval, b: PermissionInterval): boolean {
  return a.key.equals(b.key) && a.rangeEnd.equals(b.rangeEnd);
}
