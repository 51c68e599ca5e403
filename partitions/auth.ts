/**
 * Users, roles and whether they are asked for: the state that the requests of etcdserverpb.Auth change (contract §9.3).
 * Part of the keyspace, because every replay must permit and refuse the same. Who a client is, its password and its
 * token, is not known here; what a user may do is decided in authorization.ts.
 *
 * Every change gives the next auth revision, so that a command can tell whether it was proposed under other rules.
 */
import { Permissions } from "./permissions.ts";
import type { Permission } from "./permissions.ts";
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
} from "./refusals.ts";
import type { Refusal } from "./refusals.ts";

/** The user that must exist, and the role that permits everything. */
export const ROOT = "root";

/** Names, password hashes and permissions together may take so many bytes. etcd bounds them only by its disk. */
export const AUTH_BYTES_MAX = 64 * 1024 * 1024;

/** What an entry costs beside its own bytes, rounded up. */
const ENTRY_BYTES = 128;

export interface User {
  readonly name: string;
  /** Whatever the server made of the password; null when the user has none and cannot authenticate. */
  readonly passwordHash: string | null;
  /** In byte order, each once. */
  readonly roles: readonly string[];
}

/** The role of that name has every permission, whatever it was granted. */
const ROOT_PERMISSION: Permission = { permType: 2, key: Buffer.alloc(0), rangeEnd: Buffer.from([0]) };

