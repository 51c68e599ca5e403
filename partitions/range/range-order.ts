/** The order that a range asks for (RG-10, RG-11): whether it is that of the keys, and what comes before what. */
import assert from "node:assert/strict";
import {
  SORT_BY_CREATE,
  SORT_BY_KEY,
  SORT_BY_MOD,
  SORT_BY_VALUE,
  SORT_BY_VERSION,
  SORT_DESCEND,
} from "../../proto/messages.ts";
import type { RangeRequest } from "../../proto/messages.ts";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import type { Change } from "../state/key-history.ts";
import type { Compare } from "./sliced-sort.ts";

/** A change beside its value, which is cut out of the encoded kv once and not for every comparison. */
export interface ValuedChange {
  readonly change: Change;
  readonly value: Buffer;
}

/** Whether the keys must be brought into another order than their own. */
export function isSorted(request: RangeRequest): boolean {
  return request.sortTarget !== SORT_BY_KEY || request.sortOrder === SORT_DESCEND;
}

/** Whether the last key comes first. */
export function isBackwards(request: RangeRequest): boolean {
  return request.sortTarget === SORT_BY_KEY && request.sortOrder === SORT_DESCEND;
}

export function isByValue(request: RangeRequest): boolean {
  return request.sortTarget === SORT_BY_VALUE;
}

export function valued(change: Change): ValuedChange {
  return { change, value: decodeKeyValue(change.kv).value };
}

export function compareValues(request: RangeRequest): Compare<ValuedChange> {
  return request.sortOrder === SORT_DESCEND ? (a, b) => b.value.compare(a.value) : (a, b) => a.value.compare(b.value);
}

/** For the targets that are numbers. */
export function compareNumbers(request: RangeRequest): Compare<Change> {
  const sign = request.sortOrder === SORT_DESCEND ? -1 : 1;
  switch (request.sortTarget) {
    case SORT_BY_VERSION:
      return (a, b) => sign * (a.version - b.version);
    case SORT_BY_CREATE:
      return (a, b) => sign * (a.createRevision - b.createRevision);
    case SORT_BY_MOD:
      return (a, b) => sign * (a.modRevision - b.modRevision);
    default:
      assert.fail("a target that is sorted by as a number is one");
  }
}
