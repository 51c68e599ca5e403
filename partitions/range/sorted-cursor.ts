/**
 * Reads a range that sorts or filters: first its keys are collected, then what is left of them is brought into order,
 * then they are given.
 */
import assert from "node:assert/strict";
import type { EncodedKv, RangeRequest } from "../../proto/messages.ts";
import { SORT_NONE } from "../../proto/messages.ts";
import { kvWithoutValue } from "../../proto/encoded-kv.ts";
import { intervalOf } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import type { Counting } from "../state/counting.ts";
import { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { PASSED_FOR_ONE_KEY } from "../state/version-search.ts";
import type { VersionSearch } from "../state/version-search.ts";
import { NO_SLOT, NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import { COMPACTED } from "../refusals.ts";
import type { Refusal } from "../refusals.ts";
import { COUNTED_FOR_ONE_READ } from "./range-cursor.ts";
import type { RangeCursor } from "./range-cursor.ts";
import { hasFilter, passes } from "./range-filter.ts";
import { isBackwards, isSorted } from "./range-order.ts";
import { sortedVersions } from "./sorted-versions.ts";
import type { SortedVersions } from "./sorted-versions.ts";

/** How many keys are merged in the time in which one is found and sorted. */
const MERGED_FOR_ONE_COLLECTED = 4;

export class SortedCursor implements RangeCursor {
  readonly headerRevision: number;
  readonly hold: Hold;
  readonly #state: KeyspaceState;
  /** Null when all keys pass. Without the bytes of the request, which are not kept. */
  readonly #filter: Omit<RangeRequest, "key" | "rangeEnd"> | null;
  readonly #keysOnly: boolean;
  readonly #limit: number;
  readonly #interval: Interval;
  readonly #found: SortedVersions;
  /** How many keys are to be looked at, deleted ones that lie among them not included. */
  readonly #size: number;
  /** Where to go on collecting; null when all is collected. */
  #next: string | null;
  /** For the key at `#next`; null when it is not searched for. */
  #search: VersionSearch | null = null;
  /** How many keys that pass the filter are looked for. */
  readonly #wanted: number;
  #passing = 0;
  /** How many of the keys that were looked at existed. */
  #live = 0;
  #given = 0;
  /** Of those that pass, where steps are measured by it. */
  #bytes = 0;
  /** Null where all keys are looked at, which counts them. */
  readonly #counting: Counting | null;

  constructor(state: KeyspaceState, request: RangeRequest, revision: number) {
    const { key, rangeEnd, ...fields } = request;
    const interval = intervalOf(key, rangeEnd);
    this.headerRevision = state.revision;
    this.hold = new Hold(state.held, revision);
    this.#state = state;
    this.#filter = hasFilter(request) ? fields : null;
    this.#keysOnly = request.keysOnly;
    this.#limit = request.limit > 0 ? request.limit : Number.POSITIVE_INFINITY;
    this.#found = sortedVersions(request, state.versions, this.#limit);
    this.#interval = interval;
    this.#wanted = searchLimit(request);
    const isOfLast = revision === state.indexedRevision && isOfLastKeys(request);
    this.#next = isOfLast ? state.startOfLast(interval, request.limit) : interval.start;
    const isCountedApart = isOfLast || Number.isFinite(this.#wanted);
    this.#counting = isCountedApart ? state.openCount(interval, revision) : null;
    const most = isOfLast ? request.limit : this.#filter === null ? this.#wanted : Number.POSITIVE_INFINITY;
    this.#size = Math.min(state.walkLooks(interval), most) + (this.#counting?.left ?? 0);
  }

  get finished(): boolean {
    const allGiven = this.#next === null && this.#given === Math.min(this.#passing, this.#limit);
    return allGiven && (this.#counting === null || this.#counting.finished);
  }

  get count(): number {
    assert(this.#next === null, "the count is asked for when all keys have been given");
    return this.#counting === null ? this.#live : this.#counting.count;
  }

  get more(): boolean {
    return (this.#filter === null ? this.count : this.#passing) > this.#limit;
  }

  isLongerThan(keys: number): boolean {
    return this.#size > keys;
  }

  kv(ref: VersionRef): EncodedKv {
    const kv = this.#state.versions.kv(ref);
    return this.#keysOnly ? kvWithoutValue(kv) : kv;
  }

  next(maxKeys: number, maxBytes: number): VersionRef[] | Refusal {
    assert(maxKeys > 0, "a step makes progress");
    if (this.finished) return [];
    if (!this.#state.isReadable(this.hold)) return COMPACTED;
    if (!this.#found.settle(this.#mergeSize(maxKeys, maxBytes), this.#next === null)) return [];
    if (this.#next === null) return this.#give(maxKeys, maxBytes);
    this.#next =
      this.#search === null
        ? this.#collect(this.#next, maxKeys, maxBytes)
        : this.#searchOn(this.#search, this.#next, maxKeys);
    return [];
  }

  /** Searches on for a key, and gives where to go on, or null behind the last key. */
  #searchOn(search: VersionSearch, at: string, maxKeys: number): string | null {
    const ref = search.step(COUNTED_FOR_ONE_READ * maxKeys);
    if (ref === null) return at;
    this.#search = null;
    if (ref !== NO_VERSION) this.#live++;
    if (ref !== NO_VERSION && this.#passes(ref)) this.#take([ref], this.#state.versions.kvBytes(ref));
    const next = `${at}\0`;
    return next >= this.#interval.end || this.#passing === this.#wanted ? null : next;
  }

  #passes(ref: VersionRef): boolean {
    return this.#filter === null || passes(this.#filter, this.#state.versions, ref);
  }

  #take(passing: readonly VersionRef[], bytes: number): void {
    if (this.hold.keepsBytes) for (const ref of passing) this.hold.pin(ref);
    this.#found.add(passing);
    this.#passing += passing.length;
    this.#bytes += bytes;
  }

  /** Collects from `from` on and gives where to go on, or null behind the last key. Deleted keys count. */
  #collect(from: string, maxKeys: number, maxBytes: number): string | null {
    const passing: VersionRef[] = [];
    const { versions } = this.#state;
    const wanted = this.#wanted - this.#passing;
    const walk = this.#state.walk({ start: from, end: this.#interval.end });
    // As in a range in key order.
    const isMeasured = Number.isFinite(maxBytes);
    const looksEnd = versions.passedOver + maxKeys;
    let keys = 0;
    let bytes = 0;
    let slot = walk.next();
    while (slot !== NO_SLOT && keys + versions.passedOver < looksEnd && bytes < maxBytes && passing.length < wanted) {
      keys++;
      const ref = versions.liveWithin(slot, this.hold.revision, PASSED_FOR_ONE_KEY);
      if (ref === null) {
        this.#search = this.#state.openSearch(slot, this.hold.revision);
        break;
      }
      if (ref !== NO_VERSION) this.#live++;
      if (ref !== NO_VERSION && this.#passes(ref)) {
        passing.push(ref);
        if (isMeasured) bytes += versions.kvBytes(ref);
      }
      slot = walk.next();
    }
    this.#take(passing, bytes);
    return slot === NO_SLOT || passing.length === wanted ? null : versions.slotKeyText(slot);
  }

  /** How many keys are merged in a step: many, for that is quick, but where values are compared no more than `maxBytes` have. */
  #mergeSize(maxKeys: number, maxBytes: number): number {
    const average = this.#bytes / Math.max(1, this.#passing);
    return Math.max(1, Math.min(MERGED_FOR_ONE_COLLECTED * maxKeys, Math.floor(maxBytes / Math.max(1, average))));
  }

  #give(maxKeys: number, maxBytes: number): VersionRef[] {
    const refs: VersionRef[] = [];
    const { versions } = this.#state;
    const most = Math.min(maxKeys, this.#limit - this.#given, this.#passing - this.#given);
    const isMeasured = Number.isFinite(maxBytes);
    let bytes = 0;
    while (refs.length < most && bytes < maxBytes) {
      const ref = this.#found.next();
      assert(ref !== NO_VERSION, "what passed and is wanted can be given");
      refs.push(ref);
      if (isMeasured) bytes += this.#keysOnly ? this.kv(ref).length : versions.kvBytes(ref);
    }
    this.#given += refs.length;
    if (refs.length === 0) this.#counting?.step(COUNTED_FOR_ONE_READ * maxKeys);
    return refs;
  }
}

/**
 * How many keys that pass are looked for: all, or one more than the limit where no order or that of the keys is asked
 * for. etcd, too, takes a target without an order for the order of the keys when it looks for matches, and sorts what it
 * has found afterwards all the same; but where there are bounds it looks for all then.
 */
function searchLimit(request: RangeRequest): number {
  const stopsEarly = !isSorted(request) || (request.sortOrder === SORT_NONE && !hasFilter(request));
  return stopsEarly && request.limit > 0 ? request.limit + 1 : Number.POSITIVE_INFINITY;
}

/** Whether a range wants the last keys of its interval alone: where those begin is known of the newest without a search. */
function isOfLastKeys(request: RangeRequest): boolean {
  return isBackwards(request) && request.limit > 0 && !hasFilter(request);
}
