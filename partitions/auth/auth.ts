/**
 * Users, roles and whether they are asked for: the state that the requests of etcdserverpb.Auth change (contract §9.3).
 * Part of the keyspace, because every replay must permit and refuse the same. Who a client is, its password and its
 * token, is not known here; what a user may do is decided in authorization.ts.
 *
 * Every change gives the next auth revision, so that a command can tell whether it was proposed under other rules.
 */
import assert from "node:assert/strict";
import { PERMISSION_READWRITE } from "../../proto/auth.ts";
import type { Permission } from "../../proto/auth.ts";
import { Permissions } from "./permissions.ts";
import { Role } from "./role.ts";
import type { PermissionInterval } from "./role.ts";
import {
  INVALID_AUTH_MANAGEMENT,
  PERMISSION_NOT_GIVEN,
  PERMISSION_NOT_GRANTED,
  ROLE_EXISTS,
  ROLE_NAME_EMPTY,
  ROLE_NOT_FOUND,
  ROLE_NOT_GRANTED,
  ROOT_HAS_NO_ROOT_ROLE,
  ROOT_USER_NOT_FOUND,
  TOO_MUCH_AUTH_DATA,
  USER_EXISTS,
  USER_NAME_EMPTY,
  USER_NOT_FOUND,
} from "../refusals.ts";
import type { Refusal } from "../refusals.ts";

/** The user that must exist, and the role that permits everything. */
export const ROOT = "root";

/** Names, password hashes and permissions together may take so many bytes. etcd bounds them only by its disk. */
export const AUTH_BYTES_MAX = 64 * 1024 * 1024;

/** What an entry costs beside its own bytes, rounded up. */
const ENTRY_BYTES = 128;

/** All of it, as plain values. */
export interface AuthFacts {
  readonly enabled: boolean;
  readonly enabledAt: number;
  readonly revision: number;
  readonly users: readonly UserFacts[];
  /** The permissions of each in the order in which they are to be granted again. */
  readonly roles: readonly { readonly name: string; readonly permissions: readonly Permission[] }[];
}

/** A user as far as another keyspace has it. */
export type UserFacts = Omit<User, "passwordNumber">;

export interface User {
  readonly name: string;
  /** Whatever the server made of the password; null when the user has none and cannot authenticate. */
  readonly passwordHash: string | null;
  /** Another one for each password that was set, here and now: another form of the same is the same password. */
  readonly passwordNumber: number;
  /** In byte order, each once. */
  readonly roles: readonly string[];
}

/** The role of that name has every permission, whatever it was granted. */
const ROOT_PERMISSION: Permission = {
  permType: PERMISSION_READWRITE,
  key: Buffer.alloc(0),
  rangeEnd: Buffer.from([0]),
};

export class Auth {
  #enabled = false;
  #enabledAt = 0;
  #revision = 1;
  #bytes = 0;
  #passwords = 0;
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, Role>();
  /** What each user may do, made when it is first asked for, and forgotten when its roles change. */
  readonly #permissions = new Map<string, Permissions>();

  get enabled(): boolean {
    return this.#enabled;
  }

