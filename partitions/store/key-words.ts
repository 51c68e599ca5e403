/**
 * The beginning of a key as signed numbers of 32 bits whose order is that of the bytes: big-endian, the top bit turned
 * over, filled up with zero bytes. Keys whose words are the same differ behind them, or in zero bytes at an end.
 */
import type { SlotKeys } from "./slot-keys.ts";

/** Nodes keep so many words that all of their keys share, and behind them so many of each at most. */
export const PREFIX_WORDS_MAX = 16;
export const OWN_WORDS_MAX = 12;
const WORDS = PREFIX_WORDS_MAX + OWN_WORDS_MAX;

const TOP = 0x80_00_00_00 | 0;

export class KeyWords {
  readonly words = new Int32Array(WORDS);
  /** The key of which `words` is the beginning. */
  key: Uint8Array = new Uint8Array(0);
  readonly #bytes = new Uint8Array(WORDS * 4);

  set(key: Uint8Array): void {
    this.key = key;
    const { words } = this;
    const { length } = key;
    const whole = Math.min(length >>> 2, WORDS);
    let at = 0;
    let byte = 0;
    for (; at < whole; at++, byte += 4) {
      words[at] = ((key[byte] << 24) | (key[byte + 1] << 16) | (key[byte + 2] << 8) | key[byte + 3]) ^ TOP;
    }
    if (at === WORDS) return;
    let last = TOP;
    for (let shift = 24; byte < length; byte++, shift -= 8) last ^= key[byte] << shift;
    words[at++] = last;
    while (at < WORDS) words[at++] = TOP;
  }

  /** Takes the beginning of a slot's key; `key` is then that beginning, with zero bytes behind. */
  setSlot(keys: SlotKeys, slot: number): this {
    const copied = keys.copyKey(slot, 0, this.#bytes);
    if (copied < this.#bytes.length) this.#bytes.fill(0, copied);
    this.set(this.#bytes);
    return this;
  }
}

/** How many words two runs of words have in common at their beginnings, at most `max`. */
export function sharedWords(a: Int32Array, aAt: number, b: Int32Array, bAt: number, max: number): number {
  let shared = 0;
  while (shared < max && a[aAt + shared] === b[bAt + shared]) shared++;
  return shared;
}

/** Writes the four bytes of a word, as far as there is room for them. */
export function writeWord(word: number, target: Uint8Array, at: number): void {
  const bits = word ^ TOP;
  for (let i = 0; i < 4 && at + i < target.length; i++) target[at + i] = bits >>> (24 - 8 * i);
}
