/**
 * Compaction sets a revision below which nothing can be read, and then forgets what only reads below it would need.
 * Setting the point is done at once; forgetting is done in steps, by walking the revision log from its front:
 *
 *     log   a1=put  b2=put  a3=put  b4=delete  a5=put  c5=put  a6=put …        compact(5)
 *           a1 b2 a3 have no predecessor or lose it; b4 goes and takes b along; the log now begins with a5
 *           a5 and c5 stay, as a watch may start with them; a5 loses its predecessor a3
 *
 * So nothing is kept that cannot be read at the compact revision or later, and the events of the compact revision itself
 * tell no prev_kv, as in etcd (CO-03, CO-09). What synced watchers have not been told of yet is left alone, and so is
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
  /** All below it is readable for nobody; what a change at it has superseded is so, too. */
  const point = Math.min(state.compactRevision, neededFrom - 1, state.held.lowest);
  let left = maxEntries;
  let index = log.start;
  for (; left > 0 && index < log.end && log.at(index).modRevision < point; index++) {
    const change = log.at(index);
    partitionMap.find(change.history.key).compact(change);
    left--;
  }
  log.dropBefore(index);
  index = Math.max(index, state.supersededUntil);
  for (; index < log.end && log.at(index).modRevision <= point; index++) {
    if (left === 0) return false;
    const change = log.at(index);
    partitionMap.find(change.history.key).forgetSuperseded(change);
    state.supersededUntil = index + 1;
    left--;
  }
  return true;
}
