/**
 * A key as signed numbers of 32 bits whose order is that of the bytes: big-endian, the top bit turned over, with zero bytes
 * behind the key's end and the key's length behind all of those. So two keys differ in some word, and the first one in which
 * they do tells their order.
 */

/** Inner nodes keep so many words that all of their separators share, and behind them so many of each. */
export const PREFIX_WORDS_MAX = 16;
export const OWN_WORDS = 12;
const WORDS = PREFIX_WORDS_MAX + OWN_WORDS;

/** Where the key's length is. */
export const LENGTH_DEPTH = 0x7f_ff_ff_ff;

const TOP = 0x80_00_00_00 | 0;

export class KeyWords {
  /** The first words; `at` gives those behind, too. */
  readonly words = new Int32Array(WORDS);
  key: Uint8Array = new Uint8Array(0);

  set(key: Uint8Array): void {
    this.key = key;
    const { words } = this;
    const whole = Math.min(key.length >>> 2, WORDS);
    let at = 0;
    for (let byte = 0; at < whole; at++, byte += 4) {
      words[at] = ((key[byte] << 24) | (key[byte + 1] << 16) | (key[byte + 2] << 8) | key[byte + 3]) ^ TOP;
    }
    if (at === WORDS) return;
    words[at] = readWord(key, at * 4, key.length);
    for (at++; at < WORDS; at++) words[at] = TOP;
  }

  at(depth: number): number {
    if (depth < WORDS) return this.words[depth];
    return depth === LENGTH_DEPTH ? this.key.length : readWord(this.key, depth * 4, this.key.length);
  }
}

/** The word that begins at a byte; those from `end` on are zero. */
export function readWord(bytes: Uint8Array, at: number, end: number): number {
  let word = TOP;
  for (let i = at, shift = 24; i < end && shift >= 0; i++, shift -= 8) word ^= bytes[i] << shift;
  return word;
}

/** Writes the four bytes of a word, as far as there is room for them. */
export function writeWord(word: number, target: Uint8Array, at: number): void {
  const bits = word ^ TOP;
  for (let i = 0; i < 4 && at + i < target.length; i++) target[at + i] = bits >>> (24 - 8 * i);
}

/** How many words two runs of words have in common at their beginnings, at most `max`. */
export function sharedWords(a: Int32Array, aAt: number, b: Int32Array, bAt: number, max: number): number {
  let shared = 0;
  while (shared < max && a[aAt + shared] === b[bAt + shared]) shared++;
  return shared;
}
