/**
 * Ranges that may be long. A short one is answered at once; a long one is read in slices with a turn of the event loop
 * between them: a list of a whole resource must not keep other calls waiting. All slices read one revision, so the answer
 * is the same as in one go. Compaction may pass that revision meanwhile: what is needed there is removed when the range
 * has been answered.
 *
 * A long range holds all that it has read until it is answered. Therefore few are read at a time; the others wait as
 * mere requests, in the order they came.
 */
import assert from "node:assert/strict";
import type { RangeRequest } from "../../../proto/messages.ts";
import type { Keyspace } from "../../../partitions/keyspace.ts";
import type { RangeCursor } from "../../../partitions/range/range-cursor.ts";
import { isInOrder, readShort } from "../../../partitions/range/range.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import type { Turns } from "../../clock.ts";
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

/** Who takes the answer lets go of it; `revision` is what it has to tell. */
export type RangeAnswer = (response: SlicedRange | Refusal, revision: number) => void;

/** How long ranges of one kind are read: how many at a time, and how much in a slice. */
interface Lane {
  readonly jobs: SlicedJobs;
  readonly sliceKeys: number;
  readonly sliceBytes: number;
}

export class LongRanges {
  readonly #keyspace: Keyspace;
  readonly #inOrder: Lane;
  readonly #sorted: Lane;

  constructor(keyspace: Keyspace, turns: Turns) {
    this.#keyspace = keyspace;
    this.#inOrder = {
      jobs: new SlicedJobs(turns, LONG_RANGES_RUNNING_MAX, LONG_RANGES_WAITING_MAX),
      sliceKeys: RANGE_SLICE_KEYS,
      // No byte of them is touched here.
      sliceBytes: Number.POSITIVE_INFINITY,
    };
    this.#sorted = {
      jobs: new SlicedJobs(turns, SORTED_RANGES_RUNNING_MAX, SORTED_RANGES_WAITING_MAX),
      sliceKeys: SORTED_RANGE_SLICE_KEYS,
      sliceBytes: SORTED_RANGE_SLICE_BYTES,
    };
  }

  /**
   * Reads a range that may be long. One that turns out to be short is answered before this returns. A long one is
   * answered in a later turn, unless the call closes before; when too many wait already the call fails.
   *
   * @returns whether it is a long one
   */
  read(call: JobCall, request: RangeRequest, answer: RangeAnswer): boolean {
    const cursor = this.#keyspace.openRange(request);
    if (cursor instanceof Refusal) {
      answer(cursor, this.#keyspace.revision);
      return false;
    }
    const short = new SlicedRange(this.#keyspace.openKvList(request.keysOnly));
    if (readShort(cursor, RANGE_SLICE_KEYS, (refs) => short.kvs.add(refs))) {
      short.more = cursor.more;
      short.count = cursor.count;
      answer(short, cursor.headerRevision);
      return false;
    }
    short.kvs.release();
    const lane = isInOrder(request) ? this.#inOrder : this.#sorted;
    lane.jobs.add(new RangeJob(this.#keyspace, call, request, answer, lane));
    return true;
  }
}

class RangeJob implements SlicedJob {
  readonly call: JobCall;
  readonly #keyspace: Keyspace;
  /** It has bytes of its own, since it outlives its turn of the event loop. */
  readonly #request: RangeRequest;
  readonly #answer: RangeAnswer;
  readonly #lane: Lane;
  /** Null before it begins, and when it has been given away. */
  #read: SlicedRange | null = null;
  #cursor: RangeCursor | null = null;

  constructor(keyspace: Keyspace, call: JobCall, request: RangeRequest, answer: RangeAnswer, lane: Lane) {
    const { key, rangeEnd } = request;
    this.call = call;
    this.#keyspace = keyspace;
    this.#request = { ...request, key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd) };
    this.#answer = answer;
    this.#lane = lane;
  }

  /** What it answers is as fresh as it can be: as of its own turn, when it had to wait. */
  begin(): boolean {
    const cursor = this.#keyspace.openRange(this.#request);
    if (cursor instanceof Refusal) {
      this.#answer(cursor, this.#keyspace.revision);
      return false;
    }
    cursor.hold.take();
    this.#cursor = cursor;
    this.#read = new SlicedRange(this.#keyspace.openKvList(this.#request.keysOnly));
    return true;
  }

  step(): boolean {
    const cursor = this.#cursor;
    const read = this.#read;
    assert(cursor !== null && read !== null, "a job begins before its first slice");
    const slice = cursor.next(this.#lane.sliceKeys, this.#lane.sliceBytes);
    assert(!(slice instanceof Refusal), "what is held can be read");
    read.kvs.add(slice);
    if (!cursor.finished) return false;
    read.more = cursor.more;
    read.count = cursor.count;
    this.#read = null;
    this.#answer(read, cursor.headerRevision);
    return true;
  }

  end(): void {
    assert(this.#cursor !== null, "a job begins before it ends");
    this.#cursor.hold.release();
    this.#read?.kvs.release();
  }
}
