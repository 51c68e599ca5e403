/**
 * A segment is one file of the journal: a header block of 4 KiB, then frames without gaps, then zeros to its end. Its
 * name is the index of its first frame in 16 hex digits, so the names sort as the frames do. Integers are little-endian.
 *
 *   offset  size  field
 *        0     8  magic          "plinth-j"
 *        8     4  version        of the format: 3
 *       12     4  salt           seed of the frame checksums, the same in all segments of a journal
 *       16    16  clusterId
 *       32     8  number         1 for the log's first segment, then one more each
 *       40     8  firstIndex     of the first frame the segment holds or will hold
 *       48     8  firstPosition  of the first record the segment holds or will hold
 *       56     8  previousEpoch  epoch of the last frame before the segment, 0 when there is none
 *       64     4  crc            zlib.crc32 of bytes 0 … 64
 *       68     …  zeros          to 4096
 *
 * The header is durable before the file gets its name, so a file with that name always had an intact one.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { basename } from "node:path";
import { readUint64, writeUint64 } from "../frame.ts";
import { JournalError } from "../journal.ts";
import { corrupt } from "../journal-errors.ts";

export const FORMAT_VERSION = 3;
export const SEGMENT_HEADER_BYTES = 4096;
const CRC_OFFSET = 64;
const MAGIC = Buffer.from("plinth-j", "latin1");
const CLUSTER_ID_PATTERN = /^[0-9a-f]{32}$/;
const NAME_PATTERN = /^[0-9a-f]{16}\.seg$/;

/** The next segment while it is prepared. It is worth nothing: an open removes it. */
export const UNNAMED_SEGMENT = "next-segment.tmp";

export interface SegmentHeader {
  readonly salt: number;
  /** 32 lower-case hex digits. */
  readonly clusterId: string;
  readonly number: number;
  readonly firstIndex: number;
  readonly firstPosition: number;
  readonly previousEpoch: number;
}

/** A segment of an open journal. The last one's `lastIndex`, `lastPosition` and `end` change. */
export interface Segment extends SegmentHeader {
  readonly path: string;
  /** Index of its last durable frame; firstIndex - 1 when it has none. */
  lastIndex: number;
  /** Position of the last durable record in it; firstPosition - 1 when it has none. */
  lastPosition: number;
  /** Offset behind its last durable frame. */
  end: number;
}

/** A segment that has no frame yet. */
export function emptySegment(header: SegmentHeader, path: string): Segment {
  const { firstIndex, firstPosition } = header;
  return { ...header, path, lastIndex: firstIndex - 1, lastPosition: firstPosition - 1, end: SEGMENT_HEADER_BYTES };
}

export function segmentName(firstIndex: number): string {
  assert(Number.isSafeInteger(firstIndex), "an index is a whole number");
  assert(firstIndex >= 0, "an index is not negative");
  return `${firstIndex.toString(16).padStart(16, "0")}.seg`;
}

/** What the path of a segment says. */
export function firstIndexOf(path: string): number {
  return Number.parseInt(basename(path), 16);
}

export function isSegmentName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  assert(header.number >= 1, "segments are numbered from 1");
  assert(header.firstIndex >= header.number, "each segment before holds a frame");
  assert(header.firstPosition >= 1, "positions count from 1");
  if (header.firstIndex === 1) assert(header.firstPosition === 1, "a journal begins with record 1");
  assert((header.firstIndex === 1) === (header.previousEpoch === 0), "a segment follows frames of some epoch");
  assert(CLUSTER_ID_PATTERN.test(header.clusterId), "a cluster id is 32 lower-case hex digits");
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(FORMAT_VERSION, 8);
  bytes.writeUInt32LE(header.salt, 12);
  bytes.write(header.clusterId, 16, 16, "hex");
  writeUint64(bytes, header.number, 32);
  writeUint64(bytes, header.firstIndex, 40);
  writeUint64(bytes, header.firstPosition, 48);
  writeUint64(bytes, header.previousEpoch, 56);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_OFFSET)), CRC_OFFSET);
  return bytes;
}

/**
 * Reads and checks the header block of the segment file at `path`.
 *
 * @throws JournalError `ERR_JOURNAL_FORMAT` when another version of the format wrote it, `ERR_JOURNAL_CORRUPT` when it
 *   is damaged or does not belong to a file of that name
 */
export function decodeSegmentHeader(bytes: Buffer, path: string): SegmentHeader {
  if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw corrupt(path, 0, "not the header of a journal segment");
  }
  // Before the checksum, whose place and extent belong to the version.
  const version = bytes.readUInt32LE(8);
  if (version !== FORMAT_VERSION) {
    // A header of another version has not the checksum of one of this version.
    const ours = Buffer.from(bytes.subarray(0, CRC_OFFSET));
    ours.writeUInt32LE(FORMAT_VERSION, 8);
    if (crc32(ours) === bytes.readUInt32LE(CRC_OFFSET)) throw corrupt(path, 8, "the version of the format is damaged");
    const text = `${path}: journal format version ${version}, this program supports version ${FORMAT_VERSION}`;
    throw new JournalError("ERR_JOURNAL_FORMAT", text);
  }
  if (crc32(bytes.subarray(0, CRC_OFFSET)) !== bytes.readUInt32LE(CRC_OFFSET)) {
    throw corrupt(path, 0, "the segment header fails its checksum");
  }
  const header: SegmentHeader = {
    salt: bytes.readUInt32LE(12),
    clusterId: bytes.toString("hex", 16, 32),
    number: readUint64(bytes, 32),
    firstIndex: readUint64(bytes, 40),
    firstPosition: readUint64(bytes, 48),
    previousEpoch: readUint64(bytes, 56),
  };
  if (!Number.isSafeInteger(header.firstIndex) || segmentName(header.firstIndex) !== basename(path)) {
    throw corrupt(path, 40, `the segment begins with frame ${header.firstIndex}, its name says otherwise`);
  }
  return header;
}
