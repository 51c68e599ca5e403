/**
 * A frame is the unit that is written, made durable and sent: records of one epoch that follow one another. It counts as a
 * whole or not at all. Integers are little-endian.
 *
 *   offset  size  field
 *        0     4  length            of the whole frame with this header; 0 means that no frame follows
 *        4     4  crc               zlib.crc32 (CRC-32/IEEE) of bytes 8 … length, seeded with the journal's salt
 *        8     8  epoch             of the writer that made the frame
 *       16     8  previousPosition  position of the last record before the frame
 *       24     8  previousEpoch     epoch of the frame before
 *       32     8  lastPosition      position of the frame's last record; = previousPosition when it has none
 *       40     8  committed         the writer's committed position when it sent the frame, <= previousPosition
 *       48     …  records           lastPosition - previousPosition times: u32 length, bytes
 *
 * A frame without records is a barrier: the first of each epoch, and the last of a journal that was closed in order.
 *
 * The salt is a random number of each journal. Clients never see it, so no value that a client stores can look like a
 * frame to a reader that searches damaged bytes for one.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { FRAME_BYTES_SOFT, RECORD_BYTES_MAX } from "./limits.ts";

export const FRAME_HEADER_BYTES = 48;
export const RECORD_HEADER_BYTES = 4;

/** Largest frame a reader accepts. */
export const FRAME_BYTES_MAX = Math.max(FRAME_BYTES_SOFT, FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + RECORD_BYTES_MAX);

/** What a frame says of itself. One object is reused for many frames. */
export class FrameHeader {
  length = 0;
  epoch = 0;
  previousPosition = 0;
  previousEpoch = 0;
  lastPosition = 0;
  committed = 0;
}

/** Writes the header in front of the records that lie at `frame[48 … header.length)` already. */
export function writeFrameHeader(frame: Buffer, header: FrameHeader, salt: number): void {
  assertSound(frame, header);
  frame.writeUInt32LE(header.length, 0);
  writeUint64(frame, header.epoch, 8);
  writeUint64(frame, header.previousPosition, 16);
  writeUint64(frame, header.previousEpoch, 24);
  writeUint64(frame, header.lastPosition, 32);
  writeUint64(frame, header.committed, 40);
  frame.writeUInt32LE(crc32(frame.subarray(8, header.length), salt), 4);
}

/** What `readFrame` refuses is never written: such a frame would be damage at the next open, and all behind it lost. */
function assertSound(frame: Buffer, header: FrameHeader): void {
  const recordCount = header.lastPosition - header.previousPosition;
  assert(header.length >= FRAME_HEADER_BYTES, "a frame has a header");
  assert(header.length <= frame.length, "a frame lies within its bytes");
  assert(header.length <= FRAME_BYTES_MAX, "a frame is no larger than readers accept");
  if (header.length > FRAME_BYTES_SOFT) assert(recordCount === 1, "only a single record makes a large frame");
  assert(recordCount >= 0, "positions only grow");
  assert(header.previousEpoch <= header.epoch, "epochs only grow");
  assert(header.committed <= header.previousPosition, "a frame does not commit its own records");
  assert(recordsFill(frame, FRAME_HEADER_BYTES, header.length, recordCount), "the records fill their frame");
}

/**
 * Reads the frame at `offset` into `header`, with all checks that need no knowledge of other frames.
 *
 * @returns false when the bytes from `offset` to `end` do not begin with an intact frame; `header` is then worthless
 */
export function readFrame(bytes: Buffer, offset: number, end: number, salt: number, header: FrameHeader): boolean {
  if (end - offset < FRAME_HEADER_BYTES) return false;
  header.length = bytes.readUInt32LE(offset);
  if (header.length < FRAME_HEADER_BYTES || header.length > FRAME_BYTES_MAX || header.length > end - offset)
    return false;
  header.epoch = readUint64(bytes, offset + 8);
  header.previousPosition = readUint64(bytes, offset + 16);
  header.previousEpoch = readUint64(bytes, offset + 24);
  header.lastPosition = readUint64(bytes, offset + 32);
  header.committed = readUint64(bytes, offset + 40);
  // Cheap relations first: they turn away nearly every run of other bytes before the checksum is computed.
  if (header.previousEpoch > header.epoch || header.committed > header.previousPosition) return false;
  if (header.lastPosition < header.previousPosition || header.lastPosition > Number.MAX_SAFE_INTEGER) return false;
  const recordCount = header.lastPosition - header.previousPosition;
  if (recordCount > (header.length - FRAME_HEADER_BYTES) / RECORD_HEADER_BYTES) return false;
  const crc = crc32(bytes.subarray(offset + 8, offset + header.length), salt);
  if (crc !== bytes.readUInt32LE(offset + 4)) return false;
  return recordsFill(bytes, offset + FRAME_HEADER_BYTES, offset + header.length, recordCount);
}

function recordsFill(bytes: Buffer, start: number, end: number, count: number): boolean {
  let offset = start;
  for (let i = 0; i < count; i++) {
    if (end - offset < RECORD_HEADER_BYTES) return false;
    offset += RECORD_HEADER_BYTES + bytes.readUInt32LE(offset);
  }
  return offset === end;
}

/** Two halves instead of a BigInt, which costs an allocation; exact up to 2^53. */
export function writeUint64(bytes: Buffer, value: number, offset: number): void {
  assert(Number.isSafeInteger(value), "a count is a whole number that a double holds exactly");
  assert(value >= 0, "a count is not negative");
  bytes.writeUInt32LE(value % 0x1_0000_0000, offset);
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
}

/** The value as a number: beyond 2^53 it is inexact, and larger than any valid one. */
export function readUint64(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * 0x1_0000_0000;
}
