/**
 * The refusals that execution itself makes: an expected no to a client, with etcd's gRPC code and exact text. They are
 * constants, returned and never thrown. What can be refused by looking at a request alone is refused before it gets here.
 */
import {
  DATA_LOSS,
  FAILED_PRECONDITION,
  INVALID_ARGUMENT,
  NOT_FOUND,
  OUT_OF_RANGE,
  PERMISSION_DENIED as PERMISSION_DENIED_CODE,
  RESOURCE_EXHAUSTED,
} from "../proto/grpc-codes.ts";

/** `code` is the number of the gRPC status, `message` its full text. */
export class Refusal {
  readonly code: number;
  readonly message: string;

  constructor(code: number, message: string) {
    this.code = code;
    this.message = message;
    Object.freeze(this);
  }

  /** Whether the same might be done if there were more room, or fewer who ask. */
  get isForWantOfRoom(): boolean {
    return false;
  }
}

export class RefusalForWantOfRoom extends Refusal {
  override get isForWantOfRoom(): boolean {
    return true;
  }
}

/** A revision below the compact revision (RG-03, CO-01). */
export const COMPACTED = new Refusal(OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted");

/** A revision that is not there yet (RG-02, CO-01). */
export const FUTURE_REVISION = new Refusal(OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision");

/** A put with, or the revocation of, a lease that does not exist (PT-05, LS-09). */
export const LEASE_NOT_FOUND = new Refusal(NOT_FOUND, "etcdserver: requested lease not found");

/** A grant of an id in use (LS-04). */
export const LEASE_EXISTS = new Refusal(FAILED_PRECONDITION, "etcdserver: lease already exists");

/** `ignore_value` or `ignore_lease` on a key that does not exist (PT-04). */
export const KEY_NOT_FOUND = new Refusal(INVALID_ARGUMENT, "etcdserver: key not found");

/** The ranges of one txn give more keys than an answer may have. etcd has no such bound. */
export const TOO_MANY_KEYS = new Refusal(RESOURCE_EXHAUSTED, "etcdserver: too many keys in the ranges of one txn");

/** A lease beyond `LEASES_MAX`. etcd has no such bound. */
export const TOO_MANY_LEASES = new Refusal(RESOURCE_EXHAUSTED, "etcdserver: too many leases");

/** What would add bytes while the NOSPACE alarm is active (LS-20). */
export const NO_SPACE = new RefusalForWantOfRoom(RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded");

/** Any change while the CORRUPT alarm is active. */
export const CORRUPT = new Refusal(DATA_LOSS, "etcdserver: corrupt cluster");

/** Authentication was to be enabled before there is a root user with the root role (contract §9.3). */
export const ROOT_USER_NOT_FOUND = new Refusal(FAILED_PRECONDITION, "etcdserver: root user does not exist");
export const ROOT_HAS_NO_ROOT_ROLE = new Refusal(FAILED_PRECONDITION, "etcdserver: root user does not have root role");

export const USER_EXISTS = new Refusal(FAILED_PRECONDITION, "etcdserver: user name already exists");
/** Also what a caller without a user hears where one is needed. */
export const USER_NAME_EMPTY = new Refusal(INVALID_ARGUMENT, "etcdserver: user name is empty");
export const USER_NOT_FOUND = new Refusal(FAILED_PRECONDITION, "etcdserver: user name not found");
export const ROLE_EXISTS = new Refusal(FAILED_PRECONDITION, "etcdserver: role name already exists");
export const ROLE_NAME_EMPTY = new Refusal(INVALID_ARGUMENT, "etcdserver: role name is empty");
export const ROLE_NOT_FOUND = new Refusal(FAILED_PRECONDITION, "etcdserver: role name not found");
export const ROLE_NOT_GRANTED = new Refusal(FAILED_PRECONDITION, "etcdserver: role is not granted to the user");
export const PERMISSION_NOT_GIVEN = new Refusal(INVALID_ARGUMENT, "etcdserver: permission not given");
export const PERMISSION_NOT_GRANTED = new Refusal(
  FAILED_PRECONDITION,
  "etcdserver: permission is not granted to the role",
);
/** A permission for no keys, or what would take the root user its power while authentication is enabled. */
export const INVALID_AUTH_MANAGEMENT = new Refusal(INVALID_ARGUMENT, "etcdserver: invalid auth management");

/** Users and roles beyond `AUTH_BYTES_MAX`. etcd has no such bound. */
export const TOO_MUCH_AUTH_DATA = new Refusal(RESOURCE_EXHAUSTED, "etcdserver: too many users and roles");

export const PERMISSION_DENIED = new Refusal(PERMISSION_DENIED_CODE, "etcdserver: permission denied");

/** Users or roles changed while the request was on its way: clients try again with a new token. */
export const AUTH_REVISION_OLD = new Refusal(INVALID_ARGUMENT, "etcdserver: revision of auth store is old");