  /** The auth revision at which it was enabled last: another one each time, since disabling gives a new one. */
  get enabledAt(): number {
    return this.#enabledAt;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Bytes of all users and roles, with what it costs to keep them. */
  get bytes(): number {
    return this.#bytes;
  }

  facts(): AuthFacts {
    return {
      enabled: this.#enabled,
      enabledAt: this.#enabledAt,
      revision: this.#revision,
      users: Array.from(this.#users.values(), factsOf),
      roles: Array.from(this.#roles, ([name, role]) => ({ name, permissions: [...role.permissions()] })),
    };
  }

  /** Makes it, while it is new, what another one was. */
  begin({ enabled, enabledAt, revision, users, roles }: AuthFacts): void {
    assert(this.#users.size === 0 && this.#roles.size === 0 && !this.#enabled, "nothing was changed here");
    for (const user of users) {
      this.#users.set(user.name, { ...user, passwordNumber: ++this.#passwords });
      this.#bytes += userBytes(user);
    }
    for (const { name, permissions } of roles) {
      const role = new Role();
      for (const permission of permissions) role.add(permission);
      this.#roles.set(name, role);
      this.#bytes += roleBytes(name, role);
    }
    this.#enabled = enabled;
    this.#enabledAt = enabledAt;
    this.#revision = revision;
  }

  /** Enabling twice changes nothing, and so no revision. */
  enable(): Refusal | null {
    if (this.#enabled) return null;
    const root = this.#users.get(ROOT);
    if (root === undefined) return ROOT_USER_NOT_FOUND;
    if (!root.roles.includes(ROOT)) return ROOT_HAS_NO_ROOT_ROLE;
    this.#enabled = true;
    this.#enabledAt = this.#revision;
    return null;
  }

  disable(): void {
    if (!this.#enabled) return;
    this.#enabled = false;
    this.#revision++;
  }

  user(name: string): User | null {
    return this.#users.get(name) ?? null;
  }

  /** What another keyspace has of a user as well. */
  userFacts(name: string): UserFacts | null {
    const user = this.user(name);
    return user === null ? null : factsOf(user);
  }

  /** In byte order. */
  userNames(): string[] {
    return [...this.#users.keys()].toSorted(byBytes);
  }

  addUser(name: string, passwordHash: string | null): Refusal | null {
    if (name === "") return USER_NAME_EMPTY;
    if (this.#users.has(name)) return USER_EXISTS;
    const user = { name, passwordHash, passwordNumber: ++this.#passwords, roles: [] };
    return this.#putUser(user, userBytes(user));
  }

  deleteUser(name: string): Refusal | null {
    if (this.#enabled && name === ROOT) return INVALID_AUTH_MANAGEMENT;
    const user = this.#users.get(name);
    if (user === undefined) return USER_NOT_FOUND;
    this.#bytes -= userBytes(user);
    this.#users.delete(name);
    this.#permissions.delete(name);
    this.#revision++;
    return null;
  }

  /** A user that was added without password stays so. */
  changePassword(name: string, passwordHash: string): Refusal | null {
    const user = this.#users.get(name);
    if (user === undefined) return USER_NOT_FOUND;
    if (user.passwordHash === null) return this.#putUser(user, 0);
    const passwordNumber = ++this.#passwords;
    return this.#putUser({ ...user, passwordHash, passwordNumber }, passwordHash.length - user.passwordHash.length);
  }

  /**
   * Puts another form of a user's password in the place of one, if that is what there is. Nobody is to notice, so it gives no
   * revision.
   */
  renewPassword(name: string, from: string, to: string): void {
    const user = this.#users.get(name);
    if (user?.passwordHash !== from || !this.#hasRoomFor(to.length - from.length)) return;
    this.#users.set(name, { ...user, passwordHash: to });
  }

  /** Granting again changes nothing, and so no revision. The root role need not exist. */
  grantRole(name: string, role: string): Refusal | null {
    const user = this.#users.get(name);
    if (user === undefined) return USER_NOT_FOUND;
    if (role !== ROOT && !this.#roles.has(role)) return ROLE_NOT_FOUND;
    if (user.roles.includes(role)) return null;
    const following = user.roles.findIndex((each) => byBytes(each, role) > 0);
    const index = following === -1 ? user.roles.length : following;
    return this.#putUser({ ...user, roles: user.roles.toSpliced(index, 0, role) }, roleNameBytes(role));
  }

  revokeRole(name: string, role: string): Refusal | null {
    if (this.#enabled && name === ROOT && role === ROOT) return INVALID_AUTH_MANAGEMENT;
    const user = this.#users.get(name);
    if (user === undefined) return USER_NOT_FOUND;
    if (!user.roles.includes(role)) return ROLE_NOT_GRANTED;
    return this.#putUser(withoutRole(user, role), -roleNameBytes(role));
  }

  /** The permissions of a role, by their keys, or null when there is no such role. */
  role(name: string): readonly Permission[] | null {
    const role = this.#roles.get(name);
    if (role === undefined) return null;
    if (name === ROOT) return [ROOT_PERMISSION];
    return role.list();
  }

  /** In byte order. */
  roleNames(): string[] {
    return [...this.#roles.keys()].toSorted(byBytes);
  }

  addRole(name: string): Refusal | null {
    if (name === "") return ROLE_NAME_EMPTY;
    if (this.#roles.has(name)) return ROLE_EXISTS;
    if (!this.#hasRoomFor(roleNameBytes(name))) return TOO_MUCH_AUTH_DATA;
    this.#roles.set(name, new Role());
    this.#revision++;
    return null;
  }

  /** Takes the role from all users that have it. */
  deleteRole(name: string): Refusal | null {
    if (this.#enabled && name === ROOT) return INVALID_AUTH_MANAGEMENT;
    const role = this.#roles.get(name);
    if (role === undefined) return ROLE_NOT_FOUND;
    this.#bytes -= roleBytes(name, role);
    this.#roles.delete(name);
    for (const user of this.#users.values()) {
      if (!user.roles.includes(name)) continue;
      this.#bytes -= roleNameBytes(name);
      this.#users.set(user.name, withoutRole(user, name));
    }
    this.#permissions.clear();
    this.#revision++;
    return null;
  }

  /**
   * Adds a permission, or changes its type where the role has one for the same interval.
   *
   * Of several permissions that begin with the same key etcd looks at the first one only, so another one for an interval
   * that is there already may be added. It permits what both permit.
   */
  grantPermission(name: string, given: Permission | null): Refusal | null {
    if (given === null) return PERMISSION_NOT_GIVEN;
    if (!isInterval(given)) return INVALID_AUTH_MANAGEMENT;
    const role = this.#roles.get(name);
    if (role === undefined) return ROLE_NOT_FOUND;
    // The bytes are those of the request, which go.
    const permission = { ...given, key: Buffer.from(given.key), rangeEnd: Buffer.from(given.rangeEnd) };
    if (!role.replace(permission)) {
      if (!this.#hasRoomFor(permissionBytes(permission))) return TOO_MUCH_AUTH_DATA;
      role.add(permission);
    }
    this.#revision++;
    return null;
  }

  revokePermission(name: string, interval: PermissionInterval): Refusal | null {
    const role = this.#roles.get(name);
    if (role === undefined) return ROLE_NOT_FOUND;
    const removed = role.remove(interval);
    if (removed === 0) return PERMISSION_NOT_GRANTED;
    this.#bytes -= removed * permissionBytes(interval);
    this.#revision++;
    return null;
  }

  /** What the roles of a user permit together. */
  permissionsOf(user: User): Permissions {
    const known = this.#permissions.get(user.name);
    if (known !== undefined) return known;
    const permissions = new Permissions(user.roles.flatMap((role) => this.#roles.get(role) ?? []));
    this.#permissions.set(user.name, permissions);
    return permissions;
  }

  /** @param growth how many bytes more the user takes than before */
  #putUser(user: User, growth: number): Refusal | null {
    if (!this.#hasRoomFor(growth)) return TOO_MUCH_AUTH_DATA;
    this.#users.set(user.name, user);
    this.#permissions.delete(user.name);
    this.#revision++;
    return null;
  }

  #hasRoomFor(growth: number): boolean {
    if (growth > 0 && this.#bytes + growth > AUTH_BYTES_MAX) return false;
    this.#bytes += growth;
    return true;
  }
}

function factsOf({ name, passwordHash, roles }: User): UserFacts {
  return { name, passwordHash, roles };
}

function withoutRole(user: User, role: string): User {
  return { ...user, roles: user.roles.filter((each) => each !== role) };
}

function userBytes({ name, passwordHash, roles }: UserFacts): number {
  let bytes = ENTRY_BYTES + name.length + (passwordHash?.length ?? 0);
  for (const role of roles) bytes += roleNameBytes(role);
  return bytes;
}

/** Of a role that is empty, or that a user has. */
function roleNameBytes(role: string): number {
  return ENTRY_BYTES + role.length;
}

function roleBytes(name: string, role: Role): number {
  let bytes = roleNameBytes(name);
  for (const permission of role.permissions()) bytes += permissionBytes(permission);
  return bytes;
}

function permissionBytes({ key, rangeEnd }: PermissionInterval): number {
  return ENTRY_BYTES + key.length + rangeEnd.length;
}

/** A single key, a range that is not empty, or all keys from one on. */
function isInterval({ key, rangeEnd }: Permission): boolean {
  if (key.length === 0) return false;
  return rangeEnd.length === 0 || key.compare(rangeEnd) < 0 || (rangeEnd.length === 1 && rangeEnd[0] === 0);
}

/** Names are ordered by the bytes of their UTF-8, as etcd's database does, which is the order of their code points. */
function byBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return codePointRank(x) - codePointRank(y);
  }
  return a.length - b.length;
}

/** Halves of pairs stand for code points behind all others, and are code units in front of some of them. */
function codePointRank(unit: number): number {
  if (unit < 0xd8_00) return unit;
  return unit < 0xe0_00 ? unit + 0x20_00 : unit - 0x8_00;
}
