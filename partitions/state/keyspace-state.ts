/**
 * The state of the keyspace and the primitive changes to it: put a key, delete a key, commit. Requests, their options
 * and their refusals are the business of range.ts, put.ts, delete-range.ts and txn.ts.
 *
 * Changes are written at the revision after the current one and can be read back at once; `commit` then makes that
 * revision the current one. Between two requests nothing is uncommitted, but what a long change hides between two of its
 * steps: that is seen by nobody. There is no way back: whoever changes has made sure before that the whole request can be done.
 */
import assert from "node:assert/strict";
import { Alarms } from "../alarms.ts";
import { Auth } from "../auth/auth.ts";
import { ChangeWalk } from "./change-walk.ts";
import type { LogPlace } from "./change-walk.ts";
import { CountMemo } from "./count-memo.ts";
import { Counted, Counting } from "./counting.ts";
import type { PartCounting } from "./counting.ts";
import { Held } from "./held.ts";
import type { Hold } from "./hold.ts";
import { HistoryWalk } from "./history-walk.ts";
import { END_OF_KEYS, keyString } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import type { KeyspaceFacts } from "./keyspace-facts.ts";
import { LeaseTable } from "./lease-table.ts";
import type { Partition } from "./partition.ts";
import type { PartitionMap } from "./partition-map.ts";
import { Quotas } from "./quotas.ts";
import type { VersionStore } from "../store/version-store.ts";
import { keyOfImageBegins, keyTextOfImage } from "./version-image.ts";
import type { VersionSearch } from "./version-search.ts";
import { NO_SLOT, NO_VERSION } from "./versions.ts";
import type { Slot, VersionRef, Versions } from "./versions.ts";

const EVERYTHING: Interval = { start: "", end: END_OF_KEYS };

export class KeyspaceState {
  readonly partitionMap: PartitionMap;
  readonly store: VersionStore;
  readonly versions: Versions;
  readonly leases: LeaseTable;
  readonly alarms = new Alarms();
  readonly quotas = new Quotas();
  readonly auth = new Auth();
  /** Number of the partition with which compaction goes on (compaction.ts). */
  compactedUntil = 0;
  /** Counts at revisions that were current once. */
  readonly counts = new CountMemo();
  /** What is being read in several turns. */
  readonly held: Held;
  /** The revision of the last commit. A fresh keyspace is at 1 (MV-01). */
  #revision = 1;
  /** Reads below it are refused; -1 before the first compaction (CO-02). */
  #compactRevision = -1;
  /** Whose key was loaded last, unless it was the rest's. */
  #lastLoaded: { readonly partition: Partition; readonly prefix: Buffer } | null = null;
  /** How many changes the revision being written has. */
  #uncommitted = 0;
  /** Whether that is hidden: a long change rests between two of its steps. */
  #isHidden = false;
  /** The partitions that were written since they were last taken, and where in their logs that begins. */
  #written: LogPlace[] = [];

  constructor(partitionMap: PartitionMap) {
    this.partitionMap = partitionMap;
    this.store = partitionMap.store;
    this.versions = partitionMap.versions;
    this.leases = new LeaseTable(this.store);
    this.held = new Held(this.store.records);
  }

  get revision(): number {
    return this.#revision;
  }

  get compactRevision(): number {
    return this.#compactRevision;
  }

  /** Whether the request that is being executed has changed something. */
  get hasUncommitted(): boolean {
    return this.#uncommitted > 0;
  }

  /**
   * The revision of what is newest, uncommitted changes included: what a request reads at that asks for none, and what a
   * response inside a txn tells (contract §4.2).
   */
  get newestRevision(): number {
    return this.#isHidden ? this.#revision : this.indexedRevision;
  }

  /** The revision of what the indexes count, uncommitted changes included, hidden or not. */
  get indexedRevision(): number {
    return this.hasUncommitted ? this.#revision + 1 : this.#revision;
  }

  /** Whether a long change rests: what was changed cannot be seen, and nothing else can be changed. */
  get isHidden(): boolean {
    return this.#isHidden;
  }

