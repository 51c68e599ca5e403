/**
 * Ranges that may be long, read in slices with a turn of the event loop between them: a list of a whole resource must not
 * keep other calls waiting. All slices read one revision, so the answer is the same as in one go.
 *
 * A long range holds all that it has read until it is answered. Therefore few are read at a time; the others wait as
 * mere requests, in the order they came.
 */
import type { KeyRecord, RangeRequest, RangeResponse } from "../../proto/messages.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { RangeCursor } from "../../partitions/range-cursor.ts";
import { hasFilter, isSorted } from "../../partitions/range.ts";
import { Refusal } from "../../partitions/refusals.ts";
import { LONG_RANGES_RUNNING_MAX, LONG_RANGES_WAITING_MAX, RANGE_SLICE_KEYS } from "../limits.ts";
import type { UnaryCall } from "../transport/service.ts";
import { SlicedRange } from "./sliced-range.ts";
import { TOO_MANY_REQUESTS } from "./statuses.ts";

/** Whether a range may have more keys than one slice. What sorts or filters needs the whole set at once and is not sliced. */
export function mayBeLong(request: RangeRequest): boolean {
  if (request.rangeEnd.length === 0 || request.countOnly) return false;
  if (request.limit > 0 && request.limit <= RANGE_SLICE_KEYS) return false;
  return !hasFilter(request) && !isSorted(request);
}

/** What was read in one go is given as a response whose header is left null; `revision` is what it has to tell. */
export type RangeAnswer = (response: RangeResponse | SlicedRange | Refusal, revision: number) => void;

/** A call as far as a range needs it. */
export type RangeCall = Pick<UnaryCall, "closed" | "fail">;

interface LongRange {
  readonly call: RangeCall;
  /** It has bytes of its own, since it outlives its turn of the event loop. */
  readonly request: RangeRequest;
  readonly answer: RangeAnswer;
}

export class LongRanges {
  readonly #keyspace: Keyspace;
  #running = 0;
  #waiting: LongRange[] = [];

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /**
   * Reads a range that may be long. One that turns out to be short is answered before this returns. A long one is
   * answered later, or not at all when the call closes before; when too many wait already the call fails.
   */
  read(call: RangeCall, request: RangeRequest, answer: RangeAnswer): void {
    const cursor = this.#keyspace.openRange(request);
    if (cursor instanceof Refusal) return answer(cursor, this.#keyspace.revision);
    if (cursor.count <= RANGE_SLICE_KEYS) return answerShort(cursor, answer);
    if (this.#running < LONG_RANGES_RUNNING_MAX) {
      this.#run(kept(call, request, answer), cursor);
    } else if (this.#hasRoom()) {
      // It gets a new cursor when its turn comes: what it answers is then as fresh as it can be.
      this.#waiting.push(kept(call, request, answer));
    } else {
      call.fail(TOO_MANY_REQUESTS);
    }
  }

  #hasRoom(): boolean {
    if (this.#waiting.length < LONG_RANGES_WAITING_MAX) return true;
    this.#waiting = this.#waiting.filter(({ call }) => !call.closed);
    return this.#waiting.length < LONG_RANGES_WAITING_MAX;
  }

  #run(range: LongRange, cursor: RangeCursor): void {
    this.#running++;
    setImmediate(this.#readSlice, range, cursor, new SlicedRange(cursor.more, cursor.count));
  }

  readonly #readSlice = (range: LongRange, cursor: RangeCursor, read: SlicedRange): void => {
    const { call, request, answer } = range;
    if (call.closed) return this.#runNext();
    const slice = nextOf(cursor);
    if (slice instanceof Refusal) {
      // Compaction has overtaken the read. Who asked for that revision learns so; who asked for the current one must not.
      if (request.revision > 0) answer(slice, cursor.headerRevision);
      else answer(this.#keyspace.range(request), this.#keyspace.revision);
      return this.#runNext();
    }
    read.add(slice);
    if (!cursor.finished) {
      setImmediate(this.#readSlice, range, cursor, read);
      return;
    }
    answer(read, cursor.headerRevision);
    this.#runNext();
  };

  /** One range has ended: the first that still waits takes its place. */
  #runNext(): void {
    this.#running--;
    for (let range = this.#waiting.shift(); range !== undefined; range = this.#waiting.shift()) {
      if (range.call.closed) continue;
      const cursor = this.#keyspace.openRange(range.request);
      if (!(cursor instanceof Refusal)) return this.#run(range, cursor);
      range.answer(cursor, this.#keyspace.revision);
    }
  }
}

function kept(call: RangeCall, request: RangeRequest, answer: RangeAnswer): LongRange {
  const { key, rangeEnd } = request;
  return { call, request: { ...request, key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd) }, answer };
}

function nextOf(cursor: RangeCursor): KeyRecord[] | Refusal {
  return cursor.next(RANGE_SLICE_KEYS, Number.POSITIVE_INFINITY);
}

function answerShort(cursor: RangeCursor, answer: RangeAnswer): void {
  const { more, count, headerRevision } = cursor;
  const kvs = nextOf(cursor);
  answer(kvs instanceof Refusal ? kvs : { header: null, kvs, more, count }, headerRevision);
}
