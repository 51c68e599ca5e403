/**
 * A partition owns the keys of its part of the keyspace: an ordered index of them, the log of their changes, and the accounts
 * of the versions and bytes they take. It knows nothing of its neighbours, with which it shares the store.
 */
import assert from "node:assert/strict";
import { boundBytes, keyBytes, prefixEnd } from "../interval/interval.ts";
import type { ChangeLog } from "../store/change-log.ts";
import type { IndexCursor } from "../store/index-cursor.ts";
import type { Part, VersionStore } from "../store/version-store.ts";
import { CountingBack, CountingUp } from "./counting.ts";
import type { PartCounting } from "./counting.ts";
import { VersionSearch } from "./version-search.ts";
import { NO_VERSION } from "./versions.ts";
import type { Slot, VersionRef, Versions } from "./versions.ts";

/** What a version costs beyond its record, and a key: entries in log, slots, hash and index, rounded up. */
const VERSION_OVERHEAD_BYTES = 8;
const KEY_OVERHEAD_BYTES = 64;

/** What a partition takes before it has a key. */
const EMPTY_PARTITION_BYTES = 2_048;

const NO_BYTES = Buffer.alloc(0);

export class Partition {
  /** The prefix of all its keys, or "" for the partition of the keys that no other one owns. */
  readonly prefix: string;
  /** How often somebody has read of it: for operators, and nothing is decided by it. */
  reads = 0;
  /** Lies behind all its keys. */
  readonly #end: string;
  readonly #store: VersionStore;
  readonly #versions: Versions;
  readonly #part: Part;
  /** Whether it is among those that were written (keyspace-state.ts). */
  isWritten = false;
  /** Index in the log below which no change has a predecessor of an earlier revision any more. */
  #supersededUntil = 0;
  #bytes = EMPTY_PARTITION_BYTES;
  #liveBytes = EMPTY_PARTITION_BYTES;
  #versionCount = 0;

  constructor(prefix: string, store: VersionStore, versions: Versions) {
    this.prefix = prefix;
    this.#end = prefixEnd(prefix);
    this.#store = store;
    this.#versions = versions;
    this.#part = store.addPart();
  }

  /** Its place among all partitions. */
  get number(): number {
    return this.#part.number;
  }

  /** All changes since the compact revision, and those that a compaction has not removed yet. */
  get log(): ChangeLog {
    return this.#part.log;
  }

  /** How many keys exist now. */
  get keyCount(): number {
    return this.#part.index.liveCount;
  }

  /** How many keys are kept, those included that are deleted and not forgotten yet. */
  get historyCount(): number {
    return this.#part.index.size;
  }

  /** Bytes of all that is kept, history included, and of the partition itself: never 0. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What would be left of that if all history were compacted. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** How many versions of keys it was ever given, tombstones included. */
  get writes(): number {
    return this.log.end;
  }

  /** How many versions of keys are kept, tombstones included. */
  get versionCount(): number {
    return this.#versionCount;
  }

  /** A cursor on the keys of an interval, deleted ones included. Valid until a change is made. */
  seek(start: string, end: string): IndexCursor {
    return this.#part.index.seek(keyBytes(start), boundBytes(end));
  }

  /** How many keys exist now in an interval. */
  count(start: string, end: string): number {
    return this.#isWithin(start, end) ? this.keyCount : Math.max(0, this.#rank(end) - this.#rank(start));
  }

  /** The `n`-th last of the keys below `end` that exist now. There are as many. */
  startOfLast(end: string, n: number): string {
    return this.#versions.slotKeyText(this.#part.index.slotOfRank(this.#rank(end) - n) as Slot);
  }

