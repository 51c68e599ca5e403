/**
 * Tells damage from a torn end. A frame is written only when the one before it is durable, so an intact header behind
 * bytes that are no frame says that those bytes were acknowledged.
 */
import { FrameHeader, FRAME_HEADER_BYTES, readFrameHeader } from "../frame.ts";
import type { JournalError } from "../journal.ts";
import { corrupt } from "../journal-errors.ts";
import type { LogEnd } from "./log-end.ts";
import { continues } from "./log-end.ts";
import type { Segment } from "./segment.ts";

/**
 * Searches the bytes of a segment's file from `segment.end` on, where the intact frames end. The search tries each byte, as
 * a damaged length leads nowhere; what it reads of each place is a header, whatever a client has stored there.
 *
 * @returns the error that refuses the segment, null when no later frame is there
 */
export function laterFrame(bytes: Buffer, segment: Segment, logEnd: LogEnd): JournalError | null {
  const later = new FrameHeader();
  for (let offset = 0; offset + FRAME_HEADER_BYTES <= bytes.length; offset++) {
    if (!readFrameHeader(bytes, offset, bytes.length, segment.salt, later)) continue;
    // An older frame may be a copy inside a torn record; it says nothing about this place.
    if (later.index <= segment.lastIndex) continue;
    // The torn frame itself.
    if (offset === 0 && continues(later, logEnd)) continue;
    const text = `a damaged frame behind frame ${segment.lastIndex} (record ${segment.lastPosition}); an intact one follows at offset ${segment.end + offset}, which says that frames up to ${later.committed} were committed`;
    return corrupt(segment.path, segment.end, text);
  }
  return null;
}