  /** What is uncommitted is hidden from now on, or shown again to the change that has made it. */
  hide(isHidden: boolean): void {
    assert(this.#isHidden !== isHidden, "a change rests and goes on by turns");
    this.#isHidden = isHidden;
  }

  /** Whether all that is needed at the revision of a hold is still there. */
  isReadable(hold: Hold): boolean {
    return hold.isTaken || hold.revision >= this.#compactRevision;
  }

  /** NO_SLOT for a key that is not kept. */
  find(key: Buffer): Slot {
    return this.store.find(key) as Slot;
  }

  /** The same for who reads it, which is counted. */
  findToRead(key: Buffer): Slot {
    const slot = this.find(key);
    const isKept = slot !== NO_SLOT;
    const partition = isKept ? this.#owner(this.versions.newest(slot)) : this.partitionMap.find(keyString(key));
    partition.reads++;
    return slot;
  }

  /** Somebody reads an interval. */
  countRead(interval: Interval): void {
    for (const { partition } of this.partitionMap.owners(interval)) partition.reads++;
  }

  /** Begins to search for what a key was that has newer versions than a revision. */
  openSearch(slot: Slot, revision: number): VersionSearch {
    return this.#owner(this.versions.newest(slot)).openSearch(slot, revision);
  }

  /** The newest state of a key, or NO_VERSION when it does not exist. */
  findLive(key: Buffer): VersionRef {
    const slot = this.find(key);
    if (slot === NO_SLOT) return NO_VERSION;
    return this.#isHidden ? this.versions.liveAt(slot, this.#revision) : this.versions.liveNewest(slot);
  }

  /** Begins to walk over an interval. */
  walk(interval: Interval): HistoryWalk {
    return new HistoryWalk(this.versions, this.partitionMap, interval);
  }

  /** How many looks a walk over an interval takes: at all keys that are kept, deleted ones included, and into each next span. */
  walkLooks(interval: Interval): number {
    let looks = this.partitionMap.crossings(interval);
    for (const { start, end, partition } of this.partitionMap.owners(interval)) {
      looks += partition.historyCountIn(start, end);
    }
    return looks;
  }

  /** How many changes came after a revision where an interval's keys are: at most so many are passed over to find what they were. */
  changesSince(interval: Interval, revision: number): number {
    let changes = 0;
    for (const { partition } of this.partitionMap.owners(interval)) {
      const { log } = partition;
      changes += log.end - log.search(revision + 1);
    }
    return changes;
  }

  /** How many changes are kept since the compact revision, those included that a compaction has not removed yet. */
  get changeCount(): number {
    let count = 0;
    for (const { log } of this.partitionMap.partitions) count += log.end - log.start;
    return count;
  }

  /** The changes of some partitions from a revision and, in it, a sub-revision on, in the order in which they were made. */
  changesFrom(partitions: readonly Partition[], revision: number, subRevision: number = 0): ChangeWalk {
    return this.changesAt(
      partitions.map((partition) => ({ partition, index: partition.log.search(revision, subRevision) })),
    );
  }

  /** The changes from some places on, in the order in which they were made. */
  changesAt(places: readonly LogPlace[]): ChangeWalk {
    return new ChangeWalk(this.store.records, places);
  }

  /** Which partitions were written since they were last taken, and where in their logs that begins. */
  get written(): readonly LogPlace[] {
    return this.#written;
  }

  /** Takes the same: which partitions were written since the last time this was asked, and where in their logs that begins. */
  takeWritten(): readonly LogPlace[] {
    const written = this.#written;
    if (written.length === 0) return written;
    for (const { partition } of written) partition.isWritten = false;
    this.#written = [];
    return written;
  }

  /** How many keys of an interval exist at the indexed revision. */
  countNewest(interval: Interval): number {
    let count = 0;
    for (const { start, end, partition } of this.partitionMap.owners(interval)) count += partition.count(start, end);
    return count;
  }

  /** How many keys of an interval existed at a revision that is not compacted. */
  count(interval: Interval, revision: number): number {
    if (revision === this.indexedRevision) return this.countNewest(interval);
    const counting = this.openCount(interval, revision);
    if (!counting.finished) counting.step(Number.POSITIVE_INFINITY);
    return counting.count;
  }

  /** Begins to count the same in steps. At the indexed revision, and where it is remembered, it is known at once. */
  openCount(interval: Interval, revision: number): Counting {
    if (revision === this.indexedRevision) return known(this.countNewest(interval));
    const remembered = this.counts.get(interval, revision);
    if (remembered !== null) return known(remembered);
    const parts: PartCounting[] = [];
    for (const { start, end, partition } of this.partitionMap.owners(interval)) {
      parts.push(partition.openCount(start, end, revision));
    }
    return new Counting(parts, (count, looks) => this.counts.remember(interval, revision, count, looks));
  }

  /** Where the last `n` keys of an interval begin that exist at the indexed revision; its start when it has fewer. */
  startOfLast(interval: Interval, n: number): string {
    let left = n;
    for (const { start, end, partition } of [...this.partitionMap.spans(interval)].toReversed()) {
      const count = partition.count(start, end);
      if (count >= left) return partition.startOfLast(end, left);
      left -= count;
    }
    return interval.start;
  }

  /**
   * Puts a key at the revision being written. The bytes are copied. The lease is 0n, or exists.
   *
   * @returns the new version; the one before it is what the key was before
   */
  put(key: Buffer, value: Buffer, lease: bigint): VersionRef {
    const slot = this.find(key);
    if (slot === NO_SLOT) return this.#create(slot, this.partitionMap.findForNewKey(keyString(key)), key, value, lease);
    const { versions } = this;
    const before = versions.newest(slot);
    const partition = this.#owner(before);
    if (versions.isTombstone(before)) return this.#create(slot, partition, key, value, lease);
    const createRevision = versions.createRevision(before);
    const version = versions.version(before) + 1;
    const leaseBefore = versions.lease(before);
    const revision = this.#revision + 1;
    const sub = this.#begin(partition);
    const ref = partition.append(slot, key, createRevision, revision, sub, version, value, lease);
    this.leases.move(slot, leaseBefore, lease);
    return ref;
  }

  /** Deletes a key that exists, at the revision being written. */
  delete(slot: Slot): void {
    const { versions } = this;
    const before = versions.liveNewest(slot);
    assert(before !== NO_VERSION, "a key that is deleted exists");
    const partition = this.#owner(before);
    const lease = versions.lease(before);
    const sub = this.#begin(partition);
    partition.append(slot, this.store.records.key(before), 0, this.#revision + 1, sub, 0);
    this.leases.move(slot, lease, 0n);
  }

  /** Ends the execution of a request: what it changed is now at the current revision. */
  commit(): void {
    // A txn that only reads comes here, too.
    if (this.#uncommitted === 0 || this.#isHidden) return;
    this.#revision++;
    this.#uncommitted = 0;
    assert(Number.isSafeInteger(this.#revision), "revisions are safe integers");
  }

  /** What the keyspace is besides the versions of its keys. To be asked between two requests. */
  facts(): KeyspaceFacts {
    assert(!this.#isHidden, "what a long change hides is not written down");
    // In one go, since leases come and go between turns: a loop, as a million are to take no more than some milliseconds.
    const leaseIds = new BigInt64Array(this.leases.size);
    const leaseTtls = new Float64Array(this.leases.size);
    let at = 0;
    for (const { id, ttl } of this.leases.values()) {
      leaseIds[at] = id;
      leaseTtls[at++] = ttl;
    }
    return {
      revision: this.#revision,
      compactRevision: this.#compactRevision,
      leaseIds,
      leaseTtls,
      alarms: this.alarms.list(),
      quotas: this.quotas.list(),
      reached: this.quotas.reached(),
      auth: this.auth.facts(),
    };
  }

  /** Makes a keyspace that is new what another one was. The versions of its keys are loaded behind it. */
  begin(facts: KeyspaceFacts): void {
    assert(this.#revision === 1 && this.leases.size === 0 && this.changeCount === 0, "the keyspace is new");
    this.#revision = facts.revision;
    this.#compactRevision = facts.compactRevision;
    for (const [i, id] of facts.leaseIds.entries()) this.leases.add(id, facts.leaseTtls[i]);
    for (const { memberId, alarm } of facts.alarms) this.alarms.activate(memberId, alarm);
    this.quotas.set(facts.quotas);
    for (const prefix of facts.reached) this.quotas.setReached(prefix, true);
    this.auth.begin(facts.auth);
  }

  /** Adds a key that is not kept, of the image of its newest version. */
  loadKey(image: Buffer, at: number): VersionRef {
    const { versions } = this;
    const ref = this.#partitionOfImage(image, at).load(image, at);
    const lease = versions.lease(ref);
    if (lease !== 0n) this.leases.move(versions.slot(ref), 0n, lease);
    return ref;
  }

  /** Of keys that come in their order most belong to the partition of the one before. */
  #partitionOfImage(image: Buffer, at: number): Partition {
    const last = this.#lastLoaded;
    if (last !== null && keyOfImageBegins(image, at, last.prefix)) return last.partition;
    const partition = this.partitionMap.findForNewKey(keyTextOfImage(image, at));
    if (partition !== this.partitionMap.rest) {
      this.#lastLoaded = { partition, prefix: Buffer.from(partition.prefix, "latin1") };
    }
    return partition;
  }

  /** Adds the version before one that was loaded, of its image. */
  loadOlder(newer: VersionRef, image: Buffer, at: number): VersionRef {
    return this.#owner(newer).loadOlder(newer, image, at);
  }

  /**
   * Adds a version of another history to one that is new, behind all versions before it: version 0 is a deletion. Their
   * predecessors may have been forgotten there.
   */
  appendVersion(
    key: Buffer,
    createRevision: number,
    modRevision: number,
    subRevision: number,
    version: number,
    value: Buffer,
    lease: bigint,
  ): void {
    const slot = this.find(key);
    const { versions } = this;
    const before = slot === NO_SLOT ? 0n : versions.lease(versions.newest(slot));
    const partition = slot === NO_SLOT ? this.partitionMap.findForNewKey(keyString(key)) : this.owner(slot);
    const ref = partition.append(slot, key, createRevision, modRevision, subRevision, version, value, lease);
    this.leases.move(versions.slot(ref), before, lease);
  }

  /** The partition of a key that is kept. */
  owner(slot: Slot): Partition {
    return this.#owner(this.versions.newest(slot));
  }

  /** The next revision is so many further on, for who shall not take what comes for what was. Between two requests. */
  skip(revisions: number): void {
    assert(!this.hasUncommitted && revisions >= 0, "what is skipped was never used");
    this.#revision += revisions;
    assert(Number.isSafeInteger(this.#revision), "revisions are safe integers");
  }

  setCompactRevision(revision: number): void {
    assert(revision > this.#compactRevision && revision <= this.#revision, "the compact revision only grows");
    this.#compactRevision = revision;
  }

  /** Walks everything and asserts its invariants. */
  verify(): void {
    const { partitionMap, leases } = this;
    assert(!this.hasUncommitted || this.#isHidden, "what is uncommitted between requests is hidden");
    assert(this.#compactRevision <= this.#revision, "the compact revision is not in the future");
    this.store.verify();
    partitionMap.verify();
    for (const partition of partitionMap.partitions) partition.verify();
    this.#verifyOrder();
    let attached = 0;
    for (const lease of leases.values()) {
      attached += lease.keyCount;
      lease.verify();
      for (const slot of lease.slots()) {
        const ref = this.versions.liveNewest(slot);
        const isOurs = ref !== NO_VERSION && this.versions.lease(ref) === lease.id;
        assert(isOurs, "a key is attached to the lease of its newest state");
      }
    }
    let leased = 0;
    const indexed = this.indexedRevision;
    const walk = this.walk(EVERYTHING);
    for (let ref = walk.nextLive(indexed); ref !== NO_VERSION; ref = walk.nextLive(indexed)) {
      if (this.leases.has(this.versions.lease(ref))) leased++;
    }
    assert(attached === leased, "every key with a lease is attached to it");
  }

  /** Asserts that the changes of a revision are numbered, over all partitions, unless compaction may have taken some. */
  #verifyOrder(): void {
    const { partitions } = this.partitionMap;
    const walk = this.changesFrom(partitions, this.#compactRevision + 1);
    let revision = this.#compactRevision;
    let sub = 0;
    for (let ref = walk.next(); ref !== NO_VERSION; ref = walk.next()) {
      const own = this.versions.modRevision(ref);
      assert(own >= revision && own <= this.indexedRevision, "no change is in the future");
      sub = own === revision ? sub + 1 : 0;
      assert(this.versions.subRevision(ref) === sub, "the changes of a revision are numbered in their order");
      revision = own;
    }
    const written = partitions.filter(({ isWritten }) => isWritten);
    assert(written.length === this.#written.length, "a partition knows whether it was written");
  }

  /** Puts a key that does not exist. */
  #create(slot: Slot, partition: Partition, key: Buffer, value: Buffer, lease: bigint): VersionRef {
    const revision = this.#revision + 1;
    const ref = partition.append(slot, key, revision, revision, this.#begin(partition), 1, value, lease);
    if (lease !== 0n) this.leases.move(this.versions.slot(ref), 0n, lease);
    return ref;
  }

  /** A change of a partition begins. Returns its sub-revision. */
  #begin(partition: Partition): number {
    assert(!this.#isHidden, "nothing is changed while a long change rests");
    if (!partition.isWritten) {
      partition.isWritten = true;
      this.#written.push({ partition, index: partition.log.end });
    }
    return this.#uncommitted++;
  }

  #owner(ref: VersionRef): Partition {
    return this.partitionMap.partitions[this.store.records.partition(ref)];
  }
}

/** Nothing is to be looked at. */
function known(count: number): Counting {
  return new Counting([new Counted(count)], () => {});
}
