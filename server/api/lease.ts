/** etcdserverpb.Lease (contract §7). What a lease is belongs to the keyspace, when it runs out to the lessor. */
import { randomBytes } from "node:crypto";
import {
  leaseGrantRequest,
  leaseGrantResponse,
  leaseKeepAliveRequest,
  leaseKeepAliveResponse,
  leaseLeasesRequest,
  leaseLeasesResponse,
  leaseRevokeResponse,
  leaseTimeToLiveRequest,
  leaseTimeToLiveResponse,
} from "../../proto/rare.ts";
import type {
  LeaseGrantRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from "../../proto/rare.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { Refusal } from "../../partitions/refusals.ts";
import type { Lease } from "../../partitions/state/lease-table.ts";
import type { Turns } from "../clock.ts";
import type { SpaceGuard } from "../engine/space-guard.ts";
import { LEASE_COST_BYTES } from "../engine/costs.ts";
import { LEASE_GRANT, LEASE_REVOKE } from "../engine/lease-commands.ts";
import type { Proposer } from "../engine/proposer.ts";
import type { Lessor } from "../engine/lessor.ts";
import { KEEP_ALIVES_WAITING_MAX, LEASE_LIST_SLICE, LEASE_TTL_MAX_SECONDS, LEASE_TTL_MIN_SECONDS } from "../limits.ts";
import { recordOf } from "../engine/record.ts";
import type { Leadership } from "../engine/leadership.ts";
import type { ReadGate } from "../engine/read-gate.ts";
import { NO_LEADER, SERVER_STOPPED } from "../engine/refusals.ts";
import type { Method, StreamCall, StreamListener, UnaryCall } from "../transport/service.ts";
import { OK } from "../../proto/grpc-codes.ts";
import { CallWaiter } from "./call-waiter.ts";
import type { Callers } from "./callers.ts";
import { readConfirmed } from "./confirmed-reads.ts";
import type { Headers } from "./header.ts";
import { LeaseIds, LeaseKeys, LongLeaseLists, NO_LIST, PermittedLeaseIds } from "./long-lease-lists.ts";
import type { OpenList, RefuseKey } from "./long-lease-lists.ts";
import { bidiMethod, commandMethod, decodeOnStream, lastingMethod, readMethod, UnreadReplies } from "./method.ts";
import { LEASE_TTL_TOO_LARGE, REPLIES_UNREAD } from "./statuses.ts";

const NO_END = Buffer.alloc(0);

export interface LeaseContext {
  readonly keyspace: Keyspace;
  readonly proposer: Proposer;
  readonly lessor: Lessor;
  readonly guard: SpaceGuard;
  readonly callers: Callers;
  readonly headers: Headers;
  readonly turns: Turns;
  readonly reads: ReadGate;
  readonly leadership: Leadership;
}

export class LeaseService {
  readonly methods: readonly Method[];
  readonly #context: LeaseContext;
  readonly #longLists: LongLeaseLists;

  constructor(context: LeaseContext) {
    this.#context = context;
    this.#longLists = new LongLeaseLists(context.turns);
    this.methods = [
      lastingMethod("/etcdserverpb.Lease/LeaseGrant", leaseGrantRequest.decode, (call, request) =>
        this.#grant(call, request),
      ),
      commandMethod("/etcdserverpb.Lease/LeaseRevoke", LEASE_REVOKE, (call, request, record) =>
        this.#revoke(call, request, record),
      ),
      readMethod("/etcdserverpb.Lease/LeaseTimeToLive", leaseTimeToLiveRequest.decode, (call, request) =>
        readConfirmed(context.reads, call, () => this.#timeToLive(call, request), NO_LEADER),
      ),
      readMethod("/etcdserverpb.Lease/LeaseLeases", leaseLeasesRequest.decode, (call) => this.#leases(call)),
      bidiMethod("/etcdserverpb.Lease/LeaseKeepAlive", (call) => new KeepAliveStream(call, context)),
    ];
  }

  /** LS-01 to LS-05. Id and granted TTL are fixed here, since execution knows neither chance nor settings. */
  #grant(call: UnaryCall, request: LeaseGrantRequest): void {
    const { guard, callers, proposer, headers, keyspace } = this.#context;
    if (guard.refuseOverQuota(call, LEASE_COST_BYTES)) return;
    const refused = callers.refuseNobody(call) ?? guard.refuseByAlarm(LEASE_COST_BYTES);
    if (refused !== null) return call.fail(refused);
    if (request.TTL > LEASE_TTL_MAX_SECONDS) return call.fail(LEASE_TTL_TOO_LARGE);
    const ID = request.ID === 0n ? this.#freeId() : request.ID;
    const TTL = Math.max(request.TTL, LEASE_TTL_MIN_SECONDS);
    const granted = { ID, TTL };
    const waiter = new CallWaiter(call, () => {
      const header = headers.at(keyspace.revision);
      call.reply(leaseGrantResponse.encode({ header, ID, TTL, error: "" }));
    });
    const unproposed = proposer.propose(
      LEASE_GRANT,
      granted,
      recordOf(LEASE_GRANT, LEASE_GRANT.encode(granted)),
      waiter,
    );
    if (unproposed !== null) call.fail(unproposed);
  }

  #revoke(call: UnaryCall, request: LeaseRevokeRequest, record: Buffer): void {
    const { guard, callers, proposer, headers, keyspace } = this.#context;
    const identity = callers.identify(call);
    if (identity instanceof Refusal) return call.fail(identity);
    const refused = keyspace.authorization.refuseNobody(identity) ?? guard.refuseByAlarm(0);
    if (refused !== null) return call.fail(refused);
    const waiter = new CallWaiter(call, () => {
      call.reply(leaseRevokeResponse.encode({ header: headers.at(keyspace.revision) }));
    });
    const unproposed = proposer.propose(LEASE_REVOKE, request, record, waiter, identity);
    if (unproposed !== null) call.fail(unproposed);
  }

  /** LS-14. */
  #timeToLive(call: UnaryCall, { ID, keys }: LeaseTimeToLiveRequest): void {
    const { keyspace } = this.#context;
    const lease = keyspace.lease(ID);
    // While a long change is under way, which keys a lease has is known when that is done.
    const isLong = keys && (keyspace.isChanging || (lease !== null && lease.keyCount > LEASE_LIST_SLICE));
    const refused = this.#refuseTimeToLive(call, isLong || !keys ? null : lease);
    if (refused !== null) return call.fail(refused);
    if (!isLong) {
      const response = this.#timeLeft(ID);
      return call.reply(
        leaseTimeToLiveResponse.encode(keys && lease !== null ? { ...response, keys: [...lease.keys()] } : response),
      );
    }
    this.#answerLong(call, () => {
      if (keyspace.isChanging) return null;
      const refusedNow = this.#refuseTimeToLive(call, null);
      if (refusedNow !== null) return refusedNow;
      const present = keyspace.lease(ID);
      const start = leaseTimeToLiveResponse.encode(this.#timeLeft(ID));
      if (present === null) return { start, list: NO_LIST };
      return { start, list: new LeaseKeys(keyspace.openLeaseKeys(present), this.#refuseKeysOf(call)) };
    });
  }

  /** @param lease whose keys are to be told; null when they are not, or are looked at when they are listed */
  #refuseTimeToLive(call: UnaryCall, lease: Lease | null): Refusal | null {
    return this.#context.callers.refuse(call, (authorization, identity) => {
      return authorization.refuseNobody(identity) ?? authorization.refuseLeaseRead(identity, lease);
    });
  }

  #refuseKeysOf(call: UnaryCall): RefuseKey {
    const { callers } = this.#context;
    return (key) => callers.refuseRange(call, key, NO_END);
  }

  /** All but the keys. */
  #timeLeft(ID: bigint): LeaseTimeToLiveResponse {
    const { headers, keyspace, lessor } = this.#context;
    const header = headers.at(keyspace.revision);
    const lease = keyspace.lease(ID);
    const remaining = lessor.remainingSeconds(ID);
    if (lease === null || remaining === null) return { header, ID, TTL: -1, grantedTTL: 0, keys: [] };
    return { header, ID, TTL: remaining, grantedTTL: lease.ttl, keys: [] };
  }

  #leases(call: UnaryCall): void {
    const { callers, headers, keyspace, lessor } = this.#context;
    const refused = callers.refuseNobody(call);
    if (refused !== null) return call.fail(refused);
    if (lessor.size <= LEASE_LIST_SLICE && this.#mayReadAll(call)) {
      const leases = lessor.idsByExpiry().map((ID) => ({ ID }));
      return call.reply(leaseLeasesResponse.encode({ header: headers.at(keyspace.revision), leases }));
    }
    this.#answerLong(call, () => {
      const refusedNow = callers.refuseNobody(call);
      if (refusedNow !== null) return refusedNow;
      const start = leaseLeasesResponse.encode({ header: headers.at(keyspace.revision), leases: [] });
      const ids = new LeaseIds(lessor.openOrder());
      if (this.#mayReadAll(call)) return { start, list: ids };
      const keys = keyspace.openLeasedKeys();
      return { start, list: new PermittedLeaseIds(ids, keys, this.#refuseKeysOf(call), () => keyspace.isChanging) };
    });
  }

  /** Whether a caller may read every key without a look at any. */
  #mayReadAll(call: UnaryCall): boolean {
    return this.#context.callers.refuseAdmin(call) === null;
  }

  /** @param open asks again who may: keys may have come while others were before it */
  #answerLong(call: UnaryCall, open: OpenList): void {
    const refuseNow = this.#context.callers.beginRead();
    this.#longLists.answer(call, open, (parts, length) => {
      const refused = refuseNow();
      if (refused !== null) call.fail(refused);
      else call.replyParts(parts, length);
    });
  }

  /** LS-03: a random positive 63-bit id that is not in use. */
  #freeId(): bigint {
    for (;;) {
      const id = randomBytes(8).readBigUInt64BE() >> 1n;
      if (id !== 0n && this.#context.keyspace.lease(id) === null) return id;
    }
  }
}

