/**
 * What the bytes of a bbolt file mean. All numbers are little endian; page n lies at n times the page size.
 *
 *     page header    0  own number, u64; 0 in an inline page
 *                    8  flags, u16: 1 branch, 2 leaf, 4 meta, 16 freelist
 *                   10  elements, u16
 *                   12  overflow, u32: further pages that belong to this one and have no header
 *
 *     meta           16 magic, 20 version, 24 page size, 28 flags: u32 each       pages 0 and 1
 *                   32  page of the root bucket, 40 its sequence: u64
 *                   48  page of the freelist, u64; all ones when none is stored
 *                   56  pages of the file, u64
 *                   64  transaction, u64: of two good metas that with the higher one counts
 *                   72  FNV-1a 64 of the bytes 16 to 72
 *
 *     leaf element    0  flags (1: the value is a bucket), 4 position, 8 key bytes, 12 value bytes: u32 each
 *     branch element  0  position, 4 key bytes: u32 each, 8 page of the child, u64
 *
 * A position counts from the start of its own element. Keys and values follow the elements in the same order, without gaps.
 *
 *     bucket          0  page of its root, u64; 0 when its only leaf is inline
 *                     8  sequence, u64
 *                    16  the inline leaf
 */
import type { Buffer } from "node:buffer";

export const PAGE_HEADER_BYTES = 16;
export const ELEMENT_BYTES = 16;
export const BUCKET_BYTES = 16;
export const META_END = 80;

export const BRANCH = 1;
export const LEAF = 2;
export const META = 4;

/** Of a leaf's element. */
export const IS_BUCKET = 1;

export const MAGIC = 0xed0cdaed;
export const VERSION = 2;

/** The first page that is no meta. */
export const FIRST_PAGE = 2;

export const PAGE_BYTES_MIN = 1024;
export const PAGE_BYTES_MAX = 16 * 1024 * 1024;

export const KEY_BYTES_MAX = 32_768;

/** A bucket is inline up to this share of a page. */
export const INLINE_SHARE = 1 / 4;

const CHECKED_FROM = 16;
export const CHECKSUM_AT = 72;

const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;

/** The checksum of a meta page. */
export function metaChecksum(page: Buffer): bigint {
  let sum = FNV_OFFSET;
  for (let at = CHECKED_FROM; at < CHECKSUM_AT; at++) sum = BigInt.asUintN(64, (sum ^ BigInt(page[at])) * FNV_PRIME);
  return sum;
}

/** A u64 as a number: the nearest double beyond 2^53. */
export function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

export function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 2 ** 32, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}
