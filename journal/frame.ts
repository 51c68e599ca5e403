/**
 * A frame is the unit that is written, made durable and sent. It counts as a whole or not at all, and is sealed once: its
 * bytes are the same in memory, in every copy and on the wire. Integers are little-endian.
 *
 *   offset  size  field
 *        0     4  length            of the whole frame with this header; 0 means that no frame follows
 *        4     4  kind              0 records, 1 barrier, 2 configuration
 *        8     8  epoch             of the writer that made the frame
 *       16     8  index             ordinal of the frame, from 1, without gaps
 *       24     8  previousEpoch     epoch of the frame at index - 1; 0 for index 1
 *       32     8  previousPosition  position of the last record before the frame
 *       40     8  lastPosition      position of the frame's last record; = previousPosition when it has none
 *       48     8  committed         the writer's committed index when it sealed the frame, < index
 *       56     8  wallMs            the writer's wall clock, Unix ms, 0 when not known; nothing decides by it
 *       64     4  bodyCrc           zlib.crc32 (CRC-32/IEEE) of the body, seeded with the journal's salt
 *       68     4  headerCrc         zlib.crc32 of bytes 0 … 68, seeded with the journal's salt
 *       72     …  body              of records: for each u32 length, bytes; they fill it exactly
 *
 * Two frames of one index and epoch are one frame. A frame of records has one at least, and only such frames move the
 * position. A barrier has no body: it is the first frame of each epoch.
 * The body of a configuration is none of the journal's records.
 *
 * The salt is a random number of each journal. Clients never see it, so no value that a client stores can look like a
 * frame to a reader that searches damaged bytes for one. The header has a checksum of its own, so that such a search
 * looks at 72 bytes of each place and not at a frame.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { FRAME_BYTES_SOFT, RECORD_BYTES_MAX } from "./limits.ts";
import { shortCrc32 } from "./short-crc.ts";

export const FRAME_HEADER_BYTES = 72;
export const RECORD_HEADER_BYTES = 4;
const BODY_CRC_OFFSET = 64;
const HEADER_CRC_OFFSET = 68;

/** Largest frame a reader accepts. */
export const FRAME_BYTES_MAX = Math.max(FRAME_BYTES_SOFT, FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + RECORD_BYTES_MAX);

export const KIND_RECORDS = 0;
export const KIND_BARRIER = 1;
export const KIND_CONFIGURATION = 2;
export type FrameKind = typeof KIND_RECORDS | typeof KIND_BARRIER | typeof KIND_CONFIGURATION;

/** What a frame says of itself. One object is reused for many frames. */
export class FrameHeader {
  length = 0;
  kind: FrameKind = KIND_RECORDS;
  epoch = 0;
  index = 0;
  previousEpoch = 0;
  previousPosition = 0;
  lastPosition = 0;
  committed = 0;
  wallMs = 0;
}

/** Writes the header in front of the body that lies at `frame[72 … header.length)` already. */
export function sealFrame(frame: Buffer, header: FrameHeader, salt: number): void {
  assertSound(frame, header);
  frame.writeUInt32LE(header.length, 0);
  frame.writeUInt32LE(header.kind, 4);
  writeUint64(frame, header.epoch, 8);
  writeUint64(frame, header.index, 16);
  writeUint64(frame, header.previousEpoch, 24);
  writeUint64(frame, header.previousPosition, 32);
  writeUint64(frame, header.lastPosition, 40);
  writeUint64(frame, header.committed, 48);
  writeUint64(frame, header.wallMs, 56);
  frame.writeUInt32LE(crc32(frame.subarray(FRAME_HEADER_BYTES, header.length), salt), BODY_CRC_OFFSET);
  frame.writeUInt32LE(shortCrc32(frame, 0, HEADER_CRC_OFFSET, salt), HEADER_CRC_OFFSET);
}

