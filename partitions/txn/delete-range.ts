/** Executes a DeleteRangeRequest (contract §4.7). */
import type { DeleteRangeRequest, DeleteRangeResponse } from "../../proto/messages.ts";
import { intervalOf, isSingleKey } from "../interval/interval.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";

/** Deletes the keys in key order, as uncommitted changes. All are found before the first is deleted. The header is left null. */
export function deleteRange(state: KeyspaceState, request: DeleteRangeRequest): DeleteRangeResponse {
  const { versions } = state;
  const refs = existing(state, request);
  for (const ref of refs) state.delete(versions.slot(ref));
  const prevKvs = request.prevKv ? refs.map((ref) => versions.kv(ref)) : [];
  return { header: null, deleted: refs.length, prevKvs };
}

function existing(state: KeyspaceState, request: DeleteRangeRequest): VersionRef[] {
  if (isSingleKey(request.rangeEnd)) {
    const ref = state.findLive(request.key);
    return ref === NO_VERSION ? [] : [ref];
  }
  const refs: VersionRef[] = [];
  const { newestRevision } = state;
  const walk = state.walk(intervalOf(request.key, request.rangeEnd));
  for (let ref = walk.nextLive(newestRevision); ref !== NO_VERSION; ref = walk.nextLive(newestRevision)) {
    refs.push(ref);
  }
  return refs;
}
