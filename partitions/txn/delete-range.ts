/** Executes a DeleteRangeRequest (contract §4.7). */
import type { DeleteRangeRequest, DeleteRangeResponse } from "../../proto/messages.ts";
import { intervalOf, isSingleKey, keyString } from "../interval/interval.ts";
import type { Change } from "../state/key-history.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";

/** Deletes the keys in key order, as uncommitted changes. All are found before the first is deleted. The header is left null. */
export function deleteRange(state: KeyspaceState, request: DeleteRangeRequest): DeleteRangeResponse {
  const changes = existing(state, request);
  for (const change of changes) state.delete(change.history);
  const prevKvs = request.prevKv ? changes.map((change) => change.kv) : [];
  return { header: null, deleted: changes.length, prevKvs };
}

function existing(state: KeyspaceState, request: DeleteRangeRequest): Change[] {
  if (isSingleKey(request.rangeEnd)) {
    const change = state.findLive(keyString(request.key));
    return change === null ? [] : [change];
  }
  const changes: Change[] = [];
  const { newestRevision } = state;
  const walk = state.walk(intervalOf(request.key, request.rangeEnd));
  for (let change = walk.nextLive(newestRevision); change !== null; change = walk.nextLive(newestRevision)) {
    changes.push(change);
  }
  return changes;
}
