/**
 * The changes of users and roles, as they stand in a journal record behind its kind, and what executing one does.
 *
 *   offset  size  field
 *        0     1  which change, the `code` of one in `AUTH_CHANGES`
 *        1     n  its etcdserverpb request, with a password's hash in place of the password
 */
import assert from "node:assert/strict";
import type { MessageType } from "../../proto/message-type.ts";
import {
  authDisableRequest,
  authEnableRequest,
  authRoleAddRequest,
  authRoleDeleteRequest,
  authRoleGrantPermissionRequest,
  authRoleRevokePermissionRequest,
  authUserAddRequest,
  authUserChangePasswordRequest,
  authUserDeleteRequest,
  authUserGrantRoleRequest,
  authUserRevokeRoleRequest,
} from "../../proto/auth.ts";
import type { Auth } from "../../partitions/auth/auth.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import { commandKind } from "./command.ts";
import { keyPrefix, shortName } from "./event-log.ts";

/** A change that is decided on, but for who wants it. */
export interface AuthChange {
  execute(auth: Auth): Refusal | null;
  /** As it stands in a record, behind the kind. */
  encode(): Buffer;
  /** etcd's words for it once it is made, and whom it is about. */
  readonly event: AuthEvent;
}

interface AuthEvent {
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
}

interface AuthChangeFields<Request> {
  /** What it is called in records, for ever. */
  readonly code: number;
  readonly request: MessageType<Request>;
  readonly execute: (auth: Auth, request: Request) => Refusal | null;
  readonly message: string;
  /** For the log: names, and of keys the prefix. Never a password. */
  readonly fields?: (request: Request) => Readonly<Record<string, string>>;
}

export class AuthChangeType<Request> {
  readonly code: number;
  readonly request: MessageType<Request>;
  readonly #execute: (auth: Auth, request: Request) => Refusal | null;
  readonly #message: string;
  readonly #fields: (request: Request) => Readonly<Record<string, string>>;

  constructor({ code, request, execute, message, fields = () => ({}) }: AuthChangeFields<Request>) {
    this.code = code;
    this.request = request;
    this.#execute = execute;
    this.#message = message;
    this.#fields = fields;
  }