class KeepAliveStream implements StreamListener {
  readonly #call: StreamCall;
  readonly #context: LeaseContext;
  readonly #unread = new UnreadReplies();
  /** For each answer that waits for a revocation, what makes the lessor forget it. */
  readonly #waiting = new Set<() => void>();

  constructor(call: StreamCall, context: LeaseContext) {
    this.#call = call;
    this.#context = context;
    if (call.metadata.hasLeader) context.leadership.require(call);
  }

  onMessage(message: Buffer): void {
    if (!this.#unread.admit(this.#call)) return;
    const request = decodeOnStream(this.#call, leaseKeepAliveRequest.decode, message);
    if (request === null) return;
    const { reads } = this.#context;
    // That it is still there is what the answer says.
    reads.whenOpen((refusal) => (refusal === null ? this.#keepAlive(request.ID) : this.#call.end(refusal)), NO_LEADER);
  }

  /** LS-12, LS-13. */
  #keepAlive(ID: bigint): void {
    const { callers, lessor, headers, keyspace } = this.#context;
    if (this.#call.closed) return;
    const refused = callers.refuse(this.#call, (authorization, identity) => {
      return authorization.refuseNobody(identity) ?? authorization.refuseLeaseWrite(identity, ID);
    });
    if (refused !== null) return this.#call.end(refused);
    if (lessor.isExpiring(ID)) return this.#answerWhenRevoked(ID);
    const header = headers.at(keyspace.revision);
    const TTL = lessor.renew(ID) ? (keyspace.lease(ID)?.ttl ?? 0) : 0;
    this.#call.send(leaseKeepAliveResponse.encode({ header, ID, TTL }));
  }

  #answerWhenRevoked(ID: bigint): void {
    const { proposer, lessor, headers, keyspace } = this.#context;
    if (proposer.failure !== null) return this.#call.end(proposer.failure);
    if (this.#waiting.size >= KEEP_ALIVES_WAITING_MAX) return this.#call.end(REPLIES_UNREAD);
    const header = headers.at(keyspace.revision);
    const forget = lessor.whenRevoked(ID, (isRevoked) => {
      this.#waiting.delete(forget);
      if (!isRevoked) return this.#call.end(proposer.failure ?? SERVER_STOPPED);
      this.#call.send(leaseKeepAliveResponse.encode({ header, ID, TTL: 0 }));
    });
    this.#waiting.add(forget);
  }

  /** etcd ends the stream when the client has no more to say. */
  onHalfClose(): void {
    this.#call.end({ code: OK, message: "" });
  }

  onDrain(): void {}

  onClose(): void {
    this.#context.leadership.release(this.#call);
    for (const forget of this.#waiting) forget();
    this.#waiting.clear();
  }
}
