/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), which etcd's hashes are made of. Node's zlib has another polynomial.
 *
 * Pieces are gathered in a block of words, as most of them are short, and 16 bytes go through 16 tables in a step.
 */
import { Buffer } from "node:buffer";

const BLOCK_BYTES = 64 * 1024;
const STEP_BYTES = 16;
const STEP_WORDS = STEP_BYTES / 4;

/** Reversed bit by bit. */
const POLYNOMIAL = 0x82f63b78;

/** What a byte makes of the rest when so many bytes come behind it: 256 entries for each of 0 to 15. */
const TABLES = makeTables();

export class Crc32c {
  readonly #words = new Int32Array(BLOCK_BYTES / 4);
  readonly #block = Buffer.from(this.#words.buffer);
  #length = 0;
  #state: number;

  /** @param before of the bytes in front of those that are added; 0 for none */
  constructor(before: number = 0) {
    this.#state = ~before;
  }

  /** Of all bytes so far, in 0 to 2^32 - 1. */
  get value(): number {
    let state = this.#take();
    // What does not fill a step is looked at byte by byte, and stays for what is still to come.
    for (let at = 0; at < this.#length; at++) state = TABLES[(state ^ this.#block[at]) & 0xff] ^ (state >>> 8);
    return ~state >>> 0;
  }

  /** Adds `bytes[from .. to)`. */
  update(bytes: Buffer, from = 0, to = bytes.length): void {
    for (let at = from; at < to;) {
      if (this.#length === BLOCK_BYTES) this.#take();
      const count = Math.min(to - at, BLOCK_BYTES - this.#length);
      bytes.copy(this.#block, this.#length, at, at + count);
      this.#length += count;
      at += count;
    }
  }

  /** Takes whole steps out of the block. */
  #take(): number {
    const words = this.#words;
    const taken = this.#length - (this.#length % STEP_BYTES);
    let state = this.#state;
    for (let i = 0; i < taken / 4; i += STEP_WORDS) {
      const a = words[i] ^ state;
      const b = words[i + 1];
      const c = words[i + 2];
      const d = words[i + 3];
      state =
        TABLES[0xf00 + (a & 0xff)] ^
        TABLES[0xe00 + ((a >>> 8) & 0xff)] ^
        TABLES[0xd00 + ((a >>> 16) & 0xff)] ^
        TABLES[0xc00 + (a >>> 24)] ^
        TABLES[0xb00 + (b & 0xff)] ^
        TABLES[0xa00 + ((b >>> 8) & 0xff)] ^
        TABLES[0x900 + ((b >>> 16) & 0xff)] ^
        TABLES[0x800 + (b >>> 24)] ^
        TABLES[0x700 + (c & 0xff)] ^
        TABLES[0x600 + ((c >>> 8) & 0xff)] ^
        TABLES[0x500 + ((c >>> 16) & 0xff)] ^
        TABLES[0x400 + (c >>> 24)] ^
        TABLES[0x300 + (d & 0xff)] ^
        TABLES[0x200 + ((d >>> 8) & 0xff)] ^
        TABLES[0x100 + ((d >>> 16) & 0xff)] ^
        TABLES[d >>> 24];
    }
    this.#block.copyWithin(0, taken, this.#length);
    this.#length -= taken;
    this.#state = state;
    return state;
  }
}

function makeTables(): Int32Array {
  const tables = new Int32Array(256 * STEP_BYTES);
  for (let byte = 0; byte < 256; byte++) {
    let state = byte;
    for (let bit = 0; bit < 8; bit++) state = (state & 1) === 0 ? state >>> 1 : (state >>> 1) ^ POLYNOMIAL;
    tables[byte] = state;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256];
    tables[at] = tables[before & 0xff] ^ (before >>> 8);
  }
  return tables;
}
