/**
 * etcdserverpb.Auth as far as a server without authentication needs it: clients that were given credentials ask first,
 * hear that nobody checks them, and go on without.
 */
import { messageType } from "../../proto/message-type.ts";
import type { ResponseHeader } from "../../proto/messages.ts";
import type { NoFields } from "../../proto/rare.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Method } from "../transport/service.ts";
import type { Headers } from "./header.ts";
import { readMethod } from "./method.ts";
import { AUTH_NOT_ENABLED } from "./statuses.ts";

interface AuthStatusResponse {
  header: ResponseHeader | null;
  enabled: boolean;
  authRevision: number;
}

const authenticateRequest = messageType<{ name: string; password: string }>("etcdserverpb.AuthenticateRequest");
const authStatusRequest = messageType<NoFields>("etcdserverpb.AuthStatusRequest");
const authStatusResponse = messageType<AuthStatusResponse>("etcdserverpb.AuthStatusResponse");

/** What etcd says as long as no user or role was ever made. */
const AUTH_REVISION = 1;

export function authMethods(keyspace: Keyspace, headers: Headers): Method[] {
  return [
    readMethod("/etcdserverpb.Auth/Authenticate", authenticateRequest.decode, (call) => call.fail(AUTH_NOT_ENABLED)),
    readMethod("/etcdserverpb.Auth/AuthStatus", authStatusRequest.decode, (call) => {
      const header = headers.at(keyspace.revision);
      call.reply(authStatusResponse.encode({ header, enabled: false, authRevision: AUTH_REVISION }));
    }),
  ];
}
