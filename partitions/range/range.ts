/** Executes a RangeRequest: which keys, at which revision, filtered, sorted, cut off (contract §4.4). */
import { SORT_NONE } from "../../proto/messages.ts";
import type { EncodedKv, RangeRequest, RangeResponse } from "../../proto/messages.ts";
import { kvWithoutValue } from "../../proto/encoded-kv.ts";
import { intervalOf, isSingleKey, keyString } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import type { Change } from "../state/key-history.ts";
import { LATEST } from "../state/keyspace-state.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { isBackwards, isSorted, sorted } from "./range-order.ts";
import { COMPACTED, FUTURE_REVISION } from "../refusals.ts";
import type { Refusal } from "../refusals.ts";

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
  return response([request.keysOnly ? kvWithoutValue(change.kv) : change.kv], false, 1);
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
  return response(kvsOf(request, changes), total > changes.length, total);
}

function rangeOfAll(state: KeyspaceState, request: RangeRequest, interval: Interval, revision: number): RangeResponse {
  const isOfLast = isOfLastKeys(request, revision);
  const start = isOfLast ? state.startOfLast(interval, request.limit) : interval.start;
  const searched = searchLimit(request);
  const collected = state.collect({ start, end: interval.end }, revision, searched);
  const total = isOfLast || collected.length === searched ? count(state, interval, revision) : collected.length;
  const passing = hasFilter(request) ? collected.filter((change) => passes(request, change)) : collected;
  const changes = sorted(request, passing);
  if (request.limit > 0 && changes.length > request.limit) changes.length = request.limit;
  const more = request.limit > 0 && (hasFilter(request) ? passing.length : total) > request.limit;
  return response(kvsOf(request, changes), more, total);
}

/**
 * How many keys etcd looks for before it sorts them: all, or one more than the limit when there is a target without an
 * order. It takes that for the order of keys when it looks for matches, and sorts afterwards all the same.
 */
export function searchLimit(request: RangeRequest): number {
  const stopsEarly = request.sortOrder === SORT_NONE && request.limit > 0 && !hasFilter(request);
  return stopsEarly ? request.limit + 1 : Number.POSITIVE_INFINITY;
}

/** Whether a range wants the last keys of its interval alone, and it is known without a search where those begin. */
export function isOfLastKeys(request: RangeRequest, revision: number): boolean {
  return revision === LATEST && isBackwards(request) && request.limit > 0 && !hasFilter(request);
}

/** RG-12: whether a change is within the bounds. */
export function passes(request: RangeRequest, change: Change): boolean {
  const { modRevision, createRevision } = change;
  if (request.minModRevision !== 0 && modRevision < request.minModRevision) return false;
  if (request.maxModRevision !== 0 && modRevision > request.maxModRevision) return false;
  if (request.minCreateRevision !== 0 && createRevision < request.minCreateRevision) return false;
  return request.maxCreateRevision === 0 || createRevision <= request.maxCreateRevision;
}

/** What is answered of the changes. */
export function kvsOf(request: Pick<RangeRequest, "keysOnly">, changes: readonly Change[]): EncodedKv[] {
  return changes.map((change) => (request.keysOnly ? kvWithoutValue(change.kv) : change.kv));
}

function response(kvs: EncodedKv[], more: boolean, total: number): RangeResponse {
  return { header: null, kvs, more, count: total };
}
