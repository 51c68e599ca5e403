/** The messages of etcdserverpb.Auth, by the rules of rare.ts: users, roles and permissions (contract §9.3). */
import type { Buffer } from "node:buffer";
import { messageType } from "./message-type.ts";
import type { ResponseHeader } from "./messages.ts";
import type { HeaderOnly, NoFields } from "./rare.ts";

export const PERMISSION_READ = 0;
export const PERMISSION_WRITE = 1;
export const PERMISSION_READWRITE = 2;

export interface Permission {
  /** One of PERMISSION_*; any other number permits nothing. */
  permType: number;
  key: Buffer;
  /** As in a RangeRequest: empty for the key alone, a zero byte for all keys from it on. */
  rangeEnd: Buffer;
}

export interface UserAddOptions {
  noPassword: boolean;
}

/** A request about one user, or one role, as a whole. */
export interface NameRequest {
  name: string;
}

export interface AuthUserAddRequest {
  name: string;
  password: string;
  options: UserAddOptions | null;
  hashedPassword: string;
}

export interface AuthUserChangePasswordRequest {
  name: string;
  password: string;
  hashedPassword: string;
}

export interface AuthUserGrantRoleRequest {
  user: string;
  role: string;
}

export interface AuthUserRevokeRoleRequest {
  name: string;
  role: string;
}

export interface RoleRequest {
  role: string;
}

export interface AuthRoleGrantPermissionRequest {
  name: string;
  perm: Permission | null;
}

export interface AuthRoleRevokePermissionRequest {
  role: string;
  key: Buffer;
  rangeEnd: Buffer;
}

export interface AuthenticateRequest {
  name: string;
  password: string;
}

export interface AuthenticateResponse {
  header: ResponseHeader | null;
  token: string;
}

export interface AuthStatusResponse {
  header: ResponseHeader | null;
  enabled: boolean;
  authRevision: number;
}

export interface AuthUserGetResponse {
  header: ResponseHeader | null;
  roles: string[];
}

export interface AuthUserListResponse {
  header: ResponseHeader | null;
  users: string[];
}

export interface AuthRoleGetResponse {
  header: ResponseHeader | null;
  perm: Permission[];
}

export interface AuthRoleListResponse {
  header: ResponseHeader | null;
  roles: string[];
}

function authType<Message>(name: string) {
  return messageType<Message>(`etcdserverpb.${name}`);
}

export const authEnableRequest = authType<NoFields>("AuthEnableRequest");
export const authEnableResponse = authType<HeaderOnly>("AuthEnableResponse");
export const authDisableRequest = authType<NoFields>("AuthDisableRequest");
export const authDisableResponse = authType<HeaderOnly>("AuthDisableResponse");
export const authStatusRequest = authType<NoFields>("AuthStatusRequest");
export const authStatusResponse = authType<AuthStatusResponse>("AuthStatusResponse");
export const authenticateRequest = authType<AuthenticateRequest>("AuthenticateRequest");
export const authenticateResponse = authType<AuthenticateResponse>("AuthenticateResponse");

export const authUserAddRequest = authType<AuthUserAddRequest>("AuthUserAddRequest");
export const authUserAddResponse = authType<HeaderOnly>("AuthUserAddResponse");
export const authUserGetRequest = authType<NameRequest>("AuthUserGetRequest");
export const authUserGetResponse = authType<AuthUserGetResponse>("AuthUserGetResponse");
export const authUserListRequest = authType<NoFields>("AuthUserListRequest");
export const authUserListResponse = authType<AuthUserListResponse>("AuthUserListResponse");
export const authUserDeleteRequest = authType<NameRequest>("AuthUserDeleteRequest");
export const authUserDeleteResponse = authType<HeaderOnly>("AuthUserDeleteResponse");
export const authUserChangePasswordRequest = authType<AuthUserChangePasswordRequest>("AuthUserChangePasswordRequest");
export const authUserChangePasswordResponse = authType<HeaderOnly>("AuthUserChangePasswordResponse");
export const authUserGrantRoleRequest = authType<AuthUserGrantRoleRequest>("AuthUserGrantRoleRequest");
export const authUserGrantRoleResponse = authType<HeaderOnly>("AuthUserGrantRoleResponse");
export const authUserRevokeRoleRequest = authType<AuthUserRevokeRoleRequest>("AuthUserRevokeRoleRequest");
export const authUserRevokeRoleResponse = authType<HeaderOnly>("AuthUserRevokeRoleResponse");

export const authRoleAddRequest = authType<NameRequest>("AuthRoleAddRequest");
export const authRoleAddResponse = authType<HeaderOnly>("AuthRoleAddResponse");
export const authRoleGetRequest = authType<RoleRequest>("AuthRoleGetRequest");
export const authRoleGetResponse = authType<AuthRoleGetResponse>("AuthRoleGetResponse");
export const authRoleListRequest = authType<NoFields>("AuthRoleListRequest");
export const authRoleListResponse = authType<AuthRoleListResponse>("AuthRoleListResponse");
export const authRoleDeleteRequest = authType<RoleRequest>("AuthRoleDeleteRequest");
export const authRoleDeleteResponse = authType<HeaderOnly>("AuthRoleDeleteResponse");
export const authRoleGrantPermissionRequest = authType<AuthRoleGrantPermissionRequest>(
  "AuthRoleGrantPermissionRequest",
);
export const authRoleGrantPermissionResponse = authType<HeaderOnly>("AuthRoleGrantPermissionResponse");
export const authRoleRevokePermissionRequest = authType<AuthRoleRevokePermissionRequest>(
  "AuthRoleRevokePermissionRequest",
);
export const authRoleRevokePermissionResponse = authType<HeaderOnly>("AuthRoleRevokePermissionResponse");
