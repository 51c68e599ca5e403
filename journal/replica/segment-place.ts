/** Whether a segment belongs where it was found: to this cluster and this journal, right behind the one before. */
import { corrupt, ofCluster } from "../journal-errors.ts";
import type { LogEnd } from "./log-end.ts";
import type { Segment } from "./segment.ts";

/**
 * @param clusterId - the cluster it must belong to, or null to take any
 * @throws JournalError `ERR_JOURNAL_CLUSTER`, or `ERR_JOURNAL_CORRUPT` when segments or frames are missing before it
 */
export function checkPlace(
  segment: Segment,
  before: Segment | undefined,
  { lastIndex, lastPosition, lastEpoch }: LogEnd,
  clusterId: string | null,
): void {
  const { path, number, firstIndex, firstPosition, previousEpoch, salt } = segment;
  if (clusterId !== null && segment.clusterId !== clusterId) throw ofCluster(path, segment.clusterId, clusterId);
  if (before === undefined) {
    const isFirst = firstIndex === 1;
    if (number < 1 || firstIndex < number || firstPosition < 1 || (isFirst && firstPosition > 1)) {
      throw corrupt(path, 32, `segment ${number} cannot begin with frame ${firstIndex} and record ${firstPosition}`);
    }
    if (isFirst !== (previousEpoch === 0)) throw corrupt(path, 56, `frame ${firstIndex} cannot follow that epoch`);
    return;
  }
  if (segment.clusterId !== before.clusterId || salt !== before.salt) {
    throw corrupt(path, 12, `not of the same journal as ${before.path}`);
  }
  if (number !== before.number + 1) {
    throw corrupt(path, 32, `segment ${number} follows segment ${before.number}: segments are missing between them`);
  }
  if (firstIndex !== lastIndex + 1 || firstPosition !== lastPosition + 1 || previousEpoch !== lastEpoch) {
    const text = `frames up to ${firstIndex - 1} (record ${firstPosition - 1}, epoch ${previousEpoch}) must precede ${path}, but the intact ones end with frame ${lastIndex} (record ${lastPosition}, epoch ${lastEpoch})`;
    throw corrupt(before.path, before.end, text);
  }
}
