/** Three users for tests of authentication: root, and two who may do different things. */
import {
  authEnableRequest,
  authEnableResponse,
  authenticateRequest,
  authenticateResponse,
  authRoleAddRequest,
  authRoleAddResponse,
  authRoleGrantPermissionRequest,
  authRoleGrantPermissionResponse,
  authUserAddRequest,
  authUserAddResponse,
  authUserGrantRoleRequest,
  authUserGrantRoleResponse,
  PERMISSION_READ,
  PERMISSION_READWRITE,
  PERMISSION_WRITE,
} from "../../proto/auth.ts";
import type { MessageType } from "../../proto/message-type.ts";
import type { HeaderOnly } from "../../proto/rare.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { prefixEnd } from "../../bench/client/requests.ts";

export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** A flag with which a password takes no time. */
export const CHEAP_PASSWORDS: readonly string[] = ["--bcrypt-cost=4"];

export const ROOT: Credentials = { name: "root", password: "of all evil" };
/** Reads and writes `amy/`, reads `both/`. */
export const AMY: Credentials = { name: "amy", password: "a" };
/** Writes the key `bob` and `both/`, and reads nothing. */
export const BOB: Credentials = { name: "bob", password: "b" };

export const AUTH_FAILED = [3, "etcdserver: authentication failed, invalid user ID or password"] as const;
export const INVALID_TOKEN = [16, "etcdserver: invalid auth token"] as const;
export const PERMISSION_DENIED = [7, "etcdserver: permission denied"] as const;
export const USER_NAME_EMPTY = [3, "etcdserver: user name is empty"] as const;

/** A call of etcdserverpb.Auth. */
export function rpc<Request, Response>(
  client: EtcdClient,
  name: string,
  requestType: MessageType<Request>,
  responseType: MessageType<Response>,
  request: Request,
): Promise<Response> {
  return client.rare(`Auth/${name}`, requestType, responseType, request);
}

/** Makes the users and their roles, without enabling authentication. Twelve changes. */
export async function makeUsers(client: EtcdClient): Promise<void> {
  for (const { name, password } of [ROOT, AMY, BOB]) {
    const request = { name, password, options: null, hashedPassword: "" };
    await rpc(client, "UserAdd", authUserAddRequest, authUserAddResponse, request);
  }
  const prefix = (text: string) => ({ key: Buffer.from(text), rangeEnd: prefixEnd(text) });
  const grants = [
    { name: "amys", perm: { permType: PERMISSION_READ, ...prefix("both/") } },
    { name: "amys", perm: { permType: PERMISSION_READWRITE, ...prefix("amy/") } },
    { name: "bobs", perm: { permType: PERMISSION_WRITE, key: Buffer.from("bob"), rangeEnd: Buffer.alloc(0) } },
    { name: "bobs", perm: { permType: PERMISSION_WRITE, ...prefix("both/") } },
  ];
  for (const name of ["amys", "bobs"]) await rpc(client, "RoleAdd", authRoleAddRequest, authRoleAddResponse, { name });
  for (const grant of grants) {
    await rpc(client, "RoleGrantPermission", authRoleGrantPermissionRequest, authRoleGrantPermissionResponse, grant);
  }
  // The root role exists without having been added.
  for (const [user, role] of [
    [ROOT.name, "root"],
    [AMY.name, "amys"],
    [BOB.name, "bobs"],
  ]) {
    await rpc(client, "UserGrantRole", authUserGrantRoleRequest, authUserGrantRoleResponse, { user, role });
  }
}

export function enableAuth(client: EtcdClient): Promise<HeaderOnly> {
  return rpc(client, "AuthEnable", authEnableRequest, authEnableResponse, {});
}

/** @returns the user's token */
export async function authenticate(client: EtcdClient, credentials: Credentials): Promise<string> {
  const response = await rpc(client, "Authenticate", authenticateRequest, authenticateResponse, { ...credentials });
  return response.token;
}

/** A connection whose calls are all the user's. */
export async function connectAs(url: string, credentials: Credentials): Promise<EtcdClient> {
  const client = await EtcdClient.connect(url);
  const token = await authenticate(client, credentials);
  client.lean.destroy();
  return EtcdClient.connect(url, { metadata: [["token", token]] });
}
