/** Whether frames lack behind a place in a segment, where the intact ones end. */
import { corrupt } from "../journal-errors.ts";
import { REPAIR_RUN_BYTES } from "../limits.ts";
import type { DiskFile } from "./disk.ts";
import type { FramePosition } from "./frame-scanner.ts";
import type { Gap } from "./gap.ts";
import type { LaterHeader } from "./later-frame.ts";
import { findLater, headerAt, isWholeFrame, refusal } from "./later-frame.ts";
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
  const { file, end, lastIndex, mayHoldMore } = search;
  const { offset } = position;
  const lacks = position.lastIndex < lastIndex;
  if (!lacks && !mayHoldMore) return null;
  const later = await firstIntact(search, position);
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

/**
 * The next intact frame, so that frames in a row that have rotted in their bodies alone are one gap; or an intact header, where
 * the row is long or nothing follows it: it may be a torn end.
 */
async function firstIntact({ file, segment, end }: GapSearch, position: FramePosition): Promise<LaterHeader | null> {
  const { salt } = segment;
  const { offset } = position;
  let later = await findLater(file, offset, end, salt, position, true);
  while (later !== null && later.offset - offset < REPAIR_RUN_BYTES) {
    if (await isWholeFrame(file, later, end, salt)) return later;
    const { length, index, lastPosition, epoch } = later.header;
    const place = { lastIndex: index, lastPosition, lastEpoch: epoch };
    const start = later.offset + length;
    const next =
      (await headerAt(file, start, end, salt, place)) ?? (await findLater(file, start, end, salt, place, false));
    if (next === null) return later;
    later = next;
  }
  return later;
}
