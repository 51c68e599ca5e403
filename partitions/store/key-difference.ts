/** The first word in which a key differs from that of a slot. */
import { KeyWords, LENGTH_DEPTH, readWord } from "./key-words.ts";
import type { SlotKeys } from "./slot-keys.ts";
import { copyOfKey } from "./slot-keys.ts";
import { firstNonZero } from "./zero-bytes.ts";

export class KeyDifference {
  /** Which word it is. */
  depth = 0;
  /** What it is in the slot's key. */
  slotWord = 0;
  /** Whether the key is above the slot's. */
  isAbove = false;
  readonly #keys: SlotKeys;
  readonly #bytes = new Uint8Array(4);
  readonly #probe = new KeyWords();

  constructor(keys: SlotKeys) {
    this.#keys = keys;
  }

  /** Looks for it, and returns whether there is one. */
  find(slot: number, probe: KeyWords): boolean {
    const shared = this.#keys.sharedBytes(slot, probe.key);
    if (shared < probe.key.length && this.#isAt(slot, probe, shared >>> 2)) return true;
    return this.#findBehind(slot, probe, shared);
  }

  /** Looks for that between the keys of two slots; `slotWord` is that of the first. */
  findBetween(slot: number, other: number): boolean {
    this.#probe.set(copyOfKey(this.#keys, other));
    return this.find(slot, this.#probe);
  }

  /** Where one of the keys ends: words are the same as long as zero bytes go on, and then the lengths differ, or nothing. */
  #findBehind(slot: number, probe: KeyWords, shared: number): boolean {
    const slotLength = this.#keys.keyLength(slot);
    const { length } = probe.key;
    const at = length > slotLength ? firstNonZero(probe.key, shared, length) : this.#keys.firstNonZero(slot, shared);
    if (at < Math.max(length, slotLength)) return this.#isAt(slot, probe, at >>> 2);
    if (length === slotLength) return false;
    this.#set(LENGTH_DEPTH, slotLength, length > slotLength);
    return true;
  }

  #isAt(slot: number, probe: KeyWords, depth: number): boolean {
    const slotWord = readWord(this.#bytes, 0, this.#keys.copyKey(slot, depth * 4, this.#bytes));
    const word = probe.at(depth);
    if (word === slotWord) return false;
    this.#set(depth, slotWord, word > slotWord);
    return true;
  }

  #set(depth: number, slotWord: number, isAbove: boolean): void {
    this.depth = depth;
    this.slotWord = slotWord;
    this.isAbove = isAbove;
  }
}
