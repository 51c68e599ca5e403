/**
 * The mark of a snapshot: a snapshot exists when its mark does. It says what the file is, byte by byte, so that plain reads
 * can tell before anybody maps it; and enough to choose one without a look at the file. Little endian:
 *
 *     offset  bytes
 *        0      8    "plinth-s"
 *        8      4    format version
 *       12      4    number of sums
 *       16      8    journal position
 *       24     16    cluster id
 *       40      8    wall clock, Unix ms
 *       48      8    records
 *       56      8    their bytes, not compressed
 *       64      8    length of the file
 *       72     32    digest of the chunks
 *      104      4    for each sum: crc32 of 4 MiB of the file, of the last one of what is left
 *        …      4    crc32 of all before
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { SUM_BYTES } from "./limits.ts";
import { corrupt, otherFormat } from "./snapshot-error.ts";

export const FORMAT_VERSION = 1;

const MAGIC = "plinth-s";
const VERSION = 8;
const SUMS = 12;
const POSITION = 16;
const CLUSTER = 24;
const CLUSTER_BYTES = 16;
const WALL_MS = 40;
const RECORDS = 48;
const RECORD_BYTES = 56;
const FILE_BYTES = 64;
const DIGEST = 72;
const DIGEST_BYTES = 32;
const FIXED_BYTES = 104;
const WORD = 4;

export interface SnapshotInfo {
  /** It holds all that the journal's records up to this one have done. */
  readonly position: number;
  /** 32 hex digits. */
  readonly clusterId: string;
  /** When it was completed, Unix ms. For people. */
  readonly wallMs: number;
  readonly records: number;
  /** Of the records with their lengths, not compressed. */
  readonly recordBytes: number;
  readonly fileBytes: number;
  /** Of all chunks in their order, as 64 hex digits: the same for files with the same chunks. */
  readonly digest: string;
}

export interface SnapshotMark {
  readonly info: SnapshotInfo;
  readonly sums: Uint32Array;
}

export function encodeMark({ info, sums }: SnapshotMark): Buffer {
  assert(sums.length === sumsOf(info.fileBytes), "a mark has a sum for each part of its file");
  const bytes = Buffer.alloc(FIXED_BYTES + (sums.length + 1) * WORD);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(FORMAT_VERSION, VERSION);
  bytes.writeUInt32LE(sums.length, SUMS);
  writeNumber(bytes, info.position, POSITION);
  bytes.set(bytesOfHex(info.clusterId, CLUSTER_BYTES), CLUSTER);
  writeNumber(bytes, info.wallMs, WALL_MS);
  writeNumber(bytes, info.records, RECORDS);
  writeNumber(bytes, info.recordBytes, RECORD_BYTES);
  writeNumber(bytes, info.fileBytes, FILE_BYTES);
  bytes.set(bytesOfHex(info.digest, DIGEST_BYTES), DIGEST);
  sums.forEach((sum, index) => bytes.writeUInt32LE(sum, FIXED_BYTES + index * WORD));
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -WORD)), bytes.length - WORD);
  return bytes;
}

/** @throws SnapshotError `ERR_SNAPSHOT_FORMAT` or `ERR_SNAPSHOT_CORRUPT` */
export function decodeMark(path: string, bytes: Buffer): SnapshotMark {
  const refuse = (what: string): Error => corrupt(path, "as a whole", what);
  if (bytes.length < VERSION + WORD || bytes.toString("latin1", 0, VERSION) !== MAGIC) throw refuse("it is no mark");
  const version = bytes.readUInt32LE(VERSION);
  // A mark that is damaged in its version looks like one of another format: refused it is in either case.
  if (version !== FORMAT_VERSION) throw otherFormat(path, version, FORMAT_VERSION);
  if (bytes.length < FIXED_BYTES + WORD) throw refuse("it is cut off");
  if (bytes.readUInt32LE(bytes.length - WORD) !== crc32(bytes.subarray(0, -WORD)))
    throw refuse("its checksum is wrong");
  const info = {
    position: readNumber(bytes, POSITION),
    clusterId: bytes.toString("hex", CLUSTER, CLUSTER + CLUSTER_BYTES),
    wallMs: readNumber(bytes, WALL_MS),
    records: readNumber(bytes, RECORDS),
    recordBytes: readNumber(bytes, RECORD_BYTES),
    fileBytes: readNumber(bytes, FILE_BYTES),
    digest: bytes.toString("hex", DIGEST, DIGEST + DIGEST_BYTES),
  };
  const count = bytes.readUInt32LE(SUMS);
  if (bytes.length !== FIXED_BYTES + (count + 1) * WORD) throw refuse("it has another number of sums");
  if (count !== sumsOf(info.fileBytes)) throw refuse("its sums are not those of the file's length");
  const sums = Uint32Array.from({ length: count }, (_, index) => bytes.readUInt32LE(FIXED_BYTES + index * WORD));
  return { info, sums };
}

export function sumsOf(fileBytes: number): number {
  return Math.ceil(fileBytes / SUM_BYTES);
}

function writeNumber(bytes: Buffer, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "what a mark tells are whole numbers");
  bytes.writeBigUInt64LE(BigInt(value), at);
}

function readNumber(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function bytesOfHex(hex: string, length: number): Buffer {
  const bytes = Buffer.from(hex, "hex");
  assert(bytes.length === length && hex.length === 2 * length, "an id or digest has its full length");
  return bytes;
}
