/**
 * Whether the segments found are all that the mark tells of. What lies between two segments or two frames is seen without
 * a mark; this is about a log's two ends.
 */
import { join } from "node:path";
import type { AcceptLoss, JournalError } from "../journal.ts";
import { corrupt, incomplete, REMEDY } from "../journal-errors.ts";
import type { Extent } from "./mark.ts";
import type { Segment } from "./segment.ts";
import { segmentName } from "./segment.ts";

/** What of a segment was found. */
type Found = Pick<Segment, "path" | "salt" | "number" | "end" | "lastIndex" | "lastPosition">;

export function refuse(error: JournalError | null): void {
  if (error !== null) throw error;
}

/** Asks whether to go on without what is lost, when something is. */
export async function meetLoss(loss: JournalError | null, acceptLoss: AcceptLoss | null): Promise<void> {
  if (loss === null) return;
  if (acceptLoss === null) throw loss;
  await acceptLoss(loss);
}

/** @returns why the log does not begin with this segment, or with none; null when it may */
export function missingBeginning(directory: string, first: Found | undefined, marked: Extent): JournalError | null {
  const isMarked = marked.newestNumber > 0;
  if (first === undefined) return isMarked ? incomplete(directory, `no segment is here, but ${told(marked)}`) : null;
  if (isMarked && first.salt !== marked.salt) {
    return corrupt(first.path, 12, "not a segment of the journal that its mark tells of");
  }
  // Without a mark nothing was ever trimmed.
  const oldest = isMarked ? { number: marked.oldestNumber, first: marked.oldestFirst } : { number: 1, first: 1 };
  if (first.number <= oldest.number) return null;
  const path = join(directory, segmentName(oldest.first));
  return incomplete(path, `missing: the journal begins with it, but the first segment found is ${first.path}`);
}

/** @returns why this is not the last segment that there was, or null */
export function missingSegment(directory: string, last: Found, marked: Extent): JournalError | null {
  if (last.number >= marked.newestNumber) return null;
  const path = join(directory, segmentName(marked.newestFirst));
  return incomplete(path, `missing: ${told(marked)}, but the last segment found is ${last.path}`);
}

/** @returns why the last segment, whose intact frames were found, does not hold all that it did; or null */
export function missingEnd(last: Found, marked: Extent): JournalError | null {
  // Of a segment that is missing altogether it was told before.
  if (last.number < marked.newestNumber) return null;
  const isShort = last.number === marked.newestNumber && last.end < marked.end;
  if (!isShort && last.lastIndex >= marked.committed) return null;
  const text = `the intact frames end here with record ${last.lastPosition}, but ${told(marked)}; ${REMEDY}`;
  return corrupt(last.path, last.end, text);
}

function told({ newestFirst, end, lastPosition }: Extent): string {
  return `the journal was durable up to record ${lastPosition}, at offset ${end} of ${segmentName(newestFirst)}`;
}
