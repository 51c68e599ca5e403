/** The messages of etcdserverpb.Auth, by the rules of rare.ts: users, roles and permissions (contract §9.3). */
import type { Buffer } from "node:buffer";
import { messageType, requestType } from "./message-type.ts";
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

function authRequest<Message>(name: string) {
  return requestType<Message>(`etcdserverpb.${name}`);
}

export const authEnableRequest = authRequest<NoFields>("AuthEnableRequest");
export const authEnableResponse = authType<HeaderOnly>("AuthEnableResponse");
export const authDisableRequest = authRequest<NoFields>("AuthDisableRequest");
export const authDisableResponse = authType<HeaderOnly>("AuthDisableResponse");
export const authStatusRequest = authRequest<NoFields>("AuthStatusRequest");
export const authStatusResponse = authType<AuthStatusResponse>("AuthStatusResponse");
export const authenticateRequest = authRequest<AuthenticateRequest>("AuthenticateRequest");
export const authenticateResponse = authType<AuthenticateResponse>("AuthenticateResponse");

export const authUserAddRequest = authRequest<AuthUserAddRequest>("AuthUserAddRequest");
export const authUserAddResponse = authType<HeaderOnly>("AuthUserAddResponse");
export const authUserGetRequest = authRequest<NameRequest>("AuthUserGetRequest");
export const authUserGetResponse = authType<AuthUserGetResponse>("AuthUserGetResponse");
export const authUserListRequest = authRequest<NoFields>("AuthUserListRequest");
export const authUserListResponse = authType<AuthUserListResponse>("AuthUserListResponse");
export const authUserDeleteRequest = authRequest<NameRequest>("AuthUserDeleteRequest");
export const authUserDeleteResponse = authType<HeaderOnly>("AuthUserDeleteResponse");
export const authUserChangePasswordRequest = authRequest<AuthUserChangePasswordRequest>(
  "AuthUserChangePasswordRequest",
);
export const authUserChangePasswordResponse = authType<HeaderOnly>("AuthUserChangePasswordResponse");
export const authUserGrantRoleRequest = authRequest<AuthUserGrantRoleRequest>("AuthUserGrantRoleRequest");
export const authUserGrantRoleResponse = authType<HeaderOnly>("AuthUserGrantRoleResponse");
export const authUserRevokeRoleRequest = authRequest<AuthUserRevokeRoleRequest>("AuthUserRevokeRoleRequest");
export const authUserRevokeRoleResponse = authType<HeaderOnly>("AuthUserRevokeRoleResponse");

export const authRoleAddRequest = authRequest<NameRequest>("AuthRoleAddRequest");
export const authRoleAddResponse = authType<HeaderOnly>("AuthRoleAddResponse");
export const authRoleGetRequest = authRequest<RoleRequest>("AuthRoleGetRequest");
export const authRoleGetResponse = authType<AuthRoleGetResponse>("AuthRoleGetResponse");
export const authRoleListRequest = authRequest<NoFields>("AuthRoleListRequest");
export const authRoleListResponse = authType<AuthRoleListResponse>("AuthRoleListResponse");
export const authRoleDeleteRequest = authRequest<RoleRequest>("AuthRoleDeleteRequest");
export const authRoleDeleteResponse = authType<HeaderOnly>("AuthRoleDeleteResponse");
export const authRoleGrantPermissionRequest = authRequest<AuthRoleGrantPermissionRequest>(
  "AuthRoleGrantPermissionRequest",
);
export const authRoleGrantPermissionResponse = authType<HeaderOnly>("AuthRoleGrantPermissionResponse");
export const authRoleRevokePermissionRequest = authRequest<AuthRoleRevokePermissionRequest>(
  "AuthRoleRevokePermissionRequest",
);
export const authRoleRevokePermissionResponse = authType<HeaderOnly>("AuthRoleRevokePermissionResponse");
