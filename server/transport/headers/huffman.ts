/**
 * The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B).
 *
 * The code is canonical: the lengths of the symbols' codes determine the codes. Decoding walks tables of 256 entries, one
 * byte of input at a time: an entry is either a symbol with the number of bits it used, or the next table.
 */

import assert from "node:assert/strict";

const EOS = 256;

/** The length in bits of the code of each octet, and at the end of the end-of-string symbol. */
// prettier-ignore
const CODE_LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];

/** The code of each symbol, right aligned. */
const CODES = canonicalCodes(CODE_LENGTHS);

/**
 * Tables of 256 entries one after the other; the first is the root. An entry >= 0 is a symbol: bits used << 9 | symbol.
 * An entry < 0 is the negated offset of the next table.
 */
const TABLES = decodingTables();

/**
 * Decodes the octets [start, end) of `source` into `target`.
 *
 * @param target must hold 8/5 of the input, as the shortest code has 5 bits
 * @returns the number of octets written, or -1 when the input holds the end-of-string symbol or a wrong padding
 */
export function huffmanDecode(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let accumulator = 0;
  let bits = 0;
  let table = 0;
  let length = 0;
  for (let i = start; i < end; i++) {
    accumulator = ((accumulator & 0xff) << 8) | source[i];
    bits += 8;
    // At most 15 bits are held here: fewer than 8 from before, and 8 new ones.
    while (bits >= 8) {
      const entry = TABLES[table + ((accumulator >>> (bits - 8)) & 0xff)];
      if (entry < 0) {
        table = -entry;
        bits -= 8;
      } else {
        const symbol = entry & 0x1ff;
        if (symbol === EOS) return -1;
        target[length++] = symbol;
        bits -= entry >>> 9;
        table = 0;
      }
    }
  }
  while (bits > 0) {
    const entry = TABLES[table + ((accumulator << (8 - bits)) & 0xff)];
    if (entry < 0 || entry >>> 9 > bits) break;
    const symbol = entry & 0x1ff;
    if (symbol === EOS) return -1;
    target[length++] = symbol;
    bits -= entry >>> 9;
    table = 0;
  }
  // What remains is padding: at most 7 bits, all ones. A table other than the root means more than 7 bits.
  const ones = (1 << bits) - 1;
  return table === 0 && (accumulator & ones) === ones ? length : -1;
}

/** The Huffman form of the octets of `source`, padded with ones. Used where a client or a test writes headers. */
export function huffmanEncode(source: Uint8Array): Buffer {
  const target: number[] = [];
  let accumulator = 0n;
  let bits = 0n;
  for (const octet of source) {
    const length = BigInt(CODE_LENGTHS[octet]);
    accumulator = (accumulator << length) | BigInt(CODES[octet]);
    bits += length;
    while (bits >= 8n) {
      bits -= 8n;
      target.push(Number((accumulator >> bits) & 0xffn));
    }
    accumulator &= (1n << bits) - 1n;
  }
  if (bits > 0n) target.push(Number(((accumulator << (8n - bits)) | ((1n << (8n - bits)) - 1n)) & 0xffn));
  return Buffer.from(target);
}

/** Shorter codes come first, and codes of one length are in the order of their symbols. */
function canonicalCodes(lengths: readonly number[]): Uint32Array {
  const codes = new Uint32Array(lengths.length);
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    code *= 2;
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] === length) codes[symbol] = code++;
    }
  }
  assert.equal(code, 2 ** 30, "the Huffman code is complete");
  return codes;
}

function decodingTables(): Int16Array {
  const entries: number[] = Array.from({ length: 256 }, () => 0);
  for (let symbol = 0; symbol < CODE_LENGTHS.length; symbol++) {
    let left = CODE_LENGTHS[symbol];
    let table = 0;
    while (left > 8) {
      const index = table + ((CODES[symbol] >>> (left - 8)) & 0xff);
      if (entries[index] === 0) {
        entries[index] = -entries.length;
        for (let i = 0; i < 256; i++) entries.push(0);
      }
      table = -entries[index];
      left -= 8;
    }
    // The code ends within this byte: every continuation of it is this symbol.
    const first = (CODES[symbol] << (8 - left)) & 0xff;
    for (let i = 0; i < 1 << (8 - left); i++) entries[table + first + i] = (left << 9) | symbol;
  }
  return Int16Array.from(entries);
}
