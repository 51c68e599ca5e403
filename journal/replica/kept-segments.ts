/** Which segments a trim leaves that could go: those that another replica lacks, as far as they are not too many. */
import type { Segment } from "./segment.ts";

/**
 * The first segment that is kept.
 *
 * @param covered the first one that cannot go
 * @param lacked indexes of frames, in ascending order; each with all behind it is lacked by somebody
 * @param bytesMax of the segments that are kept for one of them
 */
export function firstKept(
  segments: readonly Segment[],
  covered: Segment,
  lacked: readonly number[],
  bytesMax: number,
): Segment {
  const until = segments.indexOf(covered);
  for (const index of lacked) {
    // What lies before the first segment is gone, and what is behind it is no use without that.
    const from = segments.findLastIndex(({ firstIndex }) => firstIndex <= index);
    if (from === -1 || from >= until) continue;
    const bytes = segments.slice(from, until).reduce((sum, { end }) => sum + end, 0);
    if (bytes <= bytesMax) return segments[from];
  }
  return covered;
}
