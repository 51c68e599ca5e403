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
import type { VersionRef, Versions } from "../state/versions.ts";
import type { Compare } from "./sliced-sort.ts";

/** A version beside its value, which is cut out of the encoded kv once and not for every comparison. */
export interface ValuedVersion {
  readonly ref: VersionRef;
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

export function valued(versions: Versions, ref: VersionRef): ValuedVersion {
  return { ref, value: versions.value(ref) };
}

export function compareValues(request: RangeRequest): Compare<ValuedVersion> {
  return request.sortOrder === SORT_DESCEND ? (a, b) => b.value.compare(a.value) : (a, b) => a.value.compare(b.value);
}

/** For the targets that are numbers. */
export function compareNumbers(request: RangeRequest, versions: Versions): Compare<VersionRef> {
  const sign = request.sortOrder === SORT_DESCEND ? -1 : 1;
  switch (request.sortTarget) {
    case SORT_BY_VERSION:
      return (a, b) => sign * (versions.version(a) - versions.version(b));
    case SORT_BY_CREATE:
      return (a, b) => sign * (versions.createRevision(a) - versions.createRevision(b));
    case SORT_BY_MOD:
      return (a, b) => sign * (versions.modRevision(a) - versions.modRevision(b));
    default:
      assert.fail("a target that is sorted by as a number is one");
  }
}
