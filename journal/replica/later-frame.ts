/**
 * Tells damage from a torn end. A frame is written only when the one before it is durable, so an intact header behind
 * bytes that are no frame says that those bytes were acknowledged.
 */
import { FrameHeader, FRAME_HEADER_BYTES, readFrameHeader } from "../frame.ts";
import type { JournalError } from "../journal.ts";
import { corrupt } from "../journal-errors.ts";
import { RECOVERY_READ_BYTES } from "../limits.ts";
import type { DiskFile } from "./disk.ts";
import { readFully } from "./disk.ts";
import type { LogEnd } from "./log-end.ts";
import { continues } from "./log-end.ts";
import type { Segment } from "./segment.ts";

/** Bytes that are searched without a pause. */
const SEARCH_BYTES = 64 * 1024;

/** An intact header, and where it lies. */
export interface LaterHeader {
  readonly offset: number;
  readonly header: FrameHeader;
}

/**
 * Searches the bytes of a segment's file from `segment.end` on, where the intact frames end. The search tries each byte, as
 * a damaged length leads nowhere; what it reads of each place is a header, whatever a client has stored there.
 *
 * @returns the error that refuses the segment, null when no later frame is there
 */
export function laterFrame(bytes: Buffer, segment: Segment, logEnd: LogEnd): JournalError | null {
  const later = searchLater(bytes, bytes.length, segment.salt, logEnd, true);
  return later === null ? null : refusal(segment.path, segment.end, logEnd, later.header, segment.end + later.offset);
}

export function refusal(
  path: string,
  offset: number,
  { lastIndex, lastPosition }: LogEnd,
  { committed }: FrameHeader,
  laterOffset: number,
): JournalError {
  const text = `a damaged frame behind frame ${lastIndex} (record ${lastPosition}); an intact one follows at offset ${laterOffset}, which says that frames up to ${committed} were committed`;
  return corrupt(path, offset, text);
}

/** The first intact header of a later frame in the file from `start` on, where the log's intact frames end; null when none is there. */
export async function findLater(
  file: DiskFile,
  start: number,
  end: number,
  salt: number,
  logEnd: LogEnd,
): Promise<LaterHeader | null> {
  const bytes = Buffer.allocUnsafeSlow(Math.max(1, Math.min(RECOVERY_READ_BYTES, end - start)));
  const zeros = Buffer.alloc(bytes.length);
  // Mostly nothing was ever written there: that is seen many bytes at a time.
  for (let offset = start; offset < end; offset += RECOVERY_READ_BYTES) {
    const count = await readFully(file, bytes, Math.min(bytes.length, end - offset), offset);
    if (bytes.compare(zeros, 0, count, 0, count) === 0) continue;
    const later = await searchPart(file, offset, Math.min(end, offset + RECOVERY_READ_BYTES), end, salt, logEnd, start);
    if (later !== null) return later;
  }
  return null;
}

/** Headers that begin before `partEnd`. Each piece is read anew, which is the pause between two. */
async function searchPart(
  file: DiskFile,
  partStart: number,
  partEnd: number,
  end: number,
  salt: number,
  logEnd: LogEnd,
  logEndOffset: number,
): Promise<LaterHeader | null> {
  const bytes = Buffer.allocUnsafeSlow(SEARCH_BYTES + FRAME_HEADER_BYTES - 1);
  for (let offset = partStart; offset < partEnd; offset += SEARCH_BYTES) {
    const count = await readFully(file, bytes, Math.min(bytes.length, end - offset), offset);
    const later = searchLater(bytes, count, salt, logEnd, offset === logEndOffset);
    if (later !== null) return { offset: offset + later.offset, header: later.header };
  }
  return null;
}

function searchLater(bytes: Buffer, end: number, salt: number, logEnd: LogEnd, isAtEnd: boolean): LaterHeader | null {
  const header = new FrameHeader();
  for (let offset = 0; offset + FRAME_HEADER_BYTES <= end; offset++) {
    if (!readFrameHeader(bytes, offset, end, salt, header)) continue;
    // An older frame may be a copy inside a torn record; it says nothing about this place.
    if (header.index <= logEnd.lastIndex) continue;
    // The torn frame itself.
    if (isAtEnd && offset === 0 && continues(header, logEnd)) continue;
    return { offset, header };
  }
  return null;
}
