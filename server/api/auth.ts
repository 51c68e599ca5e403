/**
 * etcdserverpb.Auth (contract §9.3): users, roles, and tokens for users. Changes go through the journal, and may be made
 * by users with the root role; while authentication is disabled by anybody.
 */
import {
  authDisableResponse,
  authEnableResponse,
  authenticateRequest,
  authenticateResponse,
  authRoleAddResponse,
  authRoleDeleteResponse,
  authRoleGetRequest,
  authRoleGetResponse,
  authRoleGrantPermissionResponse,
  authRoleListRequest,
  authRoleListResponse,
  authRoleRevokePermissionResponse,
  authStatusRequest,
  authStatusResponse,
  authUserAddResponse,
  authUserChangePasswordResponse,
  authUserDeleteResponse,
  authUserGetRequest,
  authUserGetResponse,
  authUserGrantRoleResponse,
  authUserListRequest,
  authUserListResponse,
  authUserRevokeRoleResponse,
} from "../../proto/auth.ts";
import type { AuthenticateRequest } from "../../proto/auth.ts";
import type { MessageType } from "../../proto/message-type.ts";
import type { HeaderOnly } from "../../proto/rare.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { Refusal, ROLE_NOT_FOUND, USER_NOT_FOUND } from "../../partitions/refusals.ts";
import type { AuthChangeType } from "../engine/auth-commands.ts";
import {
  AUTH,
  AUTH_DISABLE,
  AUTH_ENABLE,
  PASSWORD_RENEWAL,
  ROLE_ADD,
  ROLE_DELETE,
  ROLE_GRANT_PERMISSION,
  ROLE_REVOKE_PERMISSION,
  USER_ADD,
  USER_CHANGE_PASSWORD,
  USER_DELETE,
  USER_GRANT_ROLE,
  USER_REVOKE_ROLE,
} from "../engine/auth-commands.ts";
import { shortName } from "../engine/event-log.ts";
import type { EventLog } from "../engine/event-log.ts";
import type { Proposer } from "../engine/proposer.ts";
import type { ReadGate } from "../engine/read-gate.ts";
import { AUTH_NAME_BYTES_MAX, PASSWORD_BYTES_MAX } from "../limits.ts";
import { isOld } from "../session/passwords.ts";
import type { PasswordCaller, Passwords } from "../session/passwords.ts";
import type { Tokens } from "../session/tokens.ts";
import { recordOf } from "../engine/record.ts";
import { REQUEST_TOO_LARGE, TOO_MANY_REQUESTS } from "../engine/refusals.ts";
import type { Method, Status, UnaryCall } from "../transport/service.ts";
import { CallWaiter } from "./call-waiter.ts";
import type { Callers } from "./callers.ts";
import { confirmedMethod } from "./confirmed-reads.ts";
import type { Headers } from "./header.ts";
import { lastingMethod } from "./method.ts";
import { AUTH_FAILED, AUTH_NOT_ENABLED, NO_PASSWORD_USER, PASSWORD_TOO_LONG, VERIFY_ONLY } from "./statuses.ts";

export interface AuthContext {
  readonly keyspace: Keyspace;
  readonly proposer: Proposer;
  readonly callers: Callers;
  readonly tokens: Tokens;
  readonly passwords: Passwords;
  readonly headers: Headers;
  readonly reads: ReadGate;
  readonly log: EventLog;
  /** --max-request-bytes */
  readonly requestBytesMax: number;
}

