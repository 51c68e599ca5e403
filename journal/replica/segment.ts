/**
 * A segment is one file of the journal: a header block of 4 KiB, then frames without gaps, then zeros to its end. Its
 * name is the position of its first record in 16 hex digits, so the names sort as the records do. Integers are
 * little-endian.
 *
 *   offset  size  field
 *        0     8  magic          "plinth-j"
 *        8     4  version        of the format: 2 when it may hold a frame that version 1 has not, else 1
 *       12     4  salt           seed of the frame checksums, the same in all segments of a journal
 *       16    16  clusterId
 *       32     8  number         1 for the journal's first segment, then one more each
 *       40     8  firstPosition  of the first record the segment holds or will hold
 *       48     8  previousEpoch  epoch of the last frame before the segment, 0 when there is none
 *       56     4  zero
 *       60     4  crc            zlib.crc32 of bytes 0 … 60
 *       64     …  zeros          to 4096
 *
 * The header is durable before the file gets its name, so a file with that name always had an intact one.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { basename } from "node:path";
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, readUint64, RECORD_HEADER_BYTES, writeUint64 } from "../frame.ts";
import { JournalError } from "../journal.ts";
import { corrupt } from "../journal-errors.ts";
import { RECORD_BYTES_MAX_V1 } from "../limits.ts";

/** Version 2 is version 1 with frames of up to `FRAME_BYTES_MAX`. */
export type FormatVersion = 1 | 2;
const VERSION_MAX: FormatVersion = 2;
export const SEGMENT_HEADER_BYTES = 4096;
/** All of the header that is not zero lies in the first of its sectors, which disks write as a whole or not at all. */
export const SEGMENT_SECTOR_BYTES = 512;
const CRC_OFFSET = 60;
const MAGIC = Buffer.from("plinth-j", "latin1");
const CLUSTER_ID_PATTERN = /^[0-9a-f]{32}$/;
const NAME_PATTERN = /^[0-9a-f]{16}\.seg$/;

/** The next segment while it is prepared. It is worth nothing: an open removes it. */
export const UNNAMED_SEGMENT = "next-segment.tmp";

export interface SegmentHeader {
  readonly version: FormatVersion;
  readonly salt: number;
  /** 32 lower-case hex digits. */
  readonly clusterId: string;
  readonly number: number;
  readonly firstPosition: number;
  readonly previousEpoch: number;
}

/** A segment of an open journal. The last one's `lastPosition` and `end` grow. */
export interface Segment extends SegmentHeader {
  version: FormatVersion;
  readonly path: string;
  /** Position of its last durable record; firstPosition - 1 when it has none. */
  lastPosition: number;
  /** Offset behind its last durable frame. */
  end: number;
}

/** The oldest version whose segments take a frame of this length: programs that know no later one read on. */
export function versionFor(frameBytes: number): FormatVersion {
  return frameBytes <= frameBytesMax(1) ? 1 : VERSION_MAX;
}

/** Largest frame of a segment. */
export function frameBytesMax(version: FormatVersion): number {
  return version === 1 ? FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + RECORD_BYTES_MAX_V1 : FRAME_BYTES_MAX;
}

export function segmentName(firstPosition: number): string {
  assert(Number.isSafeInteger(firstPosition), "a position is a whole number");
  assert(firstPosition >= 0, "a position is not negative");
  return `${firstPosition.toString(16).padStart(16, "0")}.seg`;
}

export function isSegmentName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  assert(header.number >= 1, "segments are numbered from 1");
  assert(header.firstPosition >= 1, "positions count from 1");
  if (header.number === 1) assert(header.firstPosition === 1, "a journal begins with record 1");
  if (header.number === 1) assert(header.previousEpoch === 0, "no epoch precedes the first segment");
  if (header.number > 1) assert(header.previousEpoch > 0, "a segment follows frames of some epoch");
  assert(CLUSTER_ID_PATTERN.test(header.clusterId), "a cluster id is 32 lower-case hex digits");
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(header.version, 8);
  bytes.writeUInt32LE(header.salt, 12);
  bytes.write(header.clusterId, 16, 16, "hex");
  writeUint64(bytes, header.number, 32);
  writeUint64(bytes, header.firstPosition, 40);
  writeUint64(bytes, header.previousEpoch, 48);
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
  if (version !== 1 && version !== VERSION_MAX) {
    const text = `${path}: journal format version ${version}, this program supports versions up to ${VERSION_MAX}`;
    throw new JournalError("ERR_JOURNAL_FORMAT", text);
  }
  if (crc32(bytes.subarray(0, CRC_OFFSET)) !== bytes.readUInt32LE(CRC_OFFSET)) {
    throw corrupt(path, 0, "the segment header fails its checksum");
  }
  const header: SegmentHeader = {
    version,
    salt: bytes.readUInt32LE(12),
    clusterId: bytes.toString("hex", 16, 32),
    number: readUint64(bytes, 32),
    firstPosition: readUint64(bytes, 40),
    previousEpoch: readUint64(bytes, 48),
  };
  if (!Number.isSafeInteger(header.firstPosition) || segmentName(header.firstPosition) !== basename(path)) {
    throw corrupt(path, 40, `the segment begins with record ${header.firstPosition}, its name says otherwise`);
  }
  return header;
}
