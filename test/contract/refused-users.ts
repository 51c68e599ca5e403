/** One call for every refusal that users, roles and permissions can bring about, as refused-calls.ts has the others. */
import {
  authenticateRequest,
  authRoleAddRequest,
  authRoleDeleteRequest,
  authRoleGetRequest,
  authRoleGrantPermissionRequest,
  authRoleRevokePermissionRequest,
  authUserAddRequest,
  authUserChangePasswordRequest,
  authUserDeleteRequest,
  authUserGetRequest,
  authUserGrantRoleRequest,
  authUserRevokeRoleRequest,
} from "../../proto/auth.ts";
import { hashKVRequest, leaseRevokeRequest } from "../../proto/rare.ts";
import { writeCompactionRequest, writePutRequest, writeRangeRequest } from "../../proto/request-writers.ts";
import type { EtcdClient } from "../support/etcd-client.ts";
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { encode } from "./refused-calls.ts";
import type { RefusedCall } from "./refused-calls.ts";
import { AMY, authenticate, AUTH_FAILED, enableAuth, makeUsers, ROOT } from "./users.ts";
import { INVALID_TOKEN, PERMISSION_DENIED, USER_NAME_EMPTY } from "./users.ts";

const NOTHING = Buffer.alloc(0);
const USER_NOT_FOUND = [9, "etcdserver: user name not found"] as const;
const ROLE_NOT_FOUND = [9, "etcdserver: role name not found"] as const;
const INVALID_MANAGEMENT = [3, "etcdserver: invalid auth management"] as const;

type Row = readonly [method: string, message: Uint8Array, code: number, text: string];

const interval = { key: Buffer.from("k"), rangeEnd: NOTHING };
const user = (name: string, password = "p") => ({ name, password, options: null, hashedPassword: "" });

/** While nobody has made a user. */
export const REFUSED_WITHOUT_USERS: readonly RefusedCall[] = [
  callOf(["AuthEnable", NOTHING, 9, "etcdserver: root user does not exist"], null),
];

/** What `makeUsers` has made being there but for root's role, and authentication not enabled yet. */
const DISABLED: readonly Row[] = [
  ["AuthEnable", NOTHING, 9, "etcdserver: root user does not have root role"],
  ["Authenticate", authenticateRequest.encode({ ...AMY }), 9, "etcdserver: authentication is not enabled"],
  ["UserAdd", authUserAddRequest.encode(user("")), ...USER_NAME_EMPTY],
  ["UserAdd", authUserAddRequest.encode(user("amy")), 9, "etcdserver: user name already exists"],
  ["UserAdd", authUserAddRequest.encode(user("long", "p".repeat(73))), 2, "bcrypt: password length exceeds 72 bytes"],
  ["UserGet", authUserGetRequest.encode({ name: "none" }), ...USER_NOT_FOUND],
  ["UserDelete", authUserDeleteRequest.encode({ name: "none" }), ...USER_NOT_FOUND],
  ["UserChangePassword", authUserChangePasswordRequest.encode(user("none")), ...USER_NOT_FOUND],
  ["UserGrantRole", authUserGrantRoleRequest.encode({ user: "none", role: "amys" }), ...USER_NOT_FOUND],
  ["UserGrantRole", authUserGrantRoleRequest.encode({ user: "amy", role: "none" }), ...ROLE_NOT_FOUND],
  ["UserRevokeRole", authUserRevokeRoleRequest.encode({ name: "none", role: "amys" }), ...USER_NOT_FOUND],
  [
    "UserRevokeRole",
    authUserRevokeRoleRequest.encode({ name: "amy", role: "bobs" }),
    9,
    "etcdserver: role is not granted to the user",
  ],
  ["RoleAdd", authRoleAddRequest.encode({ name: "" }), 3, "etcdserver: role name is empty"],
  ["RoleAdd", authRoleAddRequest.encode({ name: "amys" }), 9, "etcdserver: role name already exists"],
  ["RoleGet", authRoleGetRequest.encode({ role: "none" }), ...ROLE_NOT_FOUND],
  ["RoleDelete", authRoleDeleteRequest.encode({ role: "none" }), ...ROLE_NOT_FOUND],
  [
    "RoleGrantPermission",
    authRoleGrantPermissionRequest.encode({ name: "amys", perm: null }),
    3,
    "etcdserver: permission not given",
  ],
  [
    "RoleGrantPermission",
    authRoleGrantPermissionRequest.encode({ name: "amys", perm: { permType: 0, key: NOTHING, rangeEnd: NOTHING } }),
    ...INVALID_MANAGEMENT,
  ],
  [
    "RoleGrantPermission",
    authRoleGrantPermissionRequest.encode({ name: "none", perm: { permType: 0, ...interval } }),
    ...ROLE_NOT_FOUND,
  ],
  ["RoleRevokePermission", authRoleRevokePermissionRequest.encode({ role: "none", ...interval }), ...ROLE_NOT_FOUND],
  [
    "RoleRevokePermission",
    authRoleRevokePermissionRequest.encode({ role: "amys", ...interval }),
    9,
    "etcdserver: permission is not granted to the role",
  ],
];