const PATH = "/etcdserverpb.Auth";

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export class AuthService {
  readonly methods: readonly Method[];
  readonly #context: AuthContext;

  constructor(context: AuthContext) {
    this.#context = context;
    this.methods = [
      this.#changeMethod("AuthEnable", AUTH_ENABLE, authEnableResponse),
      this.#changeMethod("AuthDisable", AUTH_DISABLE, authDisableResponse),
      confirmedMethod(`${PATH}/AuthStatus`, authStatusRequest.decode, context.reads, (call) => this.#status(call)),
      confirmedMethod(`${PATH}/Authenticate`, authenticateRequest.decode, context.reads, (call, request) => {
        void this.#authenticate(call, request);
      }),
      this.#passwordMethod("UserAdd", USER_ADD, authUserAddResponse, ({ options }) => options?.noPassword !== true),
      confirmedMethod(`${PATH}/UserGet`, authUserGetRequest.decode, context.reads, (call, { name }) =>
        this.#userGet(call, name),
      ),
      confirmedMethod(`${PATH}/UserList`, authUserListRequest.decode, context.reads, (call) => this.#userList(call)),
      this.#changeMethod("UserDelete", USER_DELETE, authUserDeleteResponse),
      this.#passwordMethod(
        "UserChangePassword",
        USER_CHANGE_PASSWORD,
        authUserChangePasswordResponse,
        ({ password, hashedPassword }) => {
          // etcd does not hash an empty one, so that no password fits any more.
          return password !== "" || hashedPassword !== "";
        },
      ),
      this.#changeMethod("UserGrantRole", USER_GRANT_ROLE, authUserGrantRoleResponse),
      this.#changeMethod("UserRevokeRole", USER_REVOKE_ROLE, authUserRevokeRoleResponse),
      this.#changeMethod("RoleAdd", ROLE_ADD, authRoleAddResponse, refuseName),
      confirmedMethod(`${PATH}/RoleGet`, authRoleGetRequest.decode, context.reads, (call, { role }) =>
        this.#roleGet(call, role),
      ),
      confirmedMethod(`${PATH}/RoleList`, authRoleListRequest.decode, context.reads, (call) => this.#roleList(call)),
      this.#changeMethod("RoleDelete", ROLE_DELETE, authRoleDeleteResponse),
      this.#changeMethod("RoleGrantPermission", ROLE_GRANT_PERMISSION, authRoleGrantPermissionResponse),
      this.#changeMethod("RoleRevokePermission", ROLE_REVOKE_PERMISSION, authRoleRevokePermissionResponse),
    ];
  }

  #changeMethod<Request>(
    name: string,
    change: AuthChangeType<Request>,
    response: MessageType<HeaderOnly>,
    refuse: (request: Request) => Status | null = () => null,
  ): Method {
    return lastingMethod(`${PATH}/${name}`, change.request.decode, (call, request) => {
      const refused = refuse(request);
      if (refused === null) this.#propose(call, change, request, response);
      else call.fail(refused);
    });
  }

  /** A change whose request has a password, of which only the hash is kept. */
  #passwordMethod<Request extends { name: string; password: string; hashedPassword: string }>(
    name: string,
    change: AuthChangeType<Request>,
    response: MessageType<HeaderOnly>,
    hasPassword: (request: Request) => boolean,
  ): Method {
    const { passwords, callers, keyspace } = this.#context;
    return lastingMethod(`${PATH}/${name}`, change.request.decode, (call, request) => {
      const propose = (hashedPassword: string | null): void => {
        if (hashedPassword === null) return call.fail(TOO_MANY_REQUESTS);
        this.#propose(call, change, { ...request, password: "", hashedPassword }, response);
      };
      const { password } = request;
      const isHashed = password === "" && request.hashedPassword !== "";
      if (hasPassword(request) && isTooLong(password)) return call.fail(PASSWORD_TOO_LONG);
      // Only who may change a password is worth the work, and what waits for it has a small size.
      const refused = callers.refuseAdmin(call) ?? refuseName(request);
      if (refused !== null) return call.fail(refused);
      if (!hasPassword(request)) return propose("");
      if (!isHashed) return void passwords.hash(password, passwordCaller(call, callers.nameOf(call))).then(propose);
      const hash = decodedHash(request.hashedPassword);
      if (hash !== null) propose(hash);
      else if (change.code === USER_CHANGE_PASSWORD.code && keyspace.auth.user(request.name) === null)
        call.fail(USER_NOT_FOUND);
      // etcd's words for what it cannot read.
      else call.fail(NO_PASSWORD_USER);
    });
  }

  #propose<Request>(
    call: UnaryCall,
    change: AuthChangeType<Request>,
    request: Request,
    response: MessageType<HeaderOnly>,
  ): void {
    const { proposer, callers, requestBytesMax } = this.#context;
    const identity = callers.identify(call);
    if (identity instanceof Refusal) return call.fail(identity);
    const command = change.of(request);
    const record = recordOf(AUTH, AUTH.encode(command));
    if (record.length > requestBytesMax) return call.fail(REQUEST_TOO_LARGE);
    const waiter = new CallWaiter(call, () => call.reply(response.encode({ header: this.#header() })));
    const unproposed = proposer.propose(AUTH, command, record, waiter, identity);
    if (unproposed !== null) call.fail(unproposed);
  }

  /** Gives a token for a password, which is checked again when users or roles have changed meanwhile. */
  async #authenticate(call: UnaryCall, { name, password }: AuthenticateRequest): Promise<void> {
    const { keyspace, passwords, tokens } = this.#context;
    const { auth } = keyspace;
    while (!call.closed) {
      if (!auth.enabled) return call.fail(AUTH_NOT_ENABLED);
      const user = auth.user(name);
      if (user === null) return this.#failLogin(call, name, AUTH_FAILED);
      if (user.passwordHash === null) return this.#failLogin(call, name, NO_PASSWORD_USER);
      const { revision } = auth;
      const isRight = await passwords.matches(password, user.passwordHash, passwordCaller(call, name));
      if (isRight === null) return call.fail(TOO_MANY_REQUESTS);
      if (!isRight) return this.#failLogin(call, name, AUTH_FAILED);
      if (isOld(user.passwordHash)) await this.#renew(call, name, user.passwordHash, password);
      if (auth.revision !== revision) continue;
      const token = tokens.assign(user);
      if (token === null) return call.fail(VERIFY_ONLY);
      return call.reply(authenticateResponse.encode({ header: this.#header(), token }));
    }
  }

  /** Puts a newer form of a password in the place of what is kept of it. When that cannot be done it is left to the next login. */
  async #renew(call: UnaryCall, name: string, from: string, password: string): Promise<void> {
    const { passwords, proposer } = this.#context;
    if (!proposer.isWritable) return;
    const to = await passwords.hash(password, passwordCaller(call, name));
    if (to === null) return;
    await new Promise<void>((resolve) => {
      const ended = (): void => resolve();
      const renewal = { name, from, to };
      const record = recordOf(PASSWORD_RENEWAL, PASSWORD_RENEWAL.encode(renewal));
      const waiter = { onApplied: ended, onLost: ended };
      if (proposer.propose(PASSWORD_RENEWAL, renewal, record, waiter) !== null) ended();
    });
  }

  /** In etcd's words, with the name that was given and no password. */
  #failLogin(call: UnaryCall, name: string, status: Status): void {
    // Who went away before his turn came has not been looked at.
    if (call.closed) return;
    this.#context.log.warn({ user: shortName(name), error: status.message }, "invalid authentication was requested");
    call.fail(status);
  }

  /** Whoever asks, but not with a token that is none. */
  #status(call: UnaryCall): void {
    const { callers, keyspace } = this.#context;
    const identity = callers.identify(call);
    if (identity instanceof Refusal) return call.fail(identity);
    const { enabled, revision } = keyspace.auth;
    call.reply(authStatusResponse.encode({ header: this.#header(), enabled, authRevision: revision }));
  }

  /** Users may look at themselves. */
  #userGet(call: UnaryCall, name: string): void {
    const { callers, keyspace } = this.#context;
    const refused = callers.refuse(call, (authorization, identity) => {
      return (identity?.name ?? "") === name ? null : authorization.refuseAdmin(identity);
    });
    if (refused !== null) return call.fail(refused);
    const user = keyspace.auth.user(name);
    if (user === null) return call.fail(USER_NOT_FOUND);
    call.reply(authUserGetResponse.encode({ header: this.#header(), roles: [...user.roles] }));
  }

  #userList(call: UnaryCall): void {
    const { callers, keyspace } = this.#context;
    const refused = callers.refuseAdmin(call);
    if (refused !== null) return call.fail(refused);
    call.reply(authUserListResponse.encode({ header: this.#header(), users: keyspace.auth.userNames() }));
  }

  /** Users may look at the roles they have. */
  #roleGet(call: UnaryCall, name: string): void {
    const { callers, keyspace } = this.#context;
    const { auth } = keyspace;
    const refused = callers.refuse(call, (authorization, identity) => {
      const hasRole = identity !== null && auth.user(identity.name)?.roles.includes(name) === true;
      return hasRole ? null : authorization.refuseAdmin(identity);
    });
    if (refused !== null) return call.fail(refused);
    const permissions = auth.role(name);
    if (permissions === null) return call.fail(ROLE_NOT_FOUND);
    call.reply(authRoleGetResponse.encode({ header: this.#header(), perm: [...permissions] }));
  }

  #roleList(call: UnaryCall): void {
    const { callers, keyspace } = this.#context;
    const refused = callers.refuseAdmin(call);
    if (refused !== null) return call.fail(refused);
    call.reply(authRoleListResponse.encode({ header: this.#header(), roles: keyspace.auth.roleNames() }));
  }

  #header() {
    const { headers, keyspace } = this.#context;
    return headers.at(keyspace.revision);
  }
}

function passwordCaller(call: UnaryCall, user: string): PasswordCaller {
  return { user, connection: call.connection, isWanted: () => !call.closed };
}

/** What etcd keeps of a password comes in base64; null when it does not. */
function decodedHash(base64: string): string | null {
  return BASE64.test(base64) ? Buffer.from(base64, "base64").toString("latin1") : null;
}

function isTooLong(password: string): boolean {
  return Buffer.byteLength(password) > PASSWORD_BYTES_MAX;
}

function refuseName({ name }: { readonly name: string }): Status | null {
  return Buffer.byteLength(name) > AUTH_NAME_BYTES_MAX ? REQUEST_TOO_LARGE : null;
}
