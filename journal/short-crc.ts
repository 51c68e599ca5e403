/**
 * zlib.crc32 (CRC-32/IEEE) of a few bytes, such as a frame's header: four at a time with a table for each of them. The call into zlib
 * costs as much for 68 bytes as for 400: 255 ns, and this 79 ns for 68; from about 200 bytes on zlib is faster.
 */
import assert from "node:assert/strict";

const POLYNOMIAL = 0xedb88320;

/** What a byte adds that has 0, 1, 2 and 3 bytes behind it. */
const TABLES = [new Int32Array(256), new Int32Array(256), new Int32Array(256), new Int32Array(256)] as const;
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  TABLES[0][byte] = crc;
}
for (let byte = 0; byte < 256; byte++) {
  for (let behind = 1; behind < 4; behind++) {
    const crc = TABLES[behind - 1][byte];
    TABLES[behind][byte] = (crc >>> 8) ^ TABLES[0][crc & 0xff];
  }
}
const [LAST, THIRD, SECOND, FIRST] = TABLES;

/** Of the bytes from `start` to `end`, whose number is a multiple of four. */
export function shortCrc32(bytes: Uint8Array, start: number, end: number, seed: number): number {
  assert((end - start) % 4 === 0, "four bytes at a time");
  let crc = ~seed;
  for (let i = start; i < end; i += 4) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    crc = FIRST[crc & 0xff] ^ SECOND[(crc >>> 8) & 0xff] ^ THIRD[(crc >>> 16) & 0xff] ^ LAST[crc >>> 24];
  }
  return ~crc >>> 0;
}
