/**
 * Reads a range: which keys, at which revision, filtered, sorted, cut off (contract §4.4, §4.5). In one go it is what the
 * same range is in pieces.
 */
import assert from "node:assert/strict";
import type { EncodedKv, RangeRequest, RangeResponse } from "../../proto/messages.ts";
import { kvWithoutValue } from "../../proto/encoded-kv.ts";
import { intervalOf, isSingleKey } from "../interval/interval.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_SLOT, NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import { InOrderCursor } from "./in-order-cursor.ts";
import type { RangeCursor } from "./range-cursor.ts";
import { hasFilter } from "./range-filter.ts";
import { isSorted } from "./range-order.ts";
import { checkRevision, readRevision } from "./read-revision.ts";
import { SortedCursor } from "./sorted-cursor.ts";
import { Refusal } from "../refusals.ts";

/** A short range takes a step to find its keys, one to order them, one to give them, one to count what it has not given. */
const SHORT_STEPS_MAX = 4;

/** Whether a range gives its keys as it finds them. Another one first looks at all that it might give. */
export function isInOrder(request: RangeRequest): boolean {
  return request.countOnly || !(isSorted(request) || hasFilter(request));
}

/** Whether a range asks for one key as it is. */
export function isWholeKey(request: RangeRequest): boolean {
  return isSingleKey(request.rangeEnd) && !request.keysOnly && !request.countOnly && !hasFilter(request);
}

/** Begins to read a range in pieces. */
export function openRange(state: KeyspaceState, request: RangeRequest): RangeCursor | Refusal {
  const refusal = checkRevision(state, request.revision);
  if (refusal !== null) return refusal;
  return openRangeAt(state, request, readRevision(state, request.revision));
}

/** The same at a revision that can be read, whichever the request asks for. */
export function openRangeAt(state: KeyspaceState, request: RangeRequest, revision: number): RangeCursor {
  state.countRead(intervalOf(request.key, request.rangeEnd));
  return isInOrder(request) ? new InOrderCursor(state, request, revision) : new SortedCursor(state, request, revision);
}

/** The answer to a range request in one go; its header is left null. */
export function range(state: KeyspaceState, request: RangeRequest): RangeResponse | Refusal {
  if (isSingleKey(request.rangeEnd) && !hasFilter(request)) {
    return checkRevision(state, request.revision) ?? rangeOfKey(state, request, readRevision(state, request.revision));
  }
  const cursor = openRange(state, request);
  if (cursor instanceof Refusal) return cursor;
  const kvs: EncodedKv[] = [];
  drain(cursor, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, (refs) => {
    for (const ref of refs) kvs.push(cursor.kv(ref));
  });
  return { header: null, kvs, more: cursor.more, count: cursor.count };
}

/**
 * Gives all that a cursor has, in the turn in which it was opened, when that takes no more than so many keys and a few times
 * as many that are only looked at or counted.
 *
 * @returns whether it was all; when it takes more some may have been given
 */
export function readShort(cursor: RangeCursor, maxKeys: number, give: (refs: readonly VersionRef[]) => void): boolean {
  return !cursor.isLongerThan(maxKeys) && drain(cursor, maxKeys, SHORT_STEPS_MAX, give);
}

function drain(
  cursor: RangeCursor,
  maxKeys: number,
  maxSteps: number,
  give: (refs: readonly VersionRef[]) => void,
): boolean {
  for (let steps = 0; !cursor.finished; steps++) {
    if (steps === maxSteps) return false;
    const piece = cursor.next(maxKeys, Number.POSITIVE_INFINITY);
    assert(!(piece instanceof Refusal), "nothing is compacted within a turn");
    give(piece);
  }
  return true;
}

/**
 * A key alone, without a walk: 0.6 µs instead of the 1.7 µs that it takes through a cursor.
 *
 * @param request one without a filter, for a single key
 */
export function rangeOfKey(state: KeyspaceState, request: RangeRequest, revision: number): RangeResponse {
  const { versions } = state;
  const ref = findAt(state, request.key, revision);
  if (ref === NO_VERSION) return { header: null, kvs: [], more: false, count: 0 };
  const kv = versions.kv(ref);
  const kvs = request.countOnly ? [] : [request.keysOnly ? kvWithoutValue(kv) : kv];
  return { header: null, kvs, more: false, count: 1 };
}

/** The most frequent read: the state of the key that a range asks for, NO_VERSION when it does not exist. */
export function findKey(state: KeyspaceState, request: RangeRequest): VersionRef | Refusal {
  return checkRevision(state, request.revision) ?? findAt(state, request.key, readRevision(state, request.revision));
}

function findAt(state: KeyspaceState, key: Buffer, revision: number): VersionRef {
  const slot = state.findToRead(key);
  return slot === NO_SLOT ? NO_VERSION : state.versions.liveAt(slot, revision);
}
