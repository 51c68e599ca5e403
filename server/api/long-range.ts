/**
 * A range that may be long, read in slices with a turn of the event loop between them: a list of a whole resource must not
 * keep other calls waiting. All slices read one revision, so the answer is the same as in one go.
 */
import type { KeyRecord, RangeRequest, RangeResponse } from "../../proto/messages.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { RangeCursor } from "../../partitions/range-cursor.ts";
import { hasFilter, isSorted } from "../../partitions/range.ts";
import { Refusal } from "../../partitions/refusals.ts";
import { RANGE_SLICE_KEYS } from "../limits.ts";

/** Whether a range may have more keys than one slice. What sorts or filters needs the whole set at once and is not sliced. */
export function mayBeLong(request: RangeRequest): boolean {
  if (request.rangeEnd.length === 0 || request.countOnly) return false;
  if (request.limit > 0 && request.limit <= RANGE_SLICE_KEYS) return false;
  return !hasFilter(request) && !isSorted(request);
}

/** The response's header is left null; `revision` is what it has to tell. A short range is answered before this returns. */
export type RangeAnswer = (response: RangeResponse | Refusal, revision: number) => void;

/** Reads the range and gives the answer once. */
export function readInSlices(keyspace: Keyspace, request: RangeRequest, answer: RangeAnswer): void {
  const cursor = keyspace.openRange(request);
  if (cursor instanceof Refusal) return answer(cursor, keyspace.revision);
  const kvs = cursor.next(RANGE_SLICE_KEYS, Number.POSITIVE_INFINITY);
  if (kvs instanceof Refusal || cursor.finished) return answerFrom(cursor, kvs, answer);
  // From here on the request outlives its turn of the event loop, and so it needs bytes of its own.
  const kept = { ...request, key: Buffer.from(request.key), rangeEnd: Buffer.from(request.rangeEnd) };
  setImmediate(nextSlice, keyspace, kept, cursor, kvs, answer);
}

function nextSlice(
  keyspace: Keyspace,
  request: RangeRequest,
  cursor: RangeCursor,
  kvs: KeyRecord[],
  answer: RangeAnswer,
): void {
  const slice = cursor.next(RANGE_SLICE_KEYS, Number.POSITIVE_INFINITY);
  if (slice instanceof Refusal) {
    // Compaction has overtaken the read. Who asked for that revision learns so; who asked for the current one must not.
    if (request.revision > 0) answer(slice, cursor.headerRevision);
    else answer(keyspace.range(request), keyspace.revision);
    return;
  }
  for (const record of slice) kvs.push(record);
  if (cursor.finished) answerFrom(cursor, kvs, answer);
  else setImmediate(nextSlice, keyspace, request, cursor, kvs, answer);
}

function answerFrom(cursor: RangeCursor, kvs: KeyRecord[] | Refusal, answer: RangeAnswer): void {
  const { more, count, headerRevision } = cursor;
  answer(kvs instanceof Refusal ? kvs : { header: null, kvs, more, count }, headerRevision);
}
