/**
 * Compaction sets a revision below which nothing can be read, and then forgets what only reads below it would need.
 * Setting the point is done at once; forgetting is done in steps, by walking the log of one partition after the other from
 * its front:
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
 * Forgets on behalf of at most `maxEntries` changes. It goes on with the partition at which the step before has stopped: all
 * have their turn, however often the compact revision moves meanwhile.
 *
 * @param neededFrom the changes from this revision on are still to be delivered
 * @returns true when nothing is left that could be forgotten now
 */
export function compactStep(state: KeyspaceState, neededFrom: number, maxEntries: number): boolean {
  const { partitions } = state.partitionMap;
  /** All below it is readable for nobody; what a change at it has superseded is so, too. */
  const point = Math.min(state.compactRevision, neededFrom - 1, state.held.lowest);
  let left = maxEntries;
  for (let visited = 0; visited < partitions.length; visited++) {
    const partition = partitions[state.compactedUntil];
    left -= partition.compactStep(point, left);
    if (!partition.isCompacted(point)) return false;
    state.compactedUntil = (state.compactedUntil + 1) % partitions.length;
  }
  return true;
}
