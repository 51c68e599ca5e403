/**
 * A range that is read piece by piece at one revision, while writes go on between the pieces (contract §4.5).
 *
 * The cursor holds nothing back unless it is told to: when compaction passes its revision, the next piece is refused.
 */
import assert from "node:assert/strict";
import type { EncodedKv, RangeRequest } from "../../proto/messages.ts";
import { kvWithoutValue } from "../../proto/encoded-kv.ts";
import { intervalOf } from "../interval/interval.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { isSorted } from "./range-order.ts";
import { checkRevision, count, effectiveRevision, hasFilter } from "./range.ts";
import { COMPACTED } from "../refusals.ts";
import type { Refusal } from "../refusals.ts";

export class RangeCursor {
  /** The current revision when the cursor was made: what the header tells. */
  readonly headerRevision: number;
  /** As RangeResponse.count. */
  readonly count: number;
  /** As RangeResponse.more. */
  readonly more: boolean;
  readonly #state: KeyspaceState;
  readonly #revision: number;
  readonly #end: string;
  readonly #keysOnly: boolean;
  /** Where to go on. */
  #next: string;
  /** How many keys are still to be given. */
  #left: number;
  #isHeld = false;

  constructor(state: KeyspaceState, request: RangeRequest) {
    const { start, end } = intervalOf(request.key, request.rangeEnd);
    const { limit, countOnly } = request;
    this.headerRevision = state.revision;
    this.#state = state;
    this.#revision = request.revision > 0 ? request.revision : state.revision;
    this.count = count(state, { start, end }, effectiveRevision(state, this.#revision));
    this.more = !countOnly && limit > 0 && this.count > limit;
    this.#next = start;
    this.#end = end;
    this.#keysOnly = request.keysOnly;
    this.#left = countOnly ? 0 : limit > 0 ? Math.min(limit, this.count) : this.count;
  }

  /** At most how many keys are looked at. */
  get size(): number {
    return this.count;
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

  /** Whether all keys have been given. */
  get finished(): boolean {
    return this.#left === 0;
  }

  /**
   * The next keys in key order: at most `maxKeys`, and no further one once they have `maxBytes` or more. Empty when the
   * cursor has finished.
   */
  next(maxKeys: number, maxBytes: number): EncodedKv[] | Refusal {
    assert(maxKeys > 0, "a piece has room for a key");
    const kvs: EncodedKv[] = [];
    if (this.#left === 0) return kvs;
    if (!this.#isHeld && this.#revision < this.#state.compactRevision) return COMPACTED;
    const limit = Math.min(maxKeys, this.#left);
    let bytes = 0;
    for (const { start, end, partition } of this.#state.partitionMap.spans({ start: this.#next, end: this.#end })) {
      const cursor = partition.seek(start);
      for (let history = cursor.next(); history !== null && history.key < end; history = cursor.next()) {
        const change = history.liveAt(this.#revision);
        if (change === null) continue;
        const encoded = this.#keysOnly ? kvWithoutValue(change.kv) : change.kv;
        kvs.push(encoded);
        bytes += encoded.length;
        if (kvs.length < limit && bytes < maxBytes) continue;
        this.#left -= kvs.length;
        this.#next = `${history.key}\0`;
        return kvs;
      }
    }
    assert.fail("the keys counted at a revision can be found at it");
  }
}

/** Begins to read a range piece by piece. The server has refused requests that sort or filter (RS-06). */
export function openRange(state: KeyspaceState, request: RangeRequest): RangeCursor | Refusal {
  assert(!hasFilter(request) && !isSorted(request), "a range in pieces is in key order and unfiltered");
  return checkRevision(state, request.revision) ?? new RangeCursor(state, request);
}
