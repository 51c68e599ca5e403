/**
 * What a user may do, while authentication is enabled (contract §9.3). Each check gives the refusal, or null, which is
 * also the answer while it is disabled. Writes are checked when they are executed: what they may is a matter of the
 * users, the roles and the keys of leases at that moment, the same in every replay.
 */
import type { DeleteRangeRequest, PutRequest, RequestOp, TxnRequest } from "../../proto/messages.ts";
import { ROOT } from "./auth.ts";
import type { Auth, User } from "./auth.ts";
import type { LeasedKeys } from "./leased-keys.ts";
import type { Permissions } from "./permissions.ts";
import { AUTH_REVISION_OLD, PERMISSION_DENIED, Refusal, USER_NAME_EMPTY, USER_NOT_FOUND } from "../refusals.ts";

/** Who wants something: a user whose token was good when the auth revision was this. Null is nobody. */
export interface Identity {
  readonly name: string;
  readonly authRevision: number;
}

type Key = Buffer;
const NO_END = Buffer.alloc(0);

export class Authorization {
  readonly #auth: Auth;
  readonly #leaseOf: (id: bigint) => LeasedKeys | null;

  constructor(auth: Auth, leaseOf: (id: bigint) => LeasedKeys | null) {
    this.#auth = auth;
    this.#leaseOf = leaseOf;
  }

  /** For what only users with the root role may do. */
  refuseAdmin(identity: Identity | null): Refusal | null {
    if (!this.#auth.enabled) return null;
    if (identity === null || identity.name === "") return USER_NAME_EMPTY;
    const user = this.#auth.user(identity.name);
    if (user === null) return USER_NOT_FOUND;
    return isRoot(user) ? null : PERMISSION_DENIED;
  }

  /** For what every user may do. */
  refuseNobody(identity: Identity | null): Refusal | null {
    return this.#auth.enabled && identity === null ? USER_NAME_EMPTY : null;
  }

  refuseRange(identity: Identity | null, key: Key, rangeEnd: Key): Refusal | null {
    return this.#refuse(identity, key, rangeEnd, false);
  }

  /** The keys of the put's lease count as well: who writes one key could let others run out. */
  refusePut(identity: Identity | null, request: PutRequest): Refusal | null {
    if (!this.#auth.enabled) return null;
    return (
      this.#refuse(identity, request.key, NO_END, true) ??
      this.refuseLeaseWrite(identity, request.lease) ??
      (request.prevKv ? this.refuseRange(identity, request.key, NO_END) : null)
    );
  }

  refuseDeleteRange(identity: Identity | null, { key, rangeEnd, prevKv }: DeleteRangeRequest): Refusal | null {
    return this.#refuse(identity, key, rangeEnd, true) ?? (prevKv ? this.refuseRange(identity, key, rangeEnd) : null);
  }

  /** Both branches, whichever is taken. */
  refuseTxn(identity: Identity | null, request: TxnRequest): Refusal | null {
    if (!this.#auth.enabled) return null;
    for (const { key, rangeEnd } of request.compare) {
      const refusal = this.refuseRange(identity, key, rangeEnd);
      if (refusal !== null) return refusal;
    }
    return this.#refuseOps(identity, request.success) ?? this.#refuseOps(identity, request.failure);
  }

  /** For what ends or prolongs a lease, and so decides over all its keys. */
  refuseLeaseWrite(identity: Identity | null, id: bigint): Refusal | null {
    return this.#refuseLease(identity, this.#leaseOf(id), true);
  }

  /** For what tells the keys of a lease. */
  refuseLeaseRead(identity: Identity | null, lease: LeasedKeys | null): Refusal | null {
    return this.#refuseLease(identity, lease, false);
  }

  #refuseOps(identity: Identity | null, ops: readonly RequestOp[]): Refusal | null {
    for (const op of ops) {
      const refusal = this.#refuseOp(identity, op);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  #refuseOp(identity: Identity | null, op: RequestOp): Refusal | null {
    switch (op.case) {
      case "range":
        return this.refuseRange(identity, op.request.key, op.request.rangeEnd);
      case "put":
        return this.refusePut(identity, op.request);
      case "deleteRange":
        return this.refuseDeleteRange(identity, op.request);
      case "txn":
        return this.refuseTxn(identity, op.request);
      case "none":
        return null;
    }
  }

  #refuseLease(identity: Identity | null, lease: LeasedKeys | null, writes: boolean): Refusal | null {
    if (lease === null || lease.keyCount === 0 || this.refuseAdmin(identity) === null) return null;
    const permissions = this.#permissionsOf(identity);
    if (permissions === null || permissions instanceof Refusal) return permissions;
    return (writes ? permissions.mayWriteKeysOf(lease) : permissions.mayReadKeysOf(lease)) ? null : PERMISSION_DENIED;
  }

  #refuse(identity: Identity | null, key: Key, rangeEnd: Key, writes: boolean): Refusal | null {
    const permissions = this.#permissionsOf(identity);
    if (permissions === null || permissions instanceof Refusal) return permissions;
    const permitted = writes ? permissions.mayWrite(key, rangeEnd) : permissions.mayRead(key, rangeEnd);
    return permitted ? null : PERMISSION_DENIED;
  }

  /** What is permitted, null for everything, or why nothing is. */
  #permissionsOf(identity: Identity | null): Permissions | Refusal | null {
    const auth = this.#auth;
    if (!auth.enabled) return null;
    if (identity === null || identity.authRevision === 0) return USER_NAME_EMPTY;
    // One that is yet to come is of another cluster with the same keys.
    if (identity.authRevision !== auth.revision) return AUTH_REVISION_OLD;
    const user = auth.user(identity.name);
    if (user === null) return PERMISSION_DENIED;
    return isRoot(user) ? null : auth.permissionsOf(user);
  }
}

function isRoot(user: User): boolean {
  return user.roles.includes(ROOT);
}
