/**
 * A range that sorts or filters, read step by step at one revision while writes go on between the steps: first its keys
 * are collected, then what is left of them is brought into order, then they are given. The answer is that of `range`.
 */
import assert from "node:assert/strict";
import type { EncodedKv, RangeRequest } from "../../proto/messages.ts";
import { intervalOf } from "../interval/interval.ts";
import type { Change } from "../state/key-history.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import {
  checkRevision,
  count,
  effectiveRevision,
  hasFilter,
  isOfLastKeys,
  passes,
  kvsOf,
  searchLimit,
} from "./range.ts";
import { isSorted } from "./range-order.ts";
import type { Refusal } from "../refusals.ts";
import { sortedChanges } from "./sorted-changes.ts";
import type { SortedChanges } from "./sorted-changes.ts";

/** How many keys are merged in the time in which one is found and sorted. */
const MERGED_FOR_ONE_COLLECTED = 4;

export class SortedRangeCursor {
  /** The current revision when the cursor was made: what the header tells. */
  readonly headerRevision: number;
  /** As RangeResponse.count. */
  readonly count: number;
  /** At most how many keys are looked at. */
  readonly size: number;
  readonly #state: KeyspaceState;
  /** Whose bytes are not kept. */
  readonly #request: Omit<RangeRequest, "key" | "rangeEnd">;
  readonly #filter: ((change: Change) => boolean) | null;
  readonly #revision: number;
  readonly #end: string;
  readonly #changes: SortedChanges;
  /** Where to go on collecting; null when all is collected. */
  #next: string | null;
  /** How many keys that pass the filter are still looked for. */
  #wanted: number;
  #passing = 0;
  #bytes = 0;
  #isHeld = false;
  #finished = false;

  constructor(state: KeyspaceState, request: RangeRequest) {
    const { key, rangeEnd, ...fields } = request;
    const interval = intervalOf(key, rangeEnd);
    const limit = request.limit > 0 ? request.limit : Number.POSITIVE_INFINITY;
    const revision = effectiveRevision(state, request.revision);
    this.headerRevision = state.revision;
    this.count = count(state, interval, revision);
    this.#state = state;
    this.#request = fields;
    this.#filter = hasFilter(request) ? (change) => passes(request, change) : null;
    this.#revision = request.revision > 0 ? request.revision : state.revision;
    this.#changes = sortedChanges(request, limit);
    this.#end = interval.end;
    this.#wanted = searchLimit(request);
    if (!isSorted(request)) this.#wanted = limit + 1;
    this.size = this.#filter === null ? Math.min(this.count, this.#wanted) : this.count;
    this.#next = interval.start;
    if (isOfLastKeys(request, revision)) {
      this.#next = state.startOfLast(interval, limit);
      this.size = Math.min(this.count, limit);
    }
  }

  /** As RangeResponse.more. Known when the cursor has finished. */
  get more(): boolean {
    const { limit } = this.#request;
    return limit > 0 && (this.#filter === null ? this.count : this.#passing) > limit;
  }

  /** Whether all keys have been given. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Keeps compaction from removing what is still to be read. To be called before it passes the revision. */
  hold(): void {
    this.#state.held.hold(this.#revision);
    this.#isHeld = true;
  }

  /** Ends `hold`. */
  release(): void {
    this.#state.held.release(this.#revision);
    this.#isHeld = false;
  }

  /**
   * Does one step, with at most `maxKeys` keys whose encoded kvs have about `maxBytes` together.
   *
   * @returns the next encoded kvs in the order asked for; none while there is something to be done before
   */
  next(maxKeys: number, maxBytes: number): EncodedKv[] {
    assert(maxKeys > 0, "a step makes progress");
    const isComplete = this.#next === null;
    if (!this.#changes.settle(this.#mergeSize(maxKeys, maxBytes), isComplete)) return [];
    if (this.#next !== null) {
      this.#next = this.#collect(this.#next, maxKeys, maxBytes);
      return [];
    }
    const changes = this.#changes.take(maxKeys);
    this.#finished = changes.length === 0;
    return kvsOf(this.#request, changes);
  }

  /** Collects from `from` on and gives where to go on, or null behind the last key. Deleted keys count. */
  #collect(from: string, maxKeys: number, maxBytes: number): string | null {
    const isReadable = this.#isHeld || this.#revision >= this.#state.compactRevision;
    assert(isReadable, "compaction does not pass a revision that is not held");
    const passing: Change[] = [];
    const next = this.#collectInto(passing, from, maxKeys, maxBytes);
    this.#changes.add(passing);
    this.#passing += passing.length;
    return next;
  }

  #collectInto(passing: Change[], from: string, maxKeys: number, maxBytes: number): string | null {
    let keys = 0;
    let bytes = 0;
    for (const { start, end, partition } of this.#state.partitionMap.spans({ start: from, end: this.#end })) {
      const cursor = partition.seek(start);
      for (let history = cursor.next(); history !== null && history.key < end; history = cursor.next()) {
        if (keys === maxKeys || bytes >= maxBytes) return history.key;
        keys++;
        const change = history.liveAt(this.#revision);
        if (change === null || (this.#filter !== null && !this.#filter(change))) continue;
        passing.push(change);
        bytes += change.kv.length;
        this.#bytes += change.kv.length;
        if (--this.#wanted === 0) return null;
      }
    }
    return null;
  }

  /** How many keys are merged in a step: many, for that is quick, but where values are compared no more than `maxBytes` have. */
  #mergeSize(maxKeys: number, maxBytes: number): number {
    const average = this.#bytes / Math.max(1, this.#passing);
    return Math.max(1, Math.min(MERGED_FOR_ONE_COLLECTED * maxKeys, Math.floor(maxBytes / Math.max(1, average))));
  }
}

/** Begins to read a range that sorts or filters. */
export function openSortedRange(state: KeyspaceState, request: RangeRequest): SortedRangeCursor | Refusal {
  assert(hasFilter(request) || isSorted(request), "a range in key order goes in pieces");
  return checkRevision(state, request.revision) ?? new SortedRangeCursor(state, request);
}
