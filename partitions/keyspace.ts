/**
 * The keyspace: every key, its history, leases, alarms, users and roles, as a pure function of the requests executed on it. It has no
 * clock, does no I/O, promises nothing and rolls no dice, so that every replay of the journal gives the same.
 *
 * Each method executes one request as a whole: afterwards it has either happened at one new revision, or was refused
 * without a trace. What deletes very many keys can be begun instead (`beginDeleteRange` and others), and done in steps: until
 * the last one nothing of it is seen, and nothing else may be changed. Reading methods alter nothing.
 */
import assert from "node:assert/strict";
import type {
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
} from "../proto/messages.ts";
import { ALARM_NOSPACE } from "../proto/rare.ts";
import type { Alarm } from "./alarms.ts";
import type { Auth } from "./auth/auth.ts";
import { Authorization } from "./auth/authorization.ts";
import { intervalOf, keyString } from "./interval/interval.ts";
import { compact, compactStep } from "./state/compaction.ts";
import { NO_VERSION } from "./state/versions.ts";
import { copiesOfPut, copiesOfTxn } from "./txn/copies.ts";
import type { Copies } from "./txn/copies.ts";
import { deleteRange, deleteRangeSteps, looksToDelete } from "./txn/delete-range.ts";
import { leaseRevoke, leaseRevokeSteps } from "./txn/lease-revoke.ts";
import type { Revoked } from "./txn/lease-revoke.ts";
import { LongChange, SHORT_CHANGE_KEYS } from "./txn/long-change.ts";
import type { Allowance, Steps } from "./txn/long-change.ts";
import { openHash, WholeHasher } from "./walk/hash.ts";
import { HistoryHasher } from "./walk/history-hasher.ts";
import { LeaseKeyReader } from "./walk/lease-keys.ts";
import { HistoryLoader } from "./walk/history-loader.ts";
import { SnapshotLoader } from "./walk/snapshot-loader.ts";
import { SnapshotSource } from "./walk/snapshot-source.ts";
import { LeasedKeysReader } from "./walk/leased-keys-reader.ts";
import { RetainedWalk } from "./walk/retained-walk.ts";
import { Hold } from "./state/hold.ts";
import type { KeyspaceFacts } from "./state/keyspace-facts.ts";
import { KeyspaceState } from "./state/keyspace-state.ts";
import { LEASE_BYTES, LEASES_MAX } from "./state/lease-table.ts";
import type { Lease } from "./state/lease-table.ts";
import type { Partition } from "./state/partition.ts";
import { PartitionMap } from "./state/partition-map.ts";
import type { Quotas } from "./state/quotas.ts";
import { checkPut, put } from "./txn/put.ts";
import { FoundKv } from "./range/found-kv.ts";
import { KvList } from "./range/kv-list.ts";
import type { RangeCursor } from "./range/range-cursor.ts";
import { findKey, openRange, range } from "./range/range.ts";
import { CORRUPT, LEASE_EXISTS, LEASE_NOT_FOUND, NO_SPACE, Refusal, TOO_MANY_LEASES } from "./refusals.ts";
import { hasPut, isReadOnly, looksOfDeletes, prepare, puts, txn, txnSteps } from "./txn/txn.ts";
import { looksOf } from "./txn/txn-looks.ts";
import { TxnReader } from "./txn/txn-reader.ts";
import { WAITING_PIECES_MAX } from "./watch/event-list.ts";
import { Watchers } from "./watch/watchers.ts";

export interface KeyspaceOptions {
  /** Belongs to the keyspace from then on. By default every resource below `/registry/` has a partition. */
  readonly partitionMap?: PartitionMap;
  /** What is begun and looks at more keys than this is a long change. */
  readonly shortChangeKeys?: number;
  /** How much may wait for watchers of a revision that takes more than a turn: as WAITING_PIECES_MAX. */
  readonly waitingPiecesMax?: number;
}

export interface HistoryHash {
  readonly hash: number;
  /** -1 before the first compaction. */
  readonly compactRevision: number;
  /** The revision up to which was hashed. */
  readonly hashRevision: number;
}

export interface KeyState {
  readonly modRevision: number;
  readonly version: number;
  /** 0n for none. */
  readonly lease: bigint;
  readonly value: Buffer;
}

