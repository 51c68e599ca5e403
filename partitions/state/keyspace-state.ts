/**
 * The state of the keyspace and the primitive changes to it: put a key, delete a key, commit. Requests, their options
 * and their refusals are the business of range.ts, put.ts, delete-range.ts and txn.ts.
 *
 * Changes are written at the revision after the current one and can be read back at once; `commit` then makes that
 * revision the current one. Between two requests nothing is uncommitted. There is no way back: whoever changes has made
 * sure before that the whole request can be done.
 */
import assert from "node:assert/strict";
import { encodeKv, encodeTombstone } from "../../proto/encoded-kv.ts";
import { Alarms } from "../alarms.ts";
import { Auth } from "../auth/auth.ts";
import { CountMemo } from "./count-memo.ts";
import { Counted, Counting } from "./counting.ts";
import type { PartCounting } from "./counting.ts";
import { HeldRevisions } from "./held-revisions.ts";
import type { Hold } from "./hold.ts";
import { HistoryWalk } from "./history-walk.ts";
import { END_OF_KEYS, keyString } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import { Change, KeyHistory } from "./key-history.ts";
import { LeaseTable } from "./lease-table.ts";
import type { PartitionMap } from "./partition-map.ts";
import { RevisionLog } from "./revision-log.ts";
import { changeOf, historyOf, NO_VERSION, slotOf, versionOf, Versions } from "./versions.ts";
import type { Slot, VersionRef } from "./versions.ts";

const EVERYTHING: Interval = { start: "", end: END_OF_KEYS };

export class KeyspaceState {
  readonly partitionMap: PartitionMap;
  readonly log = new RevisionLog();
  readonly versions = new Versions();
  readonly leases = new LeaseTable(this.versions);
  readonly alarms = new Alarms();
  readonly auth = new Auth();
  /** Index in the log below which no change has a predecessor of an earlier revision any more (compaction.ts). */
  supersededUntil = 0;
  /** Counts at revisions that were current once. */
  readonly counts = new CountMemo();
  /** What is being read in several turns. */
  readonly held = new HeldRevisions();
  /** The revision of the last commit. A fresh keyspace is at 1 (MV-01). */
  #revision = 1;
  /** Reads below it are refused; -1 before the first compaction (CO-02). */
  #compactRevision = -1;
  #hasUncommitted = false;

  constructor(partitionMap: PartitionMap) {
    this.partitionMap = partitionMap;
  }

  get revision(): number {
    return this.#revision;
  }

  get compactRevision(): number {
    return this.#compactRevision;
  }

  /** Whether the request that is being executed has changed something. */
  get hasUncommitted(): boolean {
    return this.#hasUncommitted;
  }

  /**
   * The revision of what is newest, uncommitted changes included: what a request reads at that asks for none, and what a
   * response inside a txn tells (contract §4.2).
   */
  get newestRevision(): number {
    return this.#hasUncommitted ? this.#revision + 1 : this.#revision;
  }

  /** Whether all that is needed at the revision of a hold is still there. */
  isReadable(hold: Hold): boolean {
    return hold.isTaken || hold.revision >= this.#compactRevision;
  }