/** While authentication is enabled, without a token. */
const BY_NOBODY: readonly Row[] = [
  ["Authenticate", authenticateRequest.encode({ name: "amy", password: "wrong" }), ...AUTH_FAILED],
  ["Authenticate", authenticateRequest.encode({ name: "none", password: "wrong" }), ...AUTH_FAILED],
  [
    "Authenticate",
    authenticateRequest.encode({ name: "keyless", password: "any" }),
    2,
    "auth: authentication failed, password was given for no password user",
  ],
  ["UserList", NOTHING, ...USER_NAME_EMPTY],
  ["KV/Range", encode(writeRangeRequest, rangeRequest("amy/1")), ...USER_NAME_EMPTY],
];

const BY_STRANGER: readonly Row[] = [
  ["UserList", NOTHING, ...INVALID_TOKEN],
  ["AuthStatus", NOTHING, ...INVALID_TOKEN],
  ["KV/Range", encode(writeRangeRequest, rangeRequest("amy/1")), ...INVALID_TOKEN],
  ["KV/Put", encode(writePutRequest, putRequest("amy/1")), ...INVALID_TOKEN],
  ["Cluster/MemberList", NOTHING, ...INVALID_TOKEN],
];

const BY_AMY: readonly Row[] = [
  ["UserList", NOTHING, ...PERMISSION_DENIED],
  ["UserAdd", authUserAddRequest.encode(user("new")), ...PERMISSION_DENIED],
  ["AuthDisable", NOTHING, ...PERMISSION_DENIED],
  ["KV/Range", encode(writeRangeRequest, rangeRequest("bob")), ...PERMISSION_DENIED],
  ["KV/Put", encode(writePutRequest, putRequest("both/1")), ...PERMISSION_DENIED],
  ["KV/Compact", encode(writeCompactionRequest, { revision: 1, physical: false }), ...PERMISSION_DENIED],
  ["Maintenance/HashKV", hashKVRequest.encode({ revision: 0 }), ...PERMISSION_DENIED],
  ["Lease/LeaseRevoke", leaseRevokeRequest.encode({ ID: 1n }), 5, "etcdserver: requested lease not found"],
];

const BY_ROOT: readonly Row[] = [
  ["UserDelete", authUserDeleteRequest.encode({ name: "root" }), ...INVALID_MANAGEMENT],
  ["UserRevokeRole", authUserRevokeRoleRequest.encode({ name: "root", role: "root" }), ...INVALID_MANAGEMENT],
  ["RoleDelete", authRoleDeleteRequest.encode({ role: "root" }), ...INVALID_MANAGEMENT],
];

/** Makes users in an empty store, and gives what is refused before authentication is enabled. */
export async function refusedWhenDisabled(client: EtcdClient): Promise<readonly RefusedCall[]> {
  await makeUsers(client);
  const revocation = authUserRevokeRoleRequest.encode({ name: "root", role: "root" });
  await client.lean.call("/etcdserverpb.Auth/UserRevokeRole", revocation);
  return DISABLED.map((row) => callOf(row, null));
}

/** Makes users in an empty store, enables authentication, and gives what is refused to whom then. */
export async function refusedWhenEnabled(client: EtcdClient): Promise<readonly RefusedCall[]> {
  await makeUsers(client);
  const keyless = { ...user("keyless"), options: { noPassword: true } };
  await client.lean.call("/etcdserverpb.Auth/UserAdd", authUserAddRequest.encode(keyless));
  await enableAuth(client);
  const tokens = [await authenticate(client, AMY), await authenticate(client, ROOT)];
  return [
    ...BY_NOBODY.map((row) => callOf(row, null)),
    ...BY_STRANGER.map((row) => callOf(row, "nobodyhasthistoken.1")),
    ...BY_AMY.map((row) => callOf(row, tokens[0])),
    ...BY_ROOT.map((row) => callOf(row, tokens[1])),
  ];
}

function callOf([method, message, code, text]: Row, token: string | null): RefusedCall {
  const path = `/etcdserverpb.${method.includes("/") ? method : `Auth/${method}`}`;
  return { what: `${method}: ${text}`, path, message, code, text, token };
}
