/**
 * Tells damage from a torn end. A frame is written only when the one before it is durable, so an intact frame behind
 * bytes that are none says that those bytes were acknowledged records.
 */
import { FrameHeader, FRAME_HEADER_BYTES, readFrame } from "../frame.ts";
import type { JournalError } from "../journal.ts";
import { corrupt } from "../journal-errors.ts";
import type { Segment } from "./segment.ts";

/**
 * Searches the bytes of a segment's file from `segment.end` on. The search tries each byte, as a damaged length leads
 * nowhere.
 *
 * @returns the error that refuses the segment, null when no later frame is there
 */
export function laterFrame(bytes: Buffer, segment: Segment): JournalError | null {
  const later = new FrameHeader();
  for (let offset = 0; offset + FRAME_HEADER_BYTES <= bytes.length; offset++) {
    if (!readFrame(bytes, offset, bytes.length, segment.salt, later)) continue;
    // An older frame may be a copy inside a torn record; it says nothing about this place.
    if (later.previousPosition < segment.lastPosition) continue;
    const text = `a damaged frame behind record ${segment.lastPosition}; an intact one follows at offset ${segment.end + offset}, which says that records up to ${later.committed} were committed`;
    return corrupt(segment.path, segment.end, text);
  }
  return null;
}