/** What watchers watch is counted by partition as long as no more than so many different keys and intervals are watched. */
const WATCHED_MAX = 10_000;

export class Keyspace {
  readonly watchers: Watchers;
  /** Users and roles. */
  readonly auth: Auth;
  /** What users may do. The methods here do not ask it: who calls them has, or acts on the server's own behalf. */
  readonly authorization: Authorization;
  /** Of prefixes of keys. */
  readonly quotas: Quotas;
  readonly #state: KeyspaceState;
  readonly #shortChangeKeys: number;
  readonly #found: FoundKv;

  constructor(options: KeyspaceOptions = {}) {
    this.#state = new KeyspaceState(options.partitionMap ?? new PartitionMap());
    this.#shortChangeKeys = options.shortChangeKeys ?? SHORT_CHANGE_KEYS;
    this.#found = new FoundKv(this.#state.versions);
    this.watchers = new Watchers(this.#state, options.waitingPiecesMax ?? WAITING_PIECES_MAX);
    this.auth = this.#state.auth;
    this.quotas = this.#state.quotas;
    this.authorization = new Authorization(this.auth, (id) => this.lease(id));
  }

  /** The current revision; 1 when nothing was ever changed (MV-01). */
  get revision(): number {
    return this.#state.revision;
  }

  /** Whether a long change has begun and is not done. */
  get isChanging(): boolean {
    return this.#state.isHidden;
  }

  /** The lowest revision that can be read; -1 before the first compaction. */
  get compactRevision(): number {
    return this.#state.compactRevision;
  }

  get partitions(): readonly Partition[] {
    return this.#state.partitionMap.partitions;
  }

  /** The partition that has a key; the rest, when that of its resource is still to be made. */
  partitionOf(key: Buffer): Partition {
    return this.#state.partitionMap.find(keyString(key));
  }

  /** How many keys exist. */
  get keyCount(): number {
    let sum = 0;
    for (const partition of this.partitions) sum += partition.keyCount;
    return sum;
  }

  /** Bytes of all that is retained, history included, with what it costs to keep it. */
  get bytes(): number {
    let sum = this.#state.leases.size * LEASE_BYTES + this.auth.bytes;
    for (const partition of this.partitions) sum += partition.bytes;
    return sum;
  }

  /** Whether there is still memory to be had for what is added, as far as references reach. */
  get hasRoom(): boolean {
    return this.#state.store.hasRoom;
  }

  /** Sets memory aside for what is on its way and adds so many bytes in all. False when there is none. */
  reserve(bytes: number): boolean {
    return this.#state.store.reserve(bytes);
  }

  /** How many versions of keys are retained, tombstones included: what a compaction removes is missing from it. */
  get versionCount(): number {
    let sum = 0;
    for (const partition of this.partitions) sum += partition.versionCount;
    return sum;
  }

  /** Watchers for the keys of each partition that has any; null when what they watch differs too much to look at it at once. */
  watcherCounts(): Map<Partition, number> | null {
    return this.watchers.countByPartition(WATCHED_MAX);
  }

  /** Changes kept since the compact revision, those included that a compaction has not removed yet. */
  get changeCount(): number {
    return this.#state.changeCount;
  }

  /** Contract §4.4. The header is left null: it is for the server to say who answers. */
  range(request: RangeRequest): RangeResponse | Refusal {
    return range(this.#state, request);
  }

  /** The same for a key as it is (`isWholeKey`): what is found is good in this turn, and until this is called again. */
  rangeOfKey(request: RangeRequest): FoundKv | Refusal {
    const ref = findKey(this.#state, request);
    if (ref instanceof Refusal) return ref;
    this.#found.ref = ref;
    return this.#found;
  }

  /** What a key is now, in copies; null when it does not exist. For who looks at one key now and then. */
  lookUp(key: Buffer): KeyState | null {
    const { versions } = this.#state;
    const ref = this.#state.findLive(key);
    if (ref === NO_VERSION) return null;
    return {
      modRevision: versions.modRevision(ref),
      version: versions.version(ref),
      lease: versions.lease(ref),
      value: Buffer.from(versions.value(ref)),
    };
  }

  /** Whether a range is of a revision since which more changes than so many came where its keys are. */
  isFarBack({ key, rangeEnd, revision }: RangeRequest, maxChanges: number): boolean {
    if (revision <= 0 || revision >= this.revision) return false;
    return this.#state.changesSince(intervalOf(key, rangeEnd), revision) > maxChanges;
  }

  /** Begins to read the same in pieces at one revision (contract §4.5). */
  openRange(request: RangeRequest): RangeCursor | Refusal {
    return openRange(this.#state, request);
  }

  /** Contract §4.6. The bytes of the request are copied. */
  put(request: PutRequest): PutResponse | Refusal {
    const refusal = this.refuseGrowth() ?? this.#refuseReached(request.key) ?? checkPut(this.#state, request);
    if (refusal !== null) return refusal;
    const response = put(this.#state, request);
    this.#state.commit();
    return response;
  }

  /** Contract §4.7. */
  deleteRange(request: DeleteRangeRequest): DeleteRangeResponse | Refusal {
    return inOneGo(this.beginDeleteRange(request, Number.POSITIVE_INFINITY));
  }

  /**
   * Does the same at once, or begins to when it takes long.
   *
   * @param answerBytesMax as in LongChange
   */
  beginDeleteRange(
    request: DeleteRangeRequest,
    answerBytesMax: number,
  ): DeleteRangeResponse | LongChange<DeleteRangeResponse> | Refusal {
    const refusal = this.refuseChange();
    if (refusal !== null) return refusal;
    if (looksToDelete(this.#state, request) > this.#shortChangeKeys) {
      return this.#begin(answerBytesMax, (allowance) => deleteRangeSteps(this.#state, request, allowance));
    }
    const response = deleteRange(this.#state, request);
    this.#state.commit();
    return response;
  }

  /**
   * Contract §5. The top header is left null; those of inner responses tell the revision. Read-only txns come this way as
   * well: they change nothing, and so no alarm refuses them.
   *
   * @param isAnswered false when nobody wants the response, as in a replay: then no range is read for it
   */
  txn(request: TxnRequest, isAnswered: boolean = true): TxnResponse | Refusal {
    return inOneGo(this.beginTxn(request, isAnswered, Number.POSITIVE_INFINITY));
  }

  /**
   * Does the same at once, or begins to when its deletes take long.
   *
   * @param answerBytesMax as in LongChange
   */
  beginTxn(
    request: TxnRequest,
    isAnswered: boolean,
    answerBytesMax: number,
  ): TxnResponse | LongChange<TxnResponse> | Refusal {
    const refusal = hasPut(request)
      ? (this.refuseGrowth() ?? this.#refuseTxnReached(request))
      : isReadOnly(request)
        ? null
        : this.refuseChange();
    if (refusal !== null) return refusal;
    const state = this.#state;
    const branch = prepare(state, request);
    if (branch instanceof Refusal) return branch;
    if (looksOfDeletes(state, branch) > this.#shortChangeKeys) {
      return this.#begin(answerBytesMax, (allowance) => txnSteps(state, branch, isAnswered, allowance));
    }
    const response = txn(state, branch, isAnswered);
    state.commit();
    return response;
  }

  /** Begins to read a txn without writes in steps. No alarm refuses it. */
  openTxn(request: TxnRequest): TxnReader {
    return new TxnReader(this.#state, request);
  }

  /** How many keys a txn looks at, at most, as things are. What it deletes does not count. */
  looksOf(request: TxnRequest): number {
    return looksOf(this.#state, request);
  }

  /** What a put would copy, as things are; null when it brings its value. */
  copiesOfPut(request: PutRequest): Copies | null {
    return copiesOfPut(this.#state, request);
  }

  /** The same of a txn. */
  copiesOfTxn(request: TxnRequest): Copies | null {
    return copiesOfTxn(this.#state, request);
  }

  /** Sets the compact revision (contract §6). What is no longer readable is removed by `compactStep`. */
  compact(revision: number): Refusal | null {
    return this.refuseChange() ?? compact(this.#state, revision);
  }

  /**
   * Removes a piece of what compaction allows to forget. History that synced watchers have not been told of stays until
   * the watchers were flushed, and that of a revision at which something is being read until it is let go of.
   *
   * @returns true when nothing is left to remove for now
   */
  compactStep(maxEntries: number): boolean {
    assert(maxEntries > 0, "a step makes progress");
    return compactStep(this.#state, this.watchers.neededFrom, maxEntries);
  }

  /**
   * Moves what is kept out of memory that holds little, so that the memory follows it: about so many looks at versions.
   *
   * @returns true when there is nothing that is worth it
   */
  reclaimStep(looks: number): boolean {
    assert(looks > 0, "a step makes progress");
    return this.#state.store.reclaimStep(looks);
  }

  /** From now on `run` is called when `reclaimStep` can go on with what it has left alone, because that was being read. */
  onReclaimable(run: () => void): void {
    const { held, store } = this.#state;
    held.onUnpinned = () => {
      if (store.isReclaimHeldUp) run();
    };
  }

  /** Whether something that is being read keeps back a part of what compaction allows to remove. */
  get removalHeld(): boolean {
    return this.#state.held.lowest < this.#state.compactRevision;
  }

  /** A hold for what was found in this turn and shall outlive it. */
  openHold(): Hold {
    return new Hold(this.#state.held, this.#state.revision);
  }

  /** An empty list of kvs that outlive their turns. Who asks for it lets go of it. */
  openKvList(keysOnly: boolean): KvList {
    return new KvList(this.#state.versions, this.openHold(), keysOnly);
  }

  /** The bytes that are pinned by holds, as often as they are. */
  get pinnedBytes(): number {
    return this.#state.held.pinnedBytes;
  }

  /** Adds a lease. The server has chosen the id, not 0, and raised the TTL, in seconds, to its minimum. */
  leaseGrant(id: bigint, ttl: number): Refusal | null {
    const refusal = this.refuseGrowth();
    if (refusal !== null) return refusal;
    if (this.#state.leases.has(id)) return LEASE_EXISTS;
    if (this.#state.leases.size >= LEASES_MAX) return TOO_MANY_LEASES;
    this.#state.leases.add(id, ttl);
    return null;
  }

  /** Removes a lease and deletes its keys, in key order at one revision (LS-08). */
  leaseRevoke(id: bigint): Revoked | Refusal {
    return inOneGo(this.beginLeaseRevoke(id));
  }

  /** Does the same at once, or begins to when it takes long. */
  beginLeaseRevoke(id: bigint): Revoked | LongChange<Revoked> | Refusal {
    const refusal = this.refuseChange();
    if (refusal !== null) return refusal;
    const lease = this.#state.leases.get(id);
    if (lease === null) return LEASE_NOT_FOUND;
    if (lease.keyCount > this.#shortChangeKeys) {
      return this.#begin(
        0,
        (allowance) => leaseRevokeSteps(this.#state, lease, allowance),
        () => this.#state.leases.remove(id),
      );
    }
    const revoked = leaseRevoke(this.#state, lease);
    this.#state.commit();
    return revoked;
  }

  /** A long change, with what is done in its last step alone, before the end of which its events are gathered: to make them takes long, too. */
  #begin<Response>(
    answerBytesMax: number,
    work: (allowance: Allowance) => Steps<Response>,
    end: () => void = () => {},
  ): LongChange<Response> {
    const { watchers } = this;
    return new LongChange(this.#state, answerBytesMax, function* (allowance) {
      const response = yield* work(allowance);
      yield* watchers.gather(allowance);
      end();
      return response;
    });
  }

  lease(id: bigint): Lease | null {
    return this.#state.leases.get(id);
  }

  /** Begins to read the keys of a lease in pieces. */
  openLeaseKeys(lease: Lease): LeaseKeyReader {
    return new LeaseKeyReader(this.#state, lease);
  }

  /** Begins to read the keys of all leases in pieces. */
  openLeasedKeys(): LeasedKeysReader {
    return new LeasedKeysReader(this.#state);
  }

  /** All leases in the order in which they were granted. */
  leases(): Iterable<Lease> {
    return this.#state.leases.values();
  }

  get leaseCount(): number {
    return this.#state.leases.size;
  }

  /** The active alarms in the order in which they were raised. */
  alarms(): readonly Alarm[] {
    return this.#state.alarms.list();
  }

  /** False when the alarm was active already. */
  activateAlarm(memberId: bigint, alarm: number): boolean {
    return this.#state.alarms.activate(memberId, alarm);
  }

  /** False when the alarm was not active. With NOSPACE go the quotas that were reached, which etcd's list shows as that. */
  deactivateAlarm(memberId: bigint, alarm: number): boolean {
    const wasReached = alarm === ALARM_NOSPACE && this.quotas.clearReached();
    return this.#state.alarms.deactivate(memberId, alarm) || wasReached;
  }

  /** Why nothing can be changed at present, or null. */
  refuseChange(): Refusal | null {
    return this.#state.alarms.hasCorrupt ? CORRUPT : null;
  }

  /** Why nothing can be added at present, or null. While the NOSPACE alarm is active, all else goes on (LS-20). */
  refuseGrowth(): Refusal | null {
    return this.refuseChange() ?? (this.#state.alarms.hasNoSpace ? NO_SPACE : null);
  }

  /** What a txn may put counts wherever it stands, as for the alarm: which branch runs depends on the order of records. */
  #refuseTxnReached(request: TxnRequest): Refusal | null {
    if (!this.quotas.isAnyReached) return null;
    return puts(request).some(({ key }) => this.quotas.refuses(keyString(key))) ? NO_SPACE : null;
  }

  #refuseReached(key: Buffer): Refusal | null {
    return this.quotas.isAnyReached && this.quotas.refuses(keyString(key)) ? NO_SPACE : null;
  }

  /** The hash of what is retained up to a revision, 0 for the current one (HK-01). */
  hash(revision: number): HistoryHash | Refusal {
    const hasher = this.openHash(revision);
    if (hasher instanceof Refusal) return hasher;
    while (!hasher.step(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY));
    const { hash, compactRevision, hashRevision } = hasher;
    return { hash, compactRevision, hashRevision };
  }

  /** Makes the same hash in steps. */
  openHash(revision: number): HistoryHasher | Refusal {
    return openHash(this.#state, revision);
  }

  /**
   * Makes the hash that etcd makes while it removes what a compaction allows: of what was retained since the compact revision
   * before up to this one. To be begun in the turn that has compacted.
   */
  openCompactionHash(compactedBefore: number): HistoryHasher {
    const { compactRevision } = this.#state;
    assert(compactedBefore < compactRevision, "there was a compaction");
    return new HistoryHasher(this.#state, compactRevision, compactedBefore);
  }

  /** Begins to walk what is retained up to now, in the order in which it was made. */
  openRetained(): RetainedWalk {
    const { revision, compactRevision } = this.#state;
    return new RetainedWalk(this.#state, revision, compactRevision);
  }

  /** The hash of everything: history, leases, alarms, users and roles (HK-03). */
  hashAll(): number {
    const hasher = this.openHashAll();
    while (!hasher.step(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY));
    return hasher.hash;
  }

  /** Makes the same hash in steps. */
  openHashAll(): WholeHasher {
    return new WholeHasher(this.#state);
  }

  /** The revisions that follow are passed over, so many: no replay knows of it, so it is for keyspaces that are written down next. */
  skipRevisions(count: number): void {
    this.#state.skip(count);
  }

  /** Begins to give it as it is, all of it, in pieces. Null while a long change rests: then it is to be asked again. */
  openSnapshot(): SnapshotSource | null {
    return this.isChanging ? null : new SnapshotSource(this.#state);
  }

  /** Begins to make this keyspace, which is new, what another one was. Nothing else is to be asked of it before the end of that. */
  openLoader(facts: KeyspaceFacts): SnapshotLoader {
    return new SnapshotLoader(this.#state, facts);
  }

  /** The same of an etcd's history. */
  openHistoryLoader(facts: KeyspaceFacts): HistoryLoader {
    return new HistoryLoader(this.#state, facts);
  }

  /** Walks everything and asserts its invariants, between two steps of a long change as well. Costly: for tests and simulation. */
  verify(): void {
    this.#state.verify();
    this.watchers.verify();
  }
}

function inOneGo<Response>(begun: Response | LongChange<Response>): Response {
  if (!(begun instanceof LongChange)) return begun;
  const response = begun.finish();
  begun.end();
  return response;
}
