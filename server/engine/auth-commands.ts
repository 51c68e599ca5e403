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

/** A change that is decided on, but for who wants it. */
export interface AuthChange {
  execute(auth: Auth): Refusal | null;
  /** As it stands in a record, behind the kind. */
  encode(): Buffer;
}

export class AuthChangeType<Request> {
  /** What it is called in records, for ever. */
  readonly code: number;
  readonly request: MessageType<Request>;
  readonly #execute: (auth: Auth, request: Request) => Refusal | null;

  constructor(code: number, request: MessageType<Request>, execute: (auth: Auth, request: Request) => Refusal | null) {
    this.code = code;
    this.request = request;
    this.#execute = execute;
  }

  of(request: Request): AuthChange {
    return {
      execute: (auth) => this.#execute(auth, request),
      encode: () => Buffer.concat([Buffer.from([this.code]), this.request.encode(request)]),
    };
  }

  decode(message: Buffer): AuthChange {
    return this.of(this.request.decode(message));
  }
}

export const AUTH_ENABLE = new AuthChangeType(1, authEnableRequest, (auth) => auth.enable());
export const AUTH_DISABLE = new AuthChangeType(2, authDisableRequest, (auth) => {
  auth.disable();
  return null;
});
export const USER_ADD = new AuthChangeType(3, authUserAddRequest, (auth, { name, options, hashedPassword }) =>
  auth.addUser(name, options?.noPassword === true ? null : hashedPassword),
);
export const USER_DELETE = new AuthChangeType(4, authUserDeleteRequest, (auth, { name }) => auth.deleteUser(name));
export const USER_CHANGE_PASSWORD = new AuthChangeType(
  5,
  authUserChangePasswordRequest,
  (auth, { name, hashedPassword }) => auth.changePassword(name, hashedPassword),
);
export const USER_GRANT_ROLE = new AuthChangeType(6, authUserGrantRoleRequest, (auth, { user, role }) =>
  auth.grantRole(user, role),
);
export const USER_REVOKE_ROLE = new AuthChangeType(7, authUserRevokeRoleRequest, (auth, { name, role }) =>
  auth.revokeRole(name, role),
);
export const ROLE_ADD = new AuthChangeType(8, authRoleAddRequest, (auth, { name }) => auth.addRole(name));
export const ROLE_DELETE = new AuthChangeType(9, authRoleDeleteRequest, (auth, { role }) => auth.deleteRole(role));
export const ROLE_GRANT_PERMISSION = new AuthChangeType(10, authRoleGrantPermissionRequest, (auth, { name, perm }) =>
  auth.grantPermission(name, perm),
);
export const ROLE_REVOKE_PERMISSION = new AuthChangeType(11, authRoleRevokePermissionRequest, (auth, interval) =>
  auth.revokePermission(interval.role, interval),
);

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
});

/** @param bytes what `encode` of a change of one of the types above gave */
function decodeAuthChange(bytes: Buffer): AuthChange {
  assert(bytes.length > 0, "a record of an auth change says which");
  const type = AUTH_CHANGES.get(bytes[0]);
  if (type === undefined) throw new Error(`an auth change ${bytes[0]} was written by a newer version`);
  return type.decode(bytes.subarray(1));
}