/** What `readFrame` refuses is never written: such a frame would be damage at the next open, and all behind it lost. */
function assertSound(frame: Buffer, header: FrameHeader): void {
  const recordCount = header.lastPosition - header.previousPosition;
  assert(header.length >= FRAME_HEADER_BYTES, "a frame has a header");
  assert(header.length <= frame.length, "a frame lies within its bytes");
  assert(header.length <= FRAME_BYTES_MAX, "a frame is no larger than readers accept");
  if (header.length > FRAME_BYTES_SOFT) assert(recordCount === 1, "only a single record makes a large frame");
  assert(recordCount >= 0, "positions only grow");
  assert(header.index >= 1, "indexes count from 1");
  assert(header.epoch >= 1, "epochs count from 1");
  assert(header.previousEpoch <= header.epoch, "epochs only grow");
  assert((header.index === 1) === (header.previousEpoch === 0), "all frames but the first follow one of some epoch");
  if (header.index === 1) assert(header.previousPosition === 0, "no record precedes the first frame");
  assert(header.committed < header.index, "a frame does not commit itself");
  if (header.kind === KIND_RECORDS) {
    assert(recordCount >= 1, "a frame of records has one");
    assert(recordsFill(frame, FRAME_HEADER_BYTES, header.length, recordCount), "the records fill their frame");
  } else {
    assert(recordCount === 0, "only a frame of records moves the position");
    if (header.kind === KIND_BARRIER) assert(header.length === FRAME_HEADER_BYTES, "a barrier has no body");
    else assert(header.kind === KIND_CONFIGURATION, "a frame is of a kind that readers know");
  }
}

/** Reads the header of a frame that is known to be intact. */
export function parseFrameHeader(frame: Buffer, header: FrameHeader): void {
  parseHeader(frame, 0, header);
}

/** The checksum of its body that the frame at `offset` tells. */
export function bodyCrcOf(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset + BODY_CRC_OFFSET);
}

/**
 * Reads the frame at `offset` into `header`, with all checks that need no knowledge of other frames.
 *
 * @returns false when the bytes from `offset` to `end` do not begin with an intact frame; `header` is then worthless
 */
export function readFrame(bytes: Buffer, offset: number, end: number, salt: number, header: FrameHeader): boolean {
  if (!readFrameHeader(bytes, offset, end, salt, header) || header.length > end - offset) return false;
  const start = offset + FRAME_HEADER_BYTES;
  const frameEnd = offset + header.length;
  if (crc32(bytes.subarray(start, frameEnd), salt) !== bytes.readUInt32LE(offset + BODY_CRC_OFFSET)) return false;
  if (header.kind !== KIND_RECORDS) return true;
  return recordsFill(bytes, start, frameEnd, header.lastPosition - header.previousPosition);
}

/**
 * Reads the header of the frame at `offset`, with its own checks. Its body may be damaged, or reach beyond `end`.
 *
 * @returns false when the bytes from `offset` to `end` do not begin with an intact header; `header` is then worthless
 */
export function readFrameHeader(
  bytes: Buffer,
  offset: number,
  end: number,
  salt: number,
  header: FrameHeader,
): boolean {
  if (end - offset < FRAME_HEADER_BYTES) return false;
  // Cheap relations first: they turn away nearly every run of other bytes before the checksum is computed.
  const length = bytes.readUInt32LE(offset);
  if (length < FRAME_HEADER_BYTES || length > FRAME_BYTES_MAX) return false;
  if (bytes.readUInt32LE(offset + 4) > KIND_CONFIGURATION) return false;
  parseHeader(bytes, offset, header);
  if (!isSound(header)) return false;
  const crc = shortCrc32(bytes, offset, offset + HEADER_CRC_OFFSET, salt);
  return crc === bytes.readUInt32LE(offset + HEADER_CRC_OFFSET);
}

function isSound(header: FrameHeader): boolean {
  const { kind, epoch, index, previousEpoch, previousPosition, lastPosition, committed } = header;
  if (index < 1 || index > Number.MAX_SAFE_INTEGER || epoch < 1 || epoch > Number.MAX_SAFE_INTEGER) return false;
  if (previousEpoch > epoch || (previousEpoch === 0) !== (index === 1) || committed >= index) return false;
  if (lastPosition > Number.MAX_SAFE_INTEGER || (index === 1 && previousPosition > 0)) return false;
  const bodyBytes = header.length - FRAME_HEADER_BYTES;
  const recordCount = lastPosition - previousPosition;
  if (kind === KIND_RECORDS) return recordCount >= 1 && recordCount <= bodyBytes / RECORD_HEADER_BYTES;
  return recordCount === 0 && (kind !== KIND_BARRIER || bodyBytes === 0);
}

function parseHeader(bytes: Buffer, offset: number, header: FrameHeader): void {
  header.length = bytes.readUInt32LE(offset);
  // Of another kind is no intact frame.
  header.kind = bytes.readUInt32LE(offset + 4) as FrameKind;
  header.epoch = readUint64(bytes, offset + 8);
  header.index = readUint64(bytes, offset + 16);
  header.previousEpoch = readUint64(bytes, offset + 24);
  header.previousPosition = readUint64(bytes, offset + 32);
  header.lastPosition = readUint64(bytes, offset + 40);
  header.committed = readUint64(bytes, offset + 48);
  header.wallMs = readUint64(bytes, offset + 56);
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
