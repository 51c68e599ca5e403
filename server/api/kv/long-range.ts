/**
 * Ranges that may be long, read in slices with a turn of the event loop between them: a list of a whole resource must not
 * keep other calls waiting. All slices read one revision, so the answer is the same as in one go. Compaction may pass that
 * revision meanwhile: what is needed there is removed when the range has been answered.
 *
 * A long range holds all that it has read until it is answered. Therefore few are read at a time; the others wait as
 * mere requests, in the order they came.
 */
import assert from "node:assert/strict";
import type { RangeRequest, RangeResponse } from "../../../proto/messages.ts";
import type { Keyspace } from "../../../partitions/keyspace.ts";
import type { RangeCursor } from "../../../partitions/range/range-cursor.ts";
import { isSorted } from "../../../partitions/range/range-order.ts";
import { hasFilter, searchLimit } from "../../../partitions/range/range.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { SortedRangeCursor } from "../../../partitions/range/sorted-range-cursor.ts";
import {
  LONG_RANGES_RUNNING_MAX,
  LONG_RANGES_WAITING_MAX,
  RANGE_SLICE_KEYS,
  SORTED_RANGE_SLICE_BYTES,
  SORTED_RANGE_SLICE_KEYS,
  SORTED_RANGES_RUNNING_MAX,
  SORTED_RANGES_WAITING_MAX,
} from "../../limits.ts";
import { SlicedJobs } from "../sliced-jobs.ts";
import type { JobCall, SlicedJob } from "../sliced-jobs.ts";
import { SlicedRange } from "./sliced-range.ts";

/** Whether answering a range may mean to look at more keys than one slice has. */
export function mayBeLong(request: RangeRequest): boolean {
  if (request.rangeEnd.length === 0 || request.countOnly) return false;
  const isLimited = request.limit > 0 && request.limit <= RANGE_SLICE_KEYS;
  return !isLimited || (needsAll(request) && searchLimit(request) > RANGE_SLICE_KEYS);
}

/** What was read in one go is given as a response whose header is left null; `revision` is what it has to tell. */
export type RangeAnswer = (response: RangeResponse | SlicedRange | Refusal, revision: number) => void;

type Cursor = RangeCursor | SortedRangeCursor;

export class LongRanges {
  readonly #keyspace: Keyspace;
  readonly #inOrder = new SlicedJobs(LONG_RANGES_RUNNING_MAX, LONG_RANGES_WAITING_MAX);
  readonly #sorted = new SlicedJobs(SORTED_RANGES_RUNNING_MAX, SORTED_RANGES_WAITING_MAX);

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /**
   * Reads a range that may be long. One that turns out to be short is answered before this returns. A long one is
   * answered in a later turn, unless the call closes before; when too many wait already the call fails.
   */
  read(call: JobCall, request: RangeRequest, answer: RangeAnswer): void {
    const cursor = open(this.#keyspace, request);
    if (cursor instanceof Refusal) return answer(cursor, this.#keyspace.revision);
    if (cursor.size <= RANGE_SLICE_KEYS) return this.#answerNow(request, cursor, answer);
    const jobs = cursor instanceof SortedRangeCursor ? this.#sorted : this.#inOrder;
    // One that waits gets a new cursor when its turn comes: what it answers is then as fresh as it can be.
    jobs.add(new RangeJob(this.#keyspace, call, request, answer, jobs.hasFree ? cursor : null));
  }

  /** A cursor in key order has counted already, and gives all its keys in one piece. One that sorts has yet to find any. */
  #answerNow(request: RangeRequest, cursor: Cursor, answer: RangeAnswer): void {
    if (cursor instanceof SortedRangeCursor) return answer(this.#keyspace.range(request), this.#keyspace.revision);
    const { more, count, headerRevision } = cursor;
    const kvs = next(cursor);
    answer(kvs instanceof Refusal ? kvs : { header: null, kvs, more, count }, headerRevision);
  }
}

class RangeJob implements SlicedJob {
  readonly call: JobCall;
  readonly #keyspace: Keyspace;
  /** It has bytes of its own, since it outlives its turn of the event loop. */
  readonly #request: RangeRequest;
  readonly #answer: RangeAnswer;
  #cursor: Cursor | null;
  #read: SlicedRange | null = null;

  /** @param cursor made in this turn, or null when the job is to wait */
  constructor(keyspace: Keyspace, call: JobCall, request: RangeRequest, answer: RangeAnswer, cursor: Cursor | null) {
    const { key, rangeEnd } = request;
    this.call = call;
    this.#keyspace = keyspace;
    this.#request = { ...request, key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd) };
    this.#answer = answer;
    this.#cursor = cursor;
  }

  begin(): boolean {
    const cursor = this.#cursor ?? open(this.#keyspace, this.#request);
    if (cursor instanceof Refusal) {
      this.#answer(cursor, this.#keyspace.revision);
      return false;
    }
    cursor.hold();
    this.#cursor = cursor;
    this.#read = new SlicedRange(cursor.count);
    return true;
  }

  step(): boolean {
    const cursor = this.#cursor;
    const read = this.#read;
    assert(cursor !== null && read !== null, "a job begins before its first slice");
    const slice = next(cursor);
    assert(!(slice instanceof Refusal), "what is held can be read");
    read.add(slice);
    if (!cursor.finished) return false;
    read.more = cursor.more;
    this.#answer(read, cursor.headerRevision);
    return true;
  }

  end(): void {
    assert(this.#cursor !== null, "a job begins before it ends");
    this.#cursor.release();
  }
}

/** Whether a range looks at keys that it may not answer. */
function needsAll(request: RangeRequest): boolean {
  return hasFilter(request) || isSorted(request);
}

function open(keyspace: Keyspace, request: RangeRequest): Cursor | Refusal {
  return needsAll(request) ? keyspace.openSortedRange(request) : keyspace.openRange(request);
}

function next(cursor: Cursor): ReturnType<Cursor["next"]> {
  return cursor instanceof SortedRangeCursor
    ? cursor.next(SORTED_RANGE_SLICE_KEYS, SORTED_RANGE_SLICE_BYTES)
    : cursor.next(RANGE_SLICE_KEYS, Number.POSITIVE_INFINITY);
}