  /** NO_SLOT for a key that is not kept. */
  find(key: Buffer): Slot {
    return slotOf(this.#history(keyString(key)));
  }

  /** The newest state of a key, or NO_VERSION when it does not exist. */
  findLive(key: Buffer): VersionRef {
    return versionOf(this.#history(keyString(key))?.live ?? null);
  }

  /** Begins to walk over an interval. */
  walk(interval: Interval): HistoryWalk {
    return new HistoryWalk(this.partitionMap, interval);
  }

  /** How many looks a walk over an interval takes: at all keys that are kept, deleted ones included, and into each next span. */
  walkLooks(interval: Interval): number {
    let looks = this.partitionMap.crossings(interval);
    for (const { start, end, partition } of this.partitionMap.owners(interval)) {
      looks += partition.historyCountIn(start, end);
    }
    return looks;
  }

  /** How many changes of any key came after a revision: at most so many are passed over to find what keys were at it. */
  changesSince(revision: number): number {
    return this.log.end - this.log.search(revision + 1);
  }

  /** How many keys of an interval exist, as uncommitted changes left it. */
  countNewest(interval: Interval): number {
    let count = 0;
    for (const { start, end, partition } of this.partitionMap.owners(interval)) count += partition.count(start, end);
    return count;
  }

  /** How many keys of an interval existed at a revision that is not compacted. */
  count(interval: Interval, revision: number): number {
    if (revision === this.newestRevision) return this.countNewest(interval);
    const counting = this.openCount(interval, revision);
    if (!counting.finished) counting.step(Number.POSITIVE_INFINITY);
    return counting.count;
  }

  /** Begins to count the same in steps. At the newest revision, and where it is remembered, it is known at once. */
  openCount(interval: Interval, revision: number): Counting {
    if (revision === this.newestRevision) return known(this.countNewest(interval));
    const remembered = this.counts.get(interval, revision);
    if (remembered !== null) return known(remembered);
    const parts: PartCounting[] = [];
    for (const { start, end, partition } of this.partitionMap.owners(interval)) {
      parts.push(partition.openCount(start, end, revision));
    }
    return new Counting(parts, (count, looks) => this.counts.remember(interval, revision, count, looks));
  }

  /** Where the last `n` keys of an interval begin that exist now; the start of the interval when it has fewer. */
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
  put(keyView: Buffer, value: Buffer, lease: bigint): VersionRef {
    const key = keyString(keyView);
    const owner = this.partitionMap.find(key);
    const existing = owner.find(key);
    const history = existing ?? new KeyHistory(key);
    const partition = existing === null ? this.partitionMap.findForNewKey(key) : owner;
    const before = history.live;
    const revision = this.#revision + 1;
    const createRevision = before === null ? revision : before.createRevision;
    const version = before === null ? 1 : before.version + 1;
    const encoded = encodeKv(keyView, createRevision, revision, version, value, lease);
    const change = new Change(history, revision, createRevision, version, lease, encoded, history.newest);
    partition.append(change);
    this.leases.move(slotOf(history), before === null ? 0n : before.lease, lease);
    this.log.push(change);
    this.#hasUncommitted = true;
    return versionOf(change);
  }

  /** Deletes a key that exists, at the revision being written. */
  delete(slot: Slot): void {
    const history = historyOf(slot);
    const before = history.live;
    assert(before !== null, "a key that is deleted exists");
    const revision = this.#revision + 1;
    const encoded = encodeTombstone(history.key, revision);
    const change = new Change(history, revision, 0, 0, 0n, encoded, before);
    this.partitionMap.find(history.key).append(change);
    this.leases.move(slot, before.lease, 0n);
    this.log.push(change);
    this.#hasUncommitted = true;
  }

  /** Ends the execution of a request: what it changed is now at the current revision. */
  commit(): void {
    if (!this.#hasUncommitted) return;
    this.#revision++;
    this.#hasUncommitted = false;
    assert(Number.isSafeInteger(this.#revision), "revisions are safe integers");
  }

  setCompactRevision(revision: number): void {
    assert(revision > this.#compactRevision && revision <= this.#revision, "the compact revision only grows");
    this.#compactRevision = revision;
  }

  /** Walks everything and asserts its invariants. */
  verify(): void {
    const { log, partitionMap, leases } = this;
    assert(!this.#hasUncommitted, "nothing is uncommitted between requests");
    assert(this.#compactRevision <= this.#revision, "the compact revision is not in the future");
    log.verify();
    partitionMap.verify();
    const pending = new Set<Change>();
    for (let index = log.start; index < log.end; index++) pending.add(log.at(index));
    for (const partition of partitionMap.partitions) partition.verify((change) => pending.has(change));
    for (const change of pending) {
      assert(change.modRevision <= this.#revision, "a change is not in the future");
      assert(this.#history(change.history.key) === change.history, "a change in the log belongs to a key that is kept");
    }
    let attached = 0;
    for (const lease of leases.values()) {
      attached += lease.keyCount;
      for (const slot of lease.slots) {
        assert(historyOf(slot).live?.lease === lease.id, "a key is attached to the lease of its newest state");
      }
    }
    let leased = 0;
    const walk = this.walk(EVERYTHING);
    for (let ref = walk.nextLive(this.#revision); ref !== NO_VERSION; ref = walk.nextLive(this.#revision)) {
      if (changeOf(ref).lease !== 0n) leased++;
    }
    assert(attached === leased, "every key with a lease is attached to it");
  }

  #history(key: string): KeyHistory | null {
    return this.partitionMap.find(key).find(key);
  }
}

/** Nothing is to be looked at. */
function known(count: number): Counting {
  return new Counting([new Counted(count)], () => {});
}
