/**
 * A partition owns the keys of its part of the keyspace: a table for point access, an ordered index for ranges, and the
 * accounts of the versions and bytes they take. It knows nothing of its neighbours.
 */
import assert from "node:assert/strict";
import { prefixEnd } from "../interval/interval.ts";
import { CountingBack, CountingUp } from "./counting.ts";
import type { PartCounting } from "./counting.ts";
import type { Change, KeyHistory } from "./key-history.ts";
import { KeyIndex } from "./key-index.ts";
import type { KeyCursor } from "./key-index.ts";
import { KeyTable } from "./key-table.ts";
import { RevisionLog } from "./revision-log.ts";

/** What a change and a key cost beyond their bytes: objects, table and index entries, rounded up. */
const CHANGE_OVERHEAD_BYTES = 240;
const KEY_OVERHEAD_BYTES = 160;

/** What a partition takes before it has a key: table, index and log. Measured as heap. */
const EMPTY_PARTITION_BYTES = 12_800;

function bytesOfChange(change: Change): number {
  return change.kv.length + CHANGE_OVERHEAD_BYTES;
}

function bytesOfKey(history: KeyHistory): number {
  return history.key.length + KEY_OVERHEAD_BYTES;
}

/** What a change takes, with its key, as long as it is the newest of it. */
function liveBytesOf(change: Change): number {
  return change.isTombstone ? 0 : bytesOfChange(change) + bytesOfKey(change.history);
}

