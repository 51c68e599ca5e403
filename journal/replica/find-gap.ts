/** Whether frames lack behind a place in a segment, where the intact ones end. */
import { corrupt } from "../journal-errors.ts";
import type { DiskFile } from "./disk.ts";
import type { FramePosition } from "./frame-scanner.ts";
import type { Gap } from "./gap.ts";
import { findLater, refusal } from "./later-frame.ts";
import type { SegmentHeader } from "./segment.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";

/** What is known of a segment without its frames. */
export interface GapSearch {
  readonly file: DiskFile;
  readonly segment: Pick<SegmentHeader, "salt">;
  /** Bytes of the file that may hold frames. */
  readonly end: number;
  /** The last frame that the segment must hold. */
  readonly lastIndex: number;
  /** Frames behind that one are searched for as well: one that is intact says that those before it were. */
  readonly mayHoldMore: boolean;
}

/** @param position where the intact frames end, as far as they were read */
export async function findGap(search: GapSearch, position: FramePosition): Promise<Gap | null> {
  const { file, segment, end, lastIndex, mayHoldMore } = search;
  const { offset } = position;
  const lacks = position.lastIndex < lastIndex;
  if (!lacks && !mayHoldMore) return null;
  const later = await findLater(file, offset, end, segment.salt, position);
  if (later === null) {
    if (!lacks) return null;
    const reason = corrupt(file.path, offset, `frames ${position.lastIndex + 1} to ${lastIndex} were here`);
    // One that has no frame grows for a large one.
    const roomEnd = mayHoldMore && offset === SEGMENT_HEADER_BYTES ? Number.MAX_SAFE_INTEGER : end;
    return { path: file.path, offset, before: position, to: lastIndex, roomEnd, next: null, reason };
  }
  const reason = refusal(file.path, offset, position, later.header, later.offset);
  const to = later.header.index - 1;
  if (to <= position.lastIndex || (!mayHoldMore && to >= lastIndex)) throw reason;
  return { path: file.path, offset, before: position, to, roomEnd: later.offset, next: later.header, reason };
}