  /** How many keys of an interval are kept, those included that are deleted and not forgotten yet. */
  historyCountIn(start: string, end: string): number {
    if (this.#isWithin(start, end)) return this.historyCount;
    return this.#part.index.sizeOf(keyBytes(start), boundBytes(end));
  }

  /** Begins to count the keys of an interval that existed at a revision that is not compacted. */
  openCount(start: string, end: string, revision: number): PartCounting {
    const { index, log } = this.#part;
    const first = log.search(revision + 1);
    if (log.alterationLooks(first, log.end) > this.historyCountIn(start, end))
      return new CountingUp(this, this.#versions, index, start, end, revision);
    return new CountingBack(this.#store.records, log, first, start, end, this.count(start, end));
  }

  /** Begins to search for what a key of this partition was that has newer versions than a revision. */
  openSearch(slot: Slot, revision: number): VersionSearch {
    return new VersionSearch(this.#store, this.#versions, this.#part.log, slot, revision);
  }

  /**
   * Adds the newest version of a key, whose bytes are copied.
   *
   * @param slot NO_SLOT for a key that is not kept
   * @param version 0 for a tombstone, which has neither create revision nor value nor lease
   */
  append(
    slot: Slot,
    key: Buffer,
    createRevision: number,
    modRevision: number,
    subRevision: number,
    version: number,
    value: Buffer = NO_BYTES,
    lease: bigint = 0n,
  ): VersionRef {
    const part = this.#part;
    const ref = this.#store.append(
      slot,
      key,
      part,
      createRevision,
      modRevision,
      subRevision,
      version,
      value,
      lease,
    ) as VersionRef;
    const previous = this.#versions.previous(ref);
    const bytes = this.#bytesOf(ref);
    this.#bytes += previous === NO_VERSION ? bytes + key.length + KEY_OVERHEAD_BYTES : bytes;
    this.#liveBytes += this.#liveBytesOf(ref) - (previous === NO_VERSION ? 0 : this.#liveBytesOf(previous));
    this.#versionCount++;
    return ref;
  }

  /** Adds the newest version of a key that is not kept, of its image. */
  load(image: Buffer, at: number): VersionRef {
    const ref = this.#store.load(this.#part, image, at) as VersionRef;
    this.#bytes += this.#bytesOf(ref) + this.#store.records.keyBytes(ref) + KEY_OVERHEAD_BYTES;
    this.#liveBytes += this.#liveBytesOf(ref);
    this.#versionCount++;
    return ref;
  }

  /** Adds the version before one that was loaded. */
  loadOlder(newer: VersionRef, image: Buffer, at: number): VersionRef {
    const ref = this.#store.loadOlder(newer, image, at) as VersionRef;
    this.#bytes += this.#bytesOf(ref);
    this.#versionCount++;
    return ref;
  }

  /** Forgets, on behalf of at most `max` changes, what nobody needs who reads at `point` or later. Tells how many it was. */
  compactStep(point: number, max: number): number {
    const { log } = this;
    const { records } = this.#store;
    let left = max;
    let index = log.start;
    for (; left > 0 && index < log.end; index++, left--) {
      const ref = log.at(index);
      if (records.modRevision(ref) >= point) break;
      this.#compact(ref as VersionRef);
    }
    log.dropBefore(index);
    index = Math.max(index, this.#supersededUntil);
    for (; left > 0 && index < log.end; index++, left--) {
      const ref = log.at(index);
      if (records.modRevision(ref) > point) break;
      this.#forgetSuperseded(ref as VersionRef);
      this.#supersededUntil = index + 1;
    }
    return max - left;
  }

  /** Whether nothing is left to forget of what nobody needs who reads at `point` or later. */
  isCompacted(point: number): boolean {
    const { log } = this;
    const { records } = this.#store;
    if (log.start < log.end && records.modRevision(log.at(log.start)) < point) return false;
    const index = Math.max(log.start, this.#supersededUntil);
    return index === log.end || records.modRevision(log.at(index)) > point;
  }

  /**
   * Forgets what a change at the compact revision has superseded, which nobody can read any more. What was changed twice
   * in one revision stays whole: a watch may start there.
   */
  #forgetSuperseded(ref: VersionRef): void {
    const previous = this.#versions.previous(ref);
    if (previous === NO_VERSION || this.#versions.modRevision(previous) === this.#versions.modRevision(ref)) return;
    this.#account(previous);
    this.#store.forgetPrevious(ref);
  }

  /**
   * Forgets what a change below the compact revision has superseded. A tombstone goes itself, and with it its key when
   * it has not been created again. To be called once for each change, in revision order.
   */
  #compact(ref: VersionRef): void {
    const versions = this.#versions;
    const previous = versions.previous(ref);
    if (previous !== NO_VERSION) {
      this.#account(previous);
      this.#store.forgetPrevious(ref);
    }
    if (!versions.isTombstone(ref)) return;
    this.#account(ref);
    const length = this.#store.records.keyBytes(ref);
    if (this.#store.forgetTombstone(ref)) this.#bytes -= length + KEY_OVERHEAD_BYTES;
  }

  /** A version goes. */
  #account(ref: VersionRef): void {
    this.#bytes -= this.#bytesOf(ref);
    this.#versionCount--;
  }

  #bytesOf(ref: VersionRef): number {
    return this.#store.records.bytes(ref) + VERSION_OVERHEAD_BYTES;
  }

  /** What a version takes, with its key, as long as it is the newest of it. */
  #liveBytesOf(ref: VersionRef): number {
    if (this.#versions.isTombstone(ref)) return 0;
    return this.#bytesOf(ref) + this.#store.records.keyBytes(ref) + KEY_OVERHEAD_BYTES;
  }

  #rank(bound: string): number {
    const key = boundBytes(bound);
    return key === null ? this.keyCount : this.#part.index.rank(key);
  }

  /** Whether all its keys lie in an interval. */
  #isWithin(start: string, end: string): boolean {
    return start <= this.prefix && end >= this.#end;
  }

  /** Asserts the accounts, and the histories of its keys. */
  verify(): void {
    const { log } = this;
    const versions = this.#versions;
    const pending = new Set<number>();
    for (let index = log.start; index < log.end; index++) pending.add(log.at(index));
    let bytes = EMPTY_PARTITION_BYTES;
    let liveBytes = EMPTY_PARTITION_BYTES;
    let count = 0;
    const cursor = this.#part.index.seek(NO_BYTES);
    for (let slot = cursor.next() as Slot; slot !== 0; slot = cursor.next() as Slot) {
      const key = versions.slotKeyText(slot);
      assert(key.startsWith(this.prefix), "a partition has keys of its prefix only");
      bytes += key.length + KEY_OVERHEAD_BYTES;
      liveBytes += this.#liveBytesOf(versions.newest(slot));
      for (let ref = versions.newest(slot); ref !== NO_VERSION; ref = versions.previous(ref)) {
        this.#verifyVersion(ref, pending.has(ref));
        bytes += this.#bytesOf(ref);
        count++;
      }
    }
    assert(bytes === this.#bytes, "the account of bytes is right");
    assert(liveBytes === this.#liveBytes, "the account of live bytes is right");
    assert(count === this.#versionCount, "the account of versions is right");
  }

  /** @param isPending whether it is still to be compacted */
  #verifyVersion(ref: VersionRef, isPending: boolean): void {
    const versions = this.#versions;
    const previous = versions.previous(ref);
    assert(this.#store.records.partition(ref) === this.number, "a version is in the partition of its key");
    assert(isPending || !versions.isTombstone(ref), "a compacted tombstone is gone");
    assert(isPending || previous === NO_VERSION, "a compacted change has no predecessor");
    const isLive = previous !== NO_VERSION && !versions.isTombstone(previous);
    const version = versions.version(ref);
    if (version === 0) {
      assert(versions.createRevision(ref) === 0 && versions.lease(ref) === 0n, "a tombstone has no state");
      assert(previous === NO_VERSION || isLive, "a tombstone ends a key that existed");
    } else if (version === 1) {
      assert(versions.createRevision(ref) === versions.modRevision(ref), "a creation creates");
      assert(!isLive, "a creation follows a tombstone or nothing");
    } else if (previous !== NO_VERSION) {
      assert(isLive && version === versions.version(previous) + 1, "versions count");
      assert(versions.createRevision(ref) === versions.createRevision(previous), "the create revision stays");
    }
  }
}
