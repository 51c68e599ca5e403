/**
 * Compaction sets a revision below which nothing can be read, and then forgets what only reads below it would need.
 * Setting the point is done at once; forgetting is done in steps, by walking the revision log from its front:
 *
 *     log   a1=put  b2=put  a3=put  b4=delete  c5=put  a6=put …        compact(5)
 *           a1 b2 a3 have no predecessor or lose it; b4 goes and takes b along; the log now begins with c5
 *
 * A change exactly at the compact revision keeps its predecessor until the next compaction, because a watch may start
 * there and ask for prev_kv (CO-03, CO-09). So does every change that synced watchers have not been told of yet, and
 * what is needed at a revision that is held (hold.ts).
 */
import type { KeyspaceState } from "./keyspace-state.ts";
import { COMPACTED, FUTURE_REVISION } from "../refusals.ts";
import type { Refusal } from "../refusals.ts";

/** Sets the compact revision (CO-01, CO-02). */
export function compact(state: KeyspaceState, revision: number): Refusal | null {
  if (revision > state.revision) return FUTURE_REVISION;
  if (revision <= state.compactRevision) return COMPACTED;
  state.setCompactRevision(revision);
  return null;
}

/**
 * Forgets on behalf of at most `maxEntries` changes.
 *
 * @param neededFrom the changes from this revision on are still to be delivered
 * @returns true when nothing is left that could be forgotten now
 */
export function compactStep(state: KeyspaceState, neededFrom: number, maxEntries: number): boolean {
  const { log, partitionMap } = state;
  const limit = Math.min(state.compactRevision, neededFrom, state.held.lowest);
  const last = Math.min(log.end, log.start + maxEntries);
  let index = log.start;
  while (index < last) {
    const change = log.at(index);
    if (change.modRevision >= limit) break;
    partitionMap.find(change.history.key).compact(change);
    index++;
  }
  log.dropBefore(index);
  return index === log.end || log.at(index).modRevision >= limit;
}
