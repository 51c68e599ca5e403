/** Which snapshots are kept, and from where on the journal is: pure, by where each lies and how old it is. */

export interface SnapshotPlace {
  readonly position: number;
  /** When it was complete, Unix ms. */
  readonly wallMs: number;
}

/** From the older the journal goes on, so that it serves when the newer one turns out to be damaged. */
export const NEWEST_KEPT = 2;

/** Of those between the newest and the beginning of the history that is kept, so that this can move on. */
const BETWEEN_KEPT = 8;

/**
 * @param snapshots the newest first
 * @param retentionMs how old the moments are that shall be restored at most; 0 for none
 * @returns their positions; the last one is where the journal is needed from
 */
export function keptSnapshots(snapshots: readonly SnapshotPlace[], nowMs: number, retentionMs: number): number[] {
  const newest = snapshots.slice(0, NEWEST_KEPT);
  const kept = newest.map(({ position }) => position);
  if (retentionMs === 0) return kept;
  const sinceMs = nowMs - retentionMs;
  // With the newest of those that are too old the history begins.
  const firstAt = snapshots.findIndex(({ wallMs }) => wallMs <= sinceMs);
  const within = snapshots.slice(0, firstAt === -1 ? snapshots.length : firstAt + 1);
  let lastMs = Number.NEGATIVE_INFINITY;
  const spread: number[] = [];
  for (const { position, wallMs } of within.toReversed()) {
    if (wallMs < lastMs + retentionMs / BETWEEN_KEPT) continue;
    spread.push(position);
    lastMs = wallMs;
  }
  return [...new Set([...kept, ...spread])].toSorted((a, b) => b - a);
}
