/** Gives a keyspace to who writes it down, in slices of less than a millisecond each with other work between them. */
import { keyOfImage } from "../../partitions/state/version-image.ts";
import { IMAGE_LENGTH_BYTES } from "../../partitions/walk/snapshot-source.ts";
import type { SnapshotSource } from "../../partitions/walk/snapshot-source.ts";
import type { Clock, Turns } from "../clock.ts";
import { SNAPSHOT_PIECE_BYTES_MIN, SNAPSHOT_SLICE_MS, SNAPSHOT_STEP_LOOKS } from "../limits.ts";
import type { SnapshotWriting } from "./snapshots.ts";

/** Whoever takes what is given, as far as it does so. */
export type SnapshotReceiver = Pick<SnapshotWriting, "hasRoom" | "onRoom" | "reserve" | "commit">;

interface Time {
  readonly clock: Clock;
  readonly turns: Turns;
}

/**
 * Resolves when all was given.
 *
 * @param pauseMs between two slices, for what else there is to do: a loop that has always something to do in its next turn takes
 *   less in each; 0 where there is nothing else
 * @param onSlice told how many versions were; may throw, which ends it
 */
export async function giveSnapshot(
  source: SnapshotSource,
  writing: SnapshotReceiver,
  { clock, turns }: Time,
  pauseMs: number,
  onSlice: (versions: number) => void,
): Promise<void> {
  while (!source.isFinished) {
    onSlice(source.count);
    if (writing.hasRoom) giveSlice(source, writing, clock);
    if (pauseMs > 0) await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
    else await new Promise<void>((resolve) => turns.later(resolve));
    if (!writing.hasRoom) await new Promise<void>((resolve) => (writing.onRoom = resolve));
  }
}

/** What is given in one turn. */
function giveSlice(source: SnapshotSource, writing: SnapshotReceiver, clock: Pick<Clock, "nowMs">): void {
  const endMs = clock.nowMs() + SNAPSHOT_SLICE_MS;
  const target = writing.reserve(source.needed === 0 ? SNAPSHOT_PIECE_BYTES_MIN : source.needed);
  const before = source.count;
  let end = 0;
  do end = source.fill(target, end, SNAPSHOT_STEP_LOOKS);
  while (!source.isFinished && source.needed === 0 && clock.nowMs() < endMs);
  const count = source.count - before;
  if (count > 0) writing.commit(end, count, keyOfImage(target, IMAGE_LENGTH_BYTES));
}