  of(request: Request): AuthChange {
    return {
      execute: (auth) => this.#execute(auth, request),
      encode: () => Buffer.concat([Buffer.from([this.code]), this.request.encode(request)]),
      event: { message: this.#message, fields: this.#fields(request) },
    };
  }

  decode(message: Buffer): AuthChange {
    return this.of(this.request.decode(message));
  }
}

export const AUTH_ENABLE = new AuthChangeType({
  code: 1,
  request: authEnableRequest,
  execute: (auth) => auth.enable(),
  message: "enabled authentication",
});
export const AUTH_DISABLE = new AuthChangeType({
  code: 2,
  request: authDisableRequest,
  execute: (auth) => {
    auth.disable();
    return null;
  },
  message: "disabled authentication",
});
export const USER_ADD = new AuthChangeType({
  code: 3,
  request: authUserAddRequest,
  execute: (auth, { name, options, hashedPassword }) =>
    auth.addUser(name, options?.noPassword === true ? null : hashedPassword),
  message: "added a user",
  fields: ({ name }) => ({ "user-name": shortName(name) }),
});
export const USER_DELETE = new AuthChangeType({
  code: 4,
  request: authUserDeleteRequest,
  execute: (auth, { name }) => auth.deleteUser(name),
  message: "deleted a user",
  fields: ({ name }) => ({ "user-name": shortName(name) }),
});
export const USER_CHANGE_PASSWORD = new AuthChangeType({
  code: 5,
  request: authUserChangePasswordRequest,
  execute: (auth, { name, hashedPassword }) => auth.changePassword(name, hashedPassword),
  message: "changed a password of a user",
  fields: ({ name }) => ({ "user-name": shortName(name) }),
});
export const USER_GRANT_ROLE = new AuthChangeType({
  code: 6,
  request: authUserGrantRoleRequest,
  execute: (auth, { user, role }) => auth.grantRole(user, role),
  message: "granted a role to a user",
  fields: ({ user, role }) => ({ "user-name": shortName(user), "added-role-name": shortName(role) }),
});
export const USER_REVOKE_ROLE = new AuthChangeType({
  code: 7,
  request: authUserRevokeRoleRequest,
  execute: (auth, { name, role }) => auth.revokeRole(name, role),
  message: "revoked a role from a user",
  fields: ({ name, role }) => ({ "user-name": shortName(name), "revoked-role-name": shortName(role) }),
});
export const ROLE_ADD = new AuthChangeType({
  code: 8,
  request: authRoleAddRequest,
  execute: (auth, { name }) => auth.addRole(name),
  message: "created a role",
  fields: ({ name }) => ({ "role-name": shortName(name) }),
});
export const ROLE_DELETE = new AuthChangeType({
  code: 9,
  request: authRoleDeleteRequest,
  execute: (auth, { role }) => auth.deleteRole(role),
  message: "deleted a role",
  fields: ({ role }) => ({ "role-name": shortName(role) }),
});
export const ROLE_GRANT_PERMISSION = new AuthChangeType({
  code: 10,
  request: authRoleGrantPermissionRequest,
  execute: (auth, { name, perm }) => auth.grantPermission(name, perm),
  // etcd's line says user where it means the role.
  message: "granted/updated a permission to a role",
  fields: ({ name, perm }) => ({ "role-name": shortName(name), prefix: keyPrefix(perm?.key ?? NO_KEY) }),
});
export const ROLE_REVOKE_PERMISSION = new AuthChangeType({
  code: 11,
  request: authRoleRevokePermissionRequest,
  execute: (auth, interval) => auth.revokePermission(interval.role, interval),
  message: "revoked a permission on range",
  fields: ({ role, key }) => ({ "role-name": shortName(role), prefix: keyPrefix(key) }),
});

const NO_KEY = new Uint8Array();

const AUTH_CHANGES: ReadonlyMap<number, { decode(message: Buffer): AuthChange }> = new Map(
  [
    AUTH_ENABLE,
    AUTH_DISABLE,
    USER_ADD,
    USER_DELETE,
    USER_CHANGE_PASSWORD,
    USER_GRANT_ROLE,
    USER_REVOKE_ROLE,
    ROLE_ADD,
    ROLE_DELETE,
    ROLE_GRANT_PERMISSION,
    ROLE_REVOKE_PERMISSION,
  ].map((type) => [type.code, type]),
);

/** Every change of users and roles: one kind, since all are for users with the root role. */
export const AUTH = commandKind<AuthChange, null>({
  code: 8,
  name: "auth",
  decode: decodeAuthChange,
  encode: (change) => change.encode(),
  refuse: ({ authorization }, _, identity) => authorization.refuseAdmin(identity),
  execute: ({ auth }, change) => change.execute(auth),
  tell: (log, { event }, _, identity) =>
    log.info({ ...event.fields, by: identity === null ? undefined : shortName(identity.name) }, event.message),
});

interface PasswordRenewal {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/**
 * The server's own act when it has seen a password of which it keeps an older form than it makes now. In a journal record JSON
 * stands behind its kind:
 *
 *     {"name":"amy","from":"scrypt$…","to":"$2a$10$…"}
 */
export const PASSWORD_RENEWAL = commandKind<PasswordRenewal, null>({
  code: 15,
  name: "password renewal",
  decode: (message) => JSON.parse(message.toString()) as PasswordRenewal,
  encode: (request) => Buffer.from(JSON.stringify(request)),
  execute: ({ auth }, { name, from, to }) => {
    auth.renewPassword(name, from, to);
    return null;
  },
  tell: (log, { name }) => log.info({ "user-name": shortName(name) }, "what is kept of a password was renewed"),
});

/** @param bytes what `encode` of a change of one of the types above gave */
function decodeAuthChange(bytes: Buffer): AuthChange {
  assert(bytes.length > 0, "a record of an auth change says which");
  const type = AUTH_CHANGES.get(bytes[0]);
  if (type === undefined) throw new Error(`an auth change ${bytes[0]} was written by a newer version`);
  return type.decode(bytes.subarray(1));
}
