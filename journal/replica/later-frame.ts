/**
 * Tells damage from a torn end. A frame is written only when the one before it is durable, so an intact header behind
 * bytes that are no frame says that those bytes were acknowledged.
 */
import { crc32 } from "node:zlib";
import { bodyCrcOf, FrameHeader, FRAME_HEADER_BYTES, readFrameHeader } from "../frame.ts";
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

/**
 * The first intact header of a later frame in the file from `start` on; null when none is there.
 *
 * @param isEnd the log's intact frames end at `start`: the frame that must follow is the damaged one
 */
export async function findLater(
  file: DiskFile,
  start: number,
  end: number,
  salt: number,
  logEnd: LogEnd,
  isEnd: boolean,
): Promise<LaterHeader | null> {
  const bytes = Buffer.allocUnsafeSlow(Math.max(1, Math.min(RECOVERY_READ_BYTES, end - start)));
  const zeros = Buffer.alloc(bytes.length);
  // Mostly nothing was ever written there: that is seen many bytes at a time.
  for (let offset = start; offset < end; offset += RECOVERY_READ_BYTES) {
    const count = await readFully(file, bytes, Math.min(bytes.length, end - offset), offset);
    if (bytes.compare(zeros, 0, count, 0, count) === 0) continue;
    const partEnd = Math.min(end, offset + RECOVERY_READ_BYTES);
    const later = await searchPart(file, offset, partEnd, end, salt, logEnd, isEnd ? start : null);
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
  logEndOffset: number | null,
): Promise<LaterHeader | null> {
  const bytes = Buffer.allocUnsafeSlow(SEARCH_BYTES + FRAME_HEADER_BYTES - 1);
  for (let offset = partStart; offset < partEnd; offset += SEARCH_BYTES) {
    const count = await readFully(file, bytes, Math.min(bytes.length, end - offset), offset);
    const later = searchLater(bytes, count, salt, logEnd, offset === logEndOffset);
    if (later !== null) return { offset: offset + later.offset, header: later.header };
  }
  return null;
}

/** The intact header that lies right there, of the frame that must follow; null when none does. */
export async function headerAt(
  file: DiskFile,
  offset: number,
  end: number,
  salt: number,
  logEnd: LogEnd,
): Promise<LaterHeader | null> {
  if (end - offset < FRAME_HEADER_BYTES) return null;
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  const count = await readFully(file, bytes, bytes.length, offset);
  const header = new FrameHeader();
  return readFrameHeader(bytes, 0, count, salt, header) && continues(header, logEnd) ? { offset, header } : null;
}

/** Whether all of the frame is intact whose header is. */
export async function isWholeFrame(
  file: DiskFile,
  { offset, header }: LaterHeader,
  end: number,
  salt: number,
): Promise<boolean> {
  const frameEnd = offset + header.length;
  if (frameEnd > end) return false;
  const bytes = Buffer.allocUnsafeSlow(Math.max(FRAME_HEADER_BYTES, Math.min(SEARCH_BYTES, header.length)));
  await readFully(file, bytes, FRAME_HEADER_BYTES, offset);
  const expected = bodyCrcOf(bytes, 0);
  let crc = salt;
  for (let at = offset + FRAME_HEADER_BYTES; at < frameEnd; at += bytes.length) {
    const count = Math.min(bytes.length, frameEnd - at);
    if ((await readFully(file, bytes, count, at)) < count) return false;
    crc = crc32(bytes.subarray(0, count), crc);
  }
  // Of no bytes it is the seed.
  return crc === expected;
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
