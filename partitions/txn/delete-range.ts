/** Executes a DeleteRangeRequest (contract §4.7): the keys of an interval are deleted in their order, as uncommitted changes. */
import type { DeleteRangeRequest, DeleteRangeResponse, EncodedKv } from "../../proto/messages.ts";
import { intervalOf, isSingleKey } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_SLOT, NO_VERSION } from "../state/versions.ts";
import type { Slot } from "../state/versions.ts";
import type { Allowance, Steps } from "./long-change.ts";

/** In one go. The header is left null. */
export function deleteRange(state: KeyspaceState, request: DeleteRangeRequest): DeleteRangeResponse {
  if (isSingleKey(request.rangeEnd)) return deleteKey(state, request);
  const prevKvs: EncodedKv[] = [];
  const keep = request.prevKv ? (kv: EncodedKv) => prevKvs.push(kv) : null;
  const { deleted } = deletePiece(state, intervalOf(request.key, request.rangeEnd), Number.POSITIVE_INFINITY, keep);
  return { header: null, deleted, prevKvs };
}

/** The same in steps. */
export function* deleteRangeSteps(
  state: KeyspaceState,
  request: DeleteRangeRequest,
  allowance: Allowance,
): Steps<DeleteRangeResponse> {
  const prevKvs: EncodedKv[] = [];
  const keep = request.prevKv ? (kv: EncodedKv) => allowance.keep(kv) && prevKvs.push(kv) : null;
  const { start, end } = intervalOf(request.key, request.rangeEnd);
  let deleted = 0;
  for (let next: string | null = start; next !== null;) {
    if (allowance.keysLeft <= 0) yield;
    const piece = deletePiece(state, { start: next, end }, allowance.keysLeft, keep);
    allowance.keysLeft -= piece.looks;
    deleted += piece.deleted;
    next = piece.next;
  }
  return { header: null, deleted, prevKvs };
}

/** How many keys it takes to look at. */
export function looksToDelete(state: KeyspaceState, { key, rangeEnd }: DeleteRangeRequest): number {
  return isSingleKey(rangeEnd) ? 1 : state.walkLooks(intervalOf(key, rangeEnd));
}

function deleteKey(state: KeyspaceState, { key, prevKv }: DeleteRangeRequest): DeleteRangeResponse {
  const ref = state.findLive(key);
  if (ref === NO_VERSION) return { header: null, deleted: 0, prevKvs: [] };
  const { versions } = state;
  state.delete(versions.slot(ref));
  return { header: null, deleted: 1, prevKvs: prevKv ? [versions.kv(ref)] : [] };
}

interface DeletedPiece {
  readonly looks: number;
  readonly deleted: number;
  /** Where to go on; null when all has been deleted. */
  readonly next: string | null;
}

/** Looks at the first `maxKeys` keys of an interval, and deletes those that exist: all are found before the first is deleted. */
function deletePiece(
  state: KeyspaceState,
  interval: Interval,
  maxKeys: number,
  keep: ((kv: EncodedKv) => unknown) | null,
): DeletedPiece {
  const { versions } = state;
  const found: Slot[] = [];
  const walk = state.walk(interval);
  let looks = 0;
  let slot = walk.next();
  for (; slot !== NO_SLOT && looks < maxKeys; slot = walk.next(), looks++) {
    if (versions.liveNewest(slot) !== NO_VERSION) found.push(slot);
  }
  const next = slot === NO_SLOT ? null : versions.slotKeyText(slot);
  for (const each of found) {
    if (keep !== null) keep(versions.kv(versions.newest(each)));
    state.delete(each);
  }
  return { looks, deleted: found.length, next };
}