export class Auth {
  #enabled = false;
  #enabledAt = 0;
  #revision = 1;
  #bytes = 0;
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, readonly Permission[]>();
  /** What each user may do, made when it is first asked for, and forgotten at every change. */
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
    this.#changed();
  }

  user(name: string): User | null {
    return this.#users.get(name) ?? null;
  }

  /** In byte order. */
  userNames(): string[] {
    return [...this.#users.keys()].toSorted(byBytes);
  }

  addUser(name: string, passwordHash: string | null): Refusal | null {
    if (name === "") return USER_NAME_EMPTY;
    if (this.#users.has(name)) return USER_EXISTS;
    return this.#putUser({ name, passwordHash, roles: [] });
  }

  deleteUser(name: string): Refusal | null {
    if (this.#enabled && name === ROOT) return INVALID_AUTH_MANAGEMENT;
    const user = this.#users.get(name);
    if (user === undefined) return USER_NOT_FOUND;
    this.#bytes -= userBytes(user);
    this.#users.delete(name);
    this.#changed();
    return null;
  }

  /** A user that was added without password stays so. */
  changePassword(name: string, passwordHash: string): Refusal | null {
    const user = this.#users.get(name);
    if (user === undefined) return USER_NOT_FOUND;
    return this.#putUser({ ...user, passwordHash: user.passwordHash === null ? null : passwordHash });
  }

  /** Granting again changes nothing, and so no revision. The root role need not exist. */
  grantRole(name: string, role: string): Refusal | null {
    const user = this.#users.get(name);
    if (user === undefined) return USER_NOT_FOUND;
    if (role !== ROOT && !this.#roles.has(role)) return ROLE_NOT_FOUND;
    if (user.roles.includes(role)) return null;
    return this.#putUser({ ...user, roles: [...user.roles, role].toSorted(byBytes) });
  }

  revokeRole(name: string, role: string): Refusal | null {
    if (this.#enabled && name === ROOT && role === ROOT) return INVALID_AUTH_MANAGEMENT;
    const user = this.#users.get(name);
    if (user === undefined) return USER_NOT_FOUND;
    if (!user.roles.includes(role)) return ROLE_NOT_GRANTED;
    return this.#putUser(withoutRole(user, role));
  }

  /** The permissions of a role, by their keys, or null when there is no such role. */
  role(name: string): readonly Permission[] | null {
    const permissions = this.#roles.get(name);
    if (permissions === undefined) return null;
    return name === ROOT ? [ROOT_PERMISSION] : permissions;
  }

  /** In byte order. */
  roleNames(): string[] {
    return [...this.#roles.keys()].toSorted(byBytes);
  }

  addRole(name: string): Refusal | null {
    if (name === "") return ROLE_NAME_EMPTY;
    if (this.#roles.has(name)) return ROLE_EXISTS;
    return this.#putRole(name, []);
  }

  /** Takes the role from all users that have it. */
  deleteRole(name: string): Refusal | null {
    if (this.#enabled && name === ROOT) return INVALID_AUTH_MANAGEMENT;
    const permissions = this.#roles.get(name);
    if (permissions === undefined) return ROLE_NOT_FOUND;
    this.#bytes -= roleBytes(name, permissions);
    this.#roles.delete(name);
    for (const user of this.#users.values()) {
      if (!user.roles.includes(name)) continue;
      const remaining = withoutRole(user, name);
      this.#bytes += userBytes(remaining) - userBytes(user);
      this.#users.set(user.name, remaining);
    }
    this.#changed();
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
    // The bytes are those of the request, which go.
    const permission = { ...given, key: Buffer.from(given.key), rangeEnd: Buffer.from(given.rangeEnd) };
    const permissions = this.#roles.get(name);
    if (permissions === undefined) return ROLE_NOT_FOUND;
    const index = permissions.findIndex(({ key }) => key.compare(permission.key) >= 0);
    if (index >= 0 && isSameInterval(permissions[index], permission)) {
      return this.#putRole(name, permissions.with(index, permission));
    }
    return this.#putRole(
      name,
      [...permissions, permission].toSorted((a, b) => a.key.compare(b.key)),
    );
  }

  revokePermission(name: string, interval: Pick<Permission, "key" | "rangeEnd">): Refusal | null {
    const permissions = this.#roles.get(name);
    if (permissions === undefined) return ROLE_NOT_FOUND;
    const remaining = permissions.filter((permission) => !isSameInterval(permission, interval));
    if (remaining.length === permissions.length) return PERMISSION_NOT_GRANTED;
    return this.#putRole(name, remaining);
  }

  /** What the roles of a user permit together. */
  permissionsOf(user: User): Permissions {
    const known = this.#permissions.get(user.name);
    if (known !== undefined) return known;
    const permissions = new Permissions(user.roles.flatMap((role) => this.#roles.get(role) ?? []));
    this.#permissions.set(user.name, permissions);
    return permissions;
  }

  #putUser(user: User): Refusal | null {
    const before = this.#users.get(user.name);
    const growth = userBytes(user) - (before === undefined ? 0 : userBytes(before));
    if (!this.#hasRoomFor(growth)) return TOO_MUCH_AUTH_DATA;
    this.#users.set(user.name, user);
    this.#changed();
    return null;
  }

  #putRole(name: string, permissions: readonly Permission[]): Refusal | null {
    const before = this.#roles.get(name);
    const growth = roleBytes(name, permissions) - (before === undefined ? 0 : roleBytes(name, before));
    if (!this.#hasRoomFor(growth)) return TOO_MUCH_AUTH_DATA;
    this.#roles.set(name, permissions);
    this.#changed();
    return null;
  }

  #hasRoomFor(growth: number): boolean {
    if (growth > 0 && this.#bytes + growth > AUTH_BYTES_MAX) return false;
    this.#bytes += growth;
    return true;
  }

  #changed(): void {
    this.#revision++;
    this.#permissions.clear();
  }
}

function withoutRole(user: User, role: string): User {
  return { ...user, roles: user.roles.filter((each) => each !== role) };
}

function userBytes({ name, passwordHash, roles }: User): number {
  let bytes = ENTRY_BYTES + name.length + (passwordHash?.length ?? 0);
  for (const role of roles) bytes += ENTRY_BYTES + role.length;
  return bytes;
}

function roleBytes(name: string, permissions: readonly Permission[]): number {
  let bytes = ENTRY_BYTES + name.length;
  for (const { key, rangeEnd } of permissions) bytes += ENTRY_BYTES + key.length + rangeEnd.length;
  return bytes;
}

/** A single key, a range that is not empty, or all keys from one on. */
function isInterval({ key, rangeEnd }: Permission): boolean {
  if (key.length === 0) return false;
  return rangeEnd.length === 0 || key.compare(rangeEnd) < 0 || (rangeEnd.length === 1 && rangeEnd[0] === 0);
}

function isSameInterval(a: Pick<Permission, "key" | "rangeEnd">, b: Pick<Permission, "key" | "rangeEnd">): boolean {
  return a.key.equals(b.key) && a.rangeEnd.equals(b.rangeEnd);
}

/** Names are ordered by their bytes, as etcd's database does. */
function byBytes(a: string, b: string): number {
  return Buffer.from(a).compare(Buffer.from(b));
}
