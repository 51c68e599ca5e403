/** Executes a RangeRequest: which keys, at which revision, filtered, sorted, cut off (contract §4.4). */
import {
  SORT_BY_CREATE,
  SORT_BY_KEY,
  SORT_BY_MOD,
  SORT_BY_VALUE,
  SORT_BY_VERSION,
  SORT_DESCEND,
  SORT_NONE,
} from "../proto/messages.ts";
import type { KeyRecord, RangeRequest, RangeResponse } from "../proto/messages.ts";
import { decodeKeyValue, keyRecordWithoutValue } from "../proto/key-record.ts";
import { intervalOf, isSingleKey, keyString } from "./interval.ts";
import type { Interval } from "./interval.ts";
import type { Change } from "./key-history.ts";
import { LATEST } from "./keyspace-state.ts";
import type { KeyspaceState } from "./keyspace-state.ts";
import { COMPACTED, FUTURE_REVISION } from "./refusals.ts";
import type { Refusal } from "./refusals.ts";

/** The answer to a range request; its header is left null. */
export function range(state: KeyspaceState, request: RangeRequest): RangeResponse | Refusal {
  const refusal = checkRevision(state, request.revision);
  if (refusal !== null) return refusal;
  const revision = effectiveRevision(state, request.revision);
  if (isSingleKey(request.rangeEnd) && !hasFilter(request)) return rangeOfKey(state, request, revision);
  const interval = intervalOf(request.key, request.rangeEnd);
  if (request.countOnly) return response([], false, count(state, interval, revision));
  if (hasFilter(request) || isSorted(request)) return rangeOfAll(state, request, interval, revision);
  return rangeInOrder(state, request, interval, revision);
}

/** RG-01 to RG-04: whether the revision a client asked for can be read; zero and below mean the current one. */
export function checkRevision(state: KeyspaceState, revision: number): Refusal | null {
  if (revision <= 0) return null;
  if (revision > state.revision) return FUTURE_REVISION;
  if (revision < state.compactRevision) return COMPACTED;
  return null;
}

/** How many keys existed in an interval at a revision that can be read, or now for LATEST. */
export function count(state: KeyspaceState, interval: Interval, revision: number): number {
  return revision === LATEST ? state.countLatest(interval) : state.countAt(interval, revision);
}

/** The revision to read at: LATEST also where it was asked for by its number, because that is the faster way. */
export function effectiveRevision(state: KeyspaceState, revision: number): number {
  if (revision <= 0) return LATEST;
  return revision === state.revision && !state.hasUncommitted ? LATEST : revision;
}

/** Whether the keys must be brought into another order than their own. */
export function isSorted(request: RangeRequest): boolean {
  return request.sortTarget !== SORT_BY_KEY || request.sortOrder === SORT_DESCEND;
}

/** Whether min/max revisions narrow the result (RG-12). */
export function hasFilter(request: RangeRequest): boolean {
  return (
    request.minModRevision !== 0 ||
    request.maxModRevision !== 0 ||
    request.minCreateRevision !== 0 ||
    request.maxCreateRevision !== 0
  );
}

function rangeOfKey(state: KeyspaceState, request: RangeRequest, revision: number): RangeResponse {
  const change = state.find(keyString(request.key))?.liveAt(revision) ?? null;
  if (change === null) return response([], false, 0);
  if (request.countOnly) return response([], false, 1);
  return response([request.keysOnly ? keyRecordWithoutValue(change.record) : change.record], false, 1);
}

/** The usual way: the first keys in key order, and a count that does not need to look at the others. */
function rangeInOrder(
  state: KeyspaceState,
  request: RangeRequest,
  interval: Interval,
  revision: number,
): RangeResponse {
  const limit = request.limit > 0 ? request.limit : Number.POSITIVE_INFINITY;
  const changes = state.collect(interval, revision, limit);
  const total = changes.length < limit ? changes.length : count(state, interval, revision);
  return response(records(request, changes), total > changes.length, total);
}

function rangeOfAll(state: KeyspaceState, request: RangeRequest, interval: Interval, revision: number): RangeResponse {
  // etcd takes a target without an order for the order of keys when it looks for matches, and so stops one behind the
  // limit; it sorts afterwards all the same.
  const stopsEarly = request.sortOrder === SORT_NONE && request.limit > 0 && !hasFilter(request);
  const collected = state.collect(interval, revision, stopsEarly ? request.limit + 1 : Number.POSITIVE_INFINITY);
  let changes = hasFilter(request) ? collected.filter((change) => passes(request, change)) : collected;
  if (isSorted(request)) changes = sort(request, changes);
  const more = request.limit > 0 && changes.length > request.limit;
  if (more) changes = changes.slice(0, request.limit);
  const total = stopsEarly && more ? count(state, interval, revision) : collected.length;
  return response(records(request, changes), more, total);
}

function passes(request: RangeRequest, change: Change): boolean {
  const { modRevision, createRevision } = change;
  if (request.minModRevision !== 0 && modRevision < request.minModRevision) return false;
  if (request.maxModRevision !== 0 && modRevision > request.maxModRevision) return false;
  if (request.minCreateRevision !== 0 && createRevision < request.minCreateRevision) return false;
  return request.maxCreateRevision === 0 || createRevision <= request.maxCreateRevision;
}

/** Changes in key order, brought into the order asked for. Equal ones stay in key order. */
function sort(request: RangeRequest, changes: readonly Change[]): Change[] {
  const sign = request.sortOrder === SORT_DESCEND ? -1 : 1;
  switch (request.sortTarget) {
    case SORT_BY_VERSION:
      return changes.toSorted((a, b) => sign * (a.version - b.version));
    case SORT_BY_CREATE:
      return changes.toSorted((a, b) => sign * (a.createRevision - b.createRevision));
    case SORT_BY_MOD:
      return changes.toSorted((a, b) => sign * (a.modRevision - b.modRevision));
    case SORT_BY_VALUE:
      return changes
        .map((change) => ({ change, value: decodeKeyValue(change.record).value }))
        .toSorted((a, b) => sign * a.value.compare(b.value))
        .map(({ change }) => change);
    default:
      return request.sortOrder === SORT_DESCEND ? changes.toReversed() : changes.slice();
  }
}

function records(request: RangeRequest, changes: readonly Change[]): KeyRecord[] {
  return changes.map((change) => (request.keysOnly ? keyRecordWithoutValue(change.record) : change.record));
}

function response(kvs: KeyRecord[], more: boolean, total: number): RangeResponse {
  return { header: null, kvs, more, count: total };
}
