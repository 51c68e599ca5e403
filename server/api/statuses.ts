/**
 * The refusals that the server itself makes, with etcd's codes and exact texts (contract §10). Those that come out of
 * execution are in partitions/refusals.ts; both are constants, returned and not thrown.
 */
import { Refusal } from "../../partitions/refusals.ts";
import { TooManyOpsError } from "../../proto/decode-error.ts";
import type { DecodeError } from "../../proto/decode-error.ts";
import type { Status } from "../transport/service.ts";
import {
  FAILED_PRECONDITION,
  INTERNAL,
  INVALID_ARGUMENT,
  NOT_FOUND,
  OUT_OF_RANGE,
  RESOURCE_EXHAUSTED,
  UNAUTHENTICATED,
  UNAVAILABLE,
  UNIMPLEMENTED,
  UNKNOWN,
} from "../../proto/grpc-codes.ts";

function status(code: number, message: string): Status {
  return Object.freeze({ code, message });
}

export const KEY_NOT_PROVIDED = status(INVALID_ARGUMENT, "etcdserver: key is not provided");
export const EMPTY_REQUEST_OP = status(INVALID_ARGUMENT, "etcdserver: key not found");
export const VALUE_PROVIDED = status(INVALID_ARGUMENT, "etcdserver: value is provided");
export const LEASE_PROVIDED = status(INVALID_ARGUMENT, "etcdserver: lease is provided");
export const TOO_MANY_OPS = status(INVALID_ARGUMENT, "etcdserver: too many operations in txn request");
/** A txn with writes beyond TXN_LOOKS_MAX. etcd has no such bound. */
export const TOO_MANY_LOOKS = status(
  RESOURCE_EXHAUSTED,
  "etcdserver: too many keys are looked at in one txn with writes",
);
/** A txn beyond TXN_COPIED_BYTES_MAX. etcd has no such bound. */
export const TOO_MUCH_COPIED = status(
  RESOURCE_EXHAUSTED,
  "etcdserver: too many bytes of values are kept by ignore_value in one txn",
);
export const DUPLICATE_KEY = status(INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request");
export const INVALID_SORT_OPTION = status(INVALID_ARGUMENT, "etcdserver: invalid sort option");
export const INVALID_CLIENT_API_VERSION = status(INVALID_ARGUMENT, "etcdserver: invalid client api version");
export const LEASE_TTL_TOO_LARGE = status(OUT_OF_RANGE, "etcdserver: too large lease TTL");

/** Unavailable, because what the request wrote is written (OC-08). */
export const ANSWER_TOO_LARGE = status(
  UNAVAILABLE,
  "etcdserver: the answer is too large; what the request writes is written",
);

export const REPLIES_UNREAD = status(RESOURCE_EXHAUSTED, "etcdserver: too many replies are unread");

export const STREAM_WITH_SORT = status(UNIMPLEMENTED, "RangeStream does not support custom sort orders");
export const STREAM_WITH_FILTER = status(UNIMPLEMENTED, "RangeStream does not support revision filters");

export const MEMBER_URLS_INVALID = status(INVALID_ARGUMENT, "etcdserver: given member URLs are invalid");
export const PEER_URL_EXISTS = status(FAILED_PRECONDITION, "etcdserver: Peer URLs already exists");
export const MEMBER_NOT_FOUND = status(NOT_FOUND, "etcdserver: member not found");
export const MEMBER_NOT_LEARNER = status(FAILED_PRECONDITION, "etcdserver: can only promote a learner member");
export const BAD_LEADER_TRANSFEREE = status(FAILED_PRECONDITION, "etcdserver: bad leader transferee");

/** Unknown for the same reason as with too many requests. */
export const NOT_ENOUGH_STARTED_MEMBERS = status(
  UNKNOWN,
  "etcdserver: re-configuration failed due to not enough started members",
);

export const DOWNGRADE_VERSION_MALFORMED = status(
  INVALID_ARGUMENT,
  "etcdserver: wrong downgrade target version format",
);
export const DOWNGRADE_TARGET_INVALID = status(INVALID_ARGUMENT, "etcdserver: invalid downgrade target version");
export const UNKNOWN_DOWNGRADE_ACTION = status(UNKNOWN, "etcdserver: unknown method");

/** Clients that have credentials know these words and go on without a token. */
export const AUTH_NOT_ENABLED = status(FAILED_PRECONDITION, "etcdserver: authentication is not enabled");

export const AUTH_FAILED = status(INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password");
export const INVALID_AUTH_TOKEN = new Refusal(UNAUTHENTICATED, "etcdserver: invalid auth token");
/** This and the next two are plain errors in etcd, so clients see Unknown. */
export const NO_PASSWORD_USER = status(UNKNOWN, "auth: authentication failed, password was given for no password user");
export const VERIFY_ONLY = status(UNKNOWN, "auth: token signing attempted with verify-only key");
export const PASSWORD_TOO_LONG = status(UNKNOWN, "bcrypt: password length exceeds 72 bytes");

export const UNKNOWN_HEALTH_SERVICE = status(NOT_FOUND, "unknown service");

/** grpc-go's words for a message that is not the protobuf it should be. Of a txn that is too long etcd says just that. */
export function undecodable(error: DecodeError): Status {
  if (error instanceof TooManyOpsError) return TOO_MANY_OPS;
  return status(INTERNAL, `grpc: error unmarshalling request: ${error.message}`);
}
