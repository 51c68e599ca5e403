/**
 * A chunk: records that follow one another, with a header that says which they are and whether they are intact. It knows
 * neither the file that it lies in nor what a record is. Little endian:
 *
 *     offset  bytes
 *        0      4    length of the chunk as it lies here, header included
 *        4      4    count of records, 0 in the contents
 *        8      4    ordinal: 1, 2, 3 …; 0 is that of the contents
 *       12      4    flags: 1 the body is compressed with zstd
 *       16      4    length of the body, not compressed
 *       20      4    crc32 of bytes 0 … 20 and of the body as it lies here
 *       24           the body: for each record u32 length, bytes; they fill it exactly
 */
import assert from "node:assert/strict";
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { COMPRESSED_SHARE_MAX, CONTENTS_BYTES_MAX, RECORD_BYTES_MAX } from "./limits.ts";
import { corrupt } from "./snapshot-error.ts";

export const CHUNK_HEADER_BYTES = 24;
export const RECORD_LENGTH_BYTES = 4;

/** The ordinal of what is said about all chunks; those with records follow it. */
export const CONTENTS_ORDINAL = 0;

const LENGTH = 0;
const COUNT = 4;
const ORDINAL = 8;
const FLAGS = 12;
const BODY_BYTES = 16;
const CRC = 20;

const COMPRESSED = 1;

const BODY_BYTES_MAX = Math.max(RECORD_LENGTH_BYTES + RECORD_BYTES_MAX, CONTENTS_BYTES_MAX);
const ZSTD_LEVEL = { [constants.ZSTD_c_compressionLevel]: 1 };

export interface Chunk {
  readonly ordinal: number;
  readonly count: number;
  /** Its records, each with its length in front. Valid as long as who gave it says. */
  readonly body: Buffer;
}

/**
 * Makes a chunk of a body that lies behind room for the header. What comes back is the same bytes, or others where it was
 * compressed.
 */
export function sealChunk(chunk: Buffer, ordinal: number, count: number, mayCompress: boolean): Buffer {
  const body = chunk.subarray(CHUNK_HEADER_BYTES);
  assert(body.length <= BODY_BYTES_MAX, "a chunk has a limit");
  assert(ordinal === CONTENTS_ORDINAL || holdsRecords(body, count), "the records of a chunk fill it exactly");
  const compressed = mayCompress ? compress(body) : null;
  const sealed = compressed === null ? chunk : Buffer.concat([chunk.subarray(0, CHUNK_HEADER_BYTES), compressed]);
  sealed.writeUInt32LE(sealed.length, LENGTH);
  sealed.writeUInt32LE(count, COUNT);
  sealed.writeUInt32LE(ordinal, ORDINAL);
  sealed.writeUInt32LE(compressed === null ? 0 : COMPRESSED, FLAGS);
  sealed.writeUInt32LE(body.length, BODY_BYTES);
  sealed.writeUInt32LE(crcOf(sealed), CRC);
  return sealed;
}

/**
 * Looks at every byte of a chunk that was read. Its body is a view of those, or memory of its own.
 *
 * @throws SnapshotError `ERR_SNAPSHOT_CORRUPT`
 */
export function openChunk(path: string, bytes: Buffer, ordinal: number): Chunk {
  const refuse = (what: string): Error => corrupt(path, `chunk ${ordinal}`, what);
  if (bytes.length < CHUNK_HEADER_BYTES) throw refuse("it is shorter than a header");
  if (bytes.readUInt32LE(LENGTH) !== bytes.length) throw refuse("its length is another one");
  if (bytes.readUInt32LE(CRC) !== crcOf(bytes)) throw refuse("its checksum is wrong");
  if (bytes.readUInt32LE(ORDINAL) !== ordinal) throw refuse("it is another chunk");
  const flags = bytes.readUInt32LE(FLAGS);
  if ((flags & ~COMPRESSED) !== 0) throw refuse("it has flags that this version does not know");
  const bodyBytes = bytes.readUInt32LE(BODY_BYTES);
  if (bodyBytes > BODY_BYTES_MAX) throw refuse("its body is beyond the limit");
  const stored = bytes.subarray(CHUNK_HEADER_BYTES, bytes.length);
  const body = (flags & COMPRESSED) === 0 ? stored : decompress(stored, bodyBytes);
  if (body?.length !== bodyBytes) throw refuse("its body has another length");
  const count = bytes.readUInt32LE(COUNT);
  if (ordinal !== CONTENTS_ORDINAL && !holdsRecords(body, count)) throw refuse("its records do not fill it");
  return { ordinal, count, body };
}

/** Each record of a chunk, as a view of its body. */
export function* recordsOf(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length;) {
    const start = at + RECORD_LENGTH_BYTES;
    at = start + body.readUInt32LE(at);
    yield body.subarray(start, at);
  }
}

/** The header of a sealed chunk, which has a checksum of all the rest. */
export function headerOf(sealed: Buffer): Buffer {
  return sealed.subarray(0, CHUNK_HEADER_BYTES);
}

function holdsRecords(body: Buffer, count: number): boolean {
  let at = 0;
  let found = 0;
  while (at + RECORD_LENGTH_BYTES <= body.length) {
    const bytes = body.readUInt32LE(at);
    if (bytes > RECORD_BYTES_MAX) return false;
    at += RECORD_LENGTH_BYTES + bytes;
    found++;
  }
  return at === body.length && found === count && found > 0;
}

function crcOf(chunk: Buffer): number {
  return crc32(chunk.subarray(CHUNK_HEADER_BYTES, chunk.length), crc32(chunk.subarray(0, CRC)));
}

/** Null where that leaves too much. */
function compress(body: Buffer): Buffer | null {
  const compressed = zstdCompressSync(body, { params: ZSTD_LEVEL });
  return compressed.length <= body.length * COMPRESSED_SHARE_MAX ? compressed : null;
}

/** Null where it is not what zstd wrote, or not of that length: what is allocated is no more than the header says. */
function decompress(stored: Buffer, bodyBytes: number): Buffer | null {
  try {
    return zstdDecompressSync(stored, { maxOutputLength: Math.max(1, bodyBytes), chunkSize: Math.max(64, bodyBytes) });
  } catch {
    return null;
  }
}
