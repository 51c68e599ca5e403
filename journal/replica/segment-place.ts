/** Whether a segment belongs where it was found: to this cluster and this journal, right behind the one before. */
import { JournalError } from "../journal.ts";
import { corrupt } from "../journal-errors.ts";
import type { Segment } from "./segment.ts";

/** Where the intact frames before a segment end: zeros where there are none. */
export interface LogEnd {
  readonly lastPosition: number;
  readonly lastEpoch: number;
}

/**
 * @param clusterId - the cluster it must belong to, or null to take any
 * @throws JournalError `ERR_JOURNAL_CLUSTER`, or `ERR_JOURNAL_CORRUPT` when segments or frames are missing before it
 */
export function checkPlace(
  segment: Segment,
  before: Segment | undefined,
  { lastPosition, lastEpoch }: LogEnd,
  clusterId: string | null,
): void {
  const { path, number, firstPosition, previousEpoch, salt } = segment;
  if (clusterId !== null && segment.clusterId !== clusterId) {
    const text = `${path}: belongs to cluster ${segment.clusterId}, not to ${clusterId}`;
    throw new JournalError("ERR_JOURNAL_CLUSTER", text);
  }
  if (before === undefined) {
    if (firstPosition < 1 || number < 1 || (number === 1 && firstPosition !== 1)) {
      throw corrupt(path, 32, `segment ${number} cannot begin with record ${firstPosition}`);
    }
    return;
  }
  if (segment.clusterId !== before.clusterId || salt !== before.salt) {
    throw corrupt(path, 12, `not of the same journal as ${before.path}`);
  }
  if (number !== before.number + 1) {
    throw corrupt(path, 32, `segment ${number} follows segment ${before.number}: segments are missing between them`);
  }
  if (firstPosition !== lastPosition + 1 || previousEpoch !== lastEpoch) {
    const text = `records up to ${firstPosition - 1} (epoch ${previousEpoch}) must precede ${path}, but the intact frames end with record ${lastPosition} (epoch ${lastEpoch})`;
    throw corrupt(before.path, before.end, text);
  }
}