export class Partition {
  /** The prefix of all its keys, or "" for the partition of the keys that no other one owns. */
  readonly prefix: string;
  /** How often somebody has read of it: for operators, and nothing is decided by it. */
  reads = 0;
  /** Lies behind all its keys. */
  readonly #end: string;
  readonly #table = new KeyTable();
  readonly #index = new KeyIndex();
  /** All changes since the compact revision, and those that a compaction has not removed yet. */
  readonly log = new RevisionLog();
  /** Whether it is among those that were written (keyspace-state.ts). */
  isWritten = false;
  /** Index in the log below which no change has a predecessor of an earlier revision any more. */
  #supersededUntil = 0;
  #bytes = EMPTY_PARTITION_BYTES;
  #liveBytes = EMPTY_PARTITION_BYTES;
  #versionCount = 0;
  #writes = 0;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.#end = prefixEnd(prefix);
  }

  /** How many keys exist now. */
  get keyCount(): number {
    return this.#index.liveCount;
  }

  /** How many keys are kept, those included that are deleted and not forgotten yet. */
  get historyCount(): number {
    return this.#table.size;
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
    return this.#writes;
  }

  /** How many versions of keys are kept, tombstones included. */
  get versionCount(): number {
    return this.#versionCount;
  }

  find(key: string): KeyHistory | null {
    return this.#table.get(key);
  }

  /** A cursor on the first history from `start` on, deleted keys included. Valid until a change is made. */
  seek(start: string): KeyCursor {
    return this.#index.seek(start);
  }

  /** How many keys exist now in an interval. */
  count(start: string, end: string): number {
    return this.#isWithin(start, end) ? this.keyCount : Math.max(0, this.#index.rank(end) - this.#index.rank(start));
  }

  /** The `n`-th last of the keys below `end` that exist now. There are as many. */
  startOfLast(end: string, n: number): string {
    return this.#index.keyOfRank(this.#index.rank(end) - n);
  }

  /** How many keys of an interval are kept, those included that are deleted and not forgotten yet. */
  historyCountIn(start: string, end: string): number {
    return this.#isWithin(start, end) ? this.historyCount : this.#index.sizeOf(start, end);
  }

  /** Begins to count the keys of an interval that existed at a revision that is not compacted. */
  openCount(start: string, end: string, revision: number): PartCounting {
    const { log } = this;
    const first = log.search(revision + 1);
    if (log.existenceLooks(first, log.end) > this.historyCountIn(start, end))
      return new CountingUp(this.#index, start, end, revision);
    return new CountingBack(log, first, start, end, this.count(start, end));
  }

  /** Makes a change the newest of its key. */
  append(change: Change): void {
    const { history, previous } = change;
    assert(history.newest === previous, "a change follows the newest one of its key");
    history.newest = change;
    this.#add(change);
    if (previous === null) {
      this.#table.add(history);
      this.#index.insert(history);
      this.#bytes += bytesOfKey(history);
    } else if (change.countDelta !== 0) {
      this.#index.adjust(history.key, change.countDelta);
    }
    this.log.push(change);
    this.#writes++;
    this.#liveBytes += liveBytesOf(change) - (previous === null ? 0 : liveBytesOf(previous));
  }

  /** Forgets, on behalf of at most `max` changes, what nobody needs who reads at `point` or later. Tells how many it was. */
  compactStep(point: number, max: number): number {
    const { log } = this;
    let left = max;
    let index = log.start;
    for (; left > 0 && index < log.end && log.at(index).modRevision < point; index++, left--) {
      this.#compact(log.at(index));
    }
    log.dropBefore(index);
    index = Math.max(index, this.#supersededUntil);
    for (; left > 0 && index < log.end && log.at(index).modRevision <= point; index++, left--) {
      this.#forgetSuperseded(log.at(index));
      this.#supersededUntil = index + 1;
    }
    return max - left;
  }

  /** Whether nothing is left to forget of what nobody needs who reads at `point` or later. */
  isCompacted(point: number): boolean {
    const { log } = this;
    if (log.start < log.end && log.at(log.start).modRevision < point) return false;
    const index = Math.max(log.start, this.#supersededUntil);
    return index === log.end || log.at(index).modRevision > point;
  }

  /**
   * Forgets what a change at the compact revision has superseded, which nobody can read any more. What was changed twice
   * in one revision stays whole: a watch may start there.
   */
  #forgetSuperseded(change: Change): void {
    const { previous } = change;
    if (previous === null || previous.modRevision === change.modRevision) return;
    change.previous = null;
    // A tombstone was taken off the accounts when it was compacted itself.
    if (!previous.isTombstone) this.#forget(previous);
  }

  /**
   * Forgets what a change below the compact revision has superseded. A tombstone goes itself, and with it its key when
   * it has not been created again. To be called once for each change, in revision order.
   */
  #compact(change: Change): void {
    const { history, previous } = change;
    if (previous !== null) {
      change.previous = null;
      if (!previous.isTombstone) this.#forget(previous);
    }
    if (!change.isTombstone) return;
    this.#forget(change);
    if (history.newest !== change) return;
    this.#bytes -= bytesOfKey(history);
    this.#index.remove(history.key);
    this.#table.remove(history.key);
  }

  /** Whether all its keys lie in an interval. */
  #isWithin(start: string, end: string): boolean {
    return start <= this.prefix && end >= this.#end;
  }

  #add(change: Change): void {
    this.#bytes += bytesOfChange(change);
    this.#versionCount++;
  }

  #forget(change: Change): void {
    this.#bytes -= bytesOfChange(change);
    this.#versionCount--;
  }

  /** Asserts the invariants of table, index, log and accounts. */
  verify(): void {
    this.#index.verify();
    this.log.verify();
    const pending = new Set<Change>();
    for (let index = this.log.start; index < this.log.end; index++) pending.add(this.log.at(index));
    for (const { history } of pending) {
      assert(this.#table.get(history.key) === history, "a change in the log belongs to a key that is kept");
    }
    const isPending = (change: Change): boolean => pending.has(change);
    let histories = 0;
    let bytes = EMPTY_PARTITION_BYTES;
    let liveBytes = EMPTY_PARTITION_BYTES;
    let versions = 0;
    const cursor = this.#index.seek("");
    for (let history = cursor.next(); history !== null; history = cursor.next()) {
      histories++;
      assert(this.#table.get(history.key) === history, "the table has every key of the index");
      assert(history.key.startsWith(this.prefix), "a partition has keys of its prefix only");
      bytes += bytesOfKey(history);
      if (history.live !== null) liveBytes += liveBytesOf(history.live);
      const kept = verifyChanges(history, isPending);
      for (const change of kept) bytes += bytesOfChange(change);
      versions += kept.length;
    }
    assert(histories === this.#table.size, "the index has every key of the table");
    assert(bytes === this.#bytes, "the account of bytes is right");
    assert(liveBytes === this.#liveBytes, "the account of live bytes is right");
    assert(versions === this.#versionCount, "the account of versions is right");
  }
}

/** Asserts the chain of one key and returns those of its changes that are on the accounts. */
function verifyChanges(history: KeyHistory, isPending: (change: Change) => boolean): Change[] {
  const kept: Change[] = [];
  assert(history.newest !== null, "a key has a change");
  assert(!history.newest.isTombstone || isPending(history.newest), "a compacted tombstone takes its key along");
  for (let change: Change | null = history.newest; change !== null; change = change.previous) {
    const { previous } = change;
    assert(change.history === history, "a change belongs to its key");
    assert(isPending(change) || previous === null, "a compacted change has no predecessor");
    if (isPending(change) || !change.isTombstone) kept.push(change);
    assert(previous === null || previous.modRevision <= change.modRevision, "revisions ascend");
    if (change.isTombstone) {
      assert(change.createRevision === 0 && change.lease === 0n, "a tombstone has no state");
      assert(previous === null || !previous.isTombstone, "a tombstone ends a key that existed");
    } else if (change.isCreation) {
      assert(change.createRevision === change.modRevision, "a creation creates");
      assert(previous === null || previous.isTombstone, "a creation follows a tombstone or nothing");
    } else if (previous !== null) {
      assert(change.version === previous.version + 1, "versions count");
      assert(change.createRevision === previous.createRevision, "the create revision stays");
    }
  }
  return kept;
}
