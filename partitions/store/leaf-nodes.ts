/**
 * The leaves of ordered indexes: slots in key order, and of each key the few words that come behind the beginning which
 * all keys of the leaf share. So most steps of a search read only the leaf; where the words do not decide, the key does.
 *
 *   word 0            1              2          3             4            20              20 + max
 *        │ count      │ prefix words │ next     │ previous    │ prefix     │ entries (max) │ words of each (max × WORDS)
 *
 * An entry is the slot of a key that exists, or the negative slot of one that is only kept.
 */
import assert from "node:assert/strict";
import { KeyWords, PREFIX_WORDS_MAX, sharedWords } from "./key-words.ts";
import { NodePool } from "./node-pool.ts";
import type { SlotKeys } from "./slot-keys.ts";

const WORDS = 2;
const COUNT = 0;
const PREFIX_WORDS = 1;
const NEXT = 2;
const PREVIOUS = 3;
const PREFIX = 4;
const ENTRIES = PREFIX + PREFIX_WORDS_MAX;

export class LeafNodes {
  /** How many entries a leaf has at most. */
  readonly max: number;
  readonly pool: NodePool;
  readonly #keys: SlotKeys;
  /** Where the words of entries begin. */
  readonly #words: number;
  readonly #first = new KeyWords();
  readonly #last = new KeyWords();
  readonly #bytes = new Uint8Array(WORDS * 4);

  constructor(keys: SlotKeys, max: number) {
    this.#keys = keys;
    this.max = max;
    this.#words = ENTRIES + max;
    this.pool = new NodePool(this.#words + max * WORDS);
  }

  /** An empty leaf behind another, or behind none (0). */
  create(previous: number): number {
    const node = this.pool.allocate();
    const next = previous === 0 ? 0 : this.#get(previous, NEXT);
    this.#set(node, COUNT, 0);
    this.#set(node, NEXT, next);
    this.#set(node, PREVIOUS, previous);
    if (previous !== 0) this.#set(previous, NEXT, node);
    if (next !== 0) this.#set(next, PREVIOUS, node);
    return node;
  }

  /** Takes a leaf out of the chain and frees it. */
  free(node: number): void {
    const next = this.#get(node, NEXT);
    const previous = this.#get(node, PREVIOUS);
    if (previous !== 0) this.#set(previous, NEXT, next);
    if (next !== 0) this.#set(next, PREVIOUS, previous);
    this.pool.free(node);
  }

  count(node: number): number {
    return this.#get(node, COUNT);
  }

  next(node: number): number {
    return this.#get(node, NEXT);
  }

  previous(node: number): number {
    return this.#get(node, PREVIOUS);
  }

  entry(node: number, at: number): number {
    return this.#get(node, ENTRIES + at);
  }

  /** Where in its piece of memory a leaf has its entries. */
  entriesOf(node: number): number {
    return this.pool.baseOf(node) + ENTRIES;
  }

  slot(node: number, at: number): number {
    return Math.abs(this.entry(node, at));
  }

  /** The place of a key, or if it is not there, the complement (~) of the place of the first one above it. */
  search(node: number, probe: KeyWords): number {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const prefix = piece[base + PREFIX_WORDS];
    const { words } = probe;
    let low = 0;
    let high = piece[base + COUNT];
    for (let i = 0; i < prefix; i++) {
      const word = words[i];
      const own = piece[base + PREFIX + i];
      if (word !== own) return word < own ? ~low : ~high;
    }
    const first = base + this.#words;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = first + middle * WORDS;
      let order = 0;
      for (let i = 0; order === 0 && i < WORDS; i++) {
        const word = words[prefix + i];
        const own = piece[at + i];
        if (word !== own) order = own < word ? -1 : 1;
      }
      if (order === 0) {
        const entry = piece[base + ENTRIES + middle];
        order = this.#keys.compare(entry < 0 ? -entry : entry, probe.key);
        if (order === 0) return middle;
      }
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return ~low;
  }

  /** How many keys that exist are before a place. */
  liveBefore(node: number, end: number): number {
    const piece = this.pool.pieceOf(node);
    const first = this.entriesOf(node);
    let live = 0;
    for (let at = first; at < first + end; at++) if (piece[at] > 0) live++;
    return live;
  }

  /** The place of an entry. No key is compared. */
  placeOf(node: number, entry: number): number {
    const piece = this.pool.pieceOf(node);
    const first = this.entriesOf(node);
    const end = first + this.count(node);
    for (let at = first; at < end; at++) if (piece[at] === entry) return at - first;
    assert.fail("an entry is in the leaf of its key");
  }

  setEntry(node: number, at: number, entry: number): void {
    this.#set(node, ENTRIES + at, entry);
  }

  insert(node: number, at: number, entry: number, probe: KeyWords): void {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const count = piece[base + COUNT];
    assert(count < this.max, "a leaf has room for what is inserted");
    const { words } = probe;
    if (count === 0) this.#setPrefix(node, words, PREFIX_WORDS_MAX);
    else this.#shrinkPrefix(node, sharedWords(piece, base + PREFIX, words, 0, piece[base + PREFIX_WORDS]));
    const entries = base + ENTRIES;
    for (let i = entries + count; i > entries + at; i--) piece[i] = piece[i - 1];
    const first = base + this.#words;
    for (let i = first + count * WORDS + WORDS - 1; i >= first + at * WORDS + WORDS; i--) piece[i] = piece[i - WORDS];
    piece[entries + at] = entry;
    const prefix = piece[base + PREFIX_WORDS];
    for (let i = 0; i < WORDS; i++) piece[first + at * WORDS + i] = words[prefix + i];
    piece[base + COUNT] = count + 1;
  }

  remove(node: number, at: number): void {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const count = --piece[base + COUNT];
    const entries = base + ENTRIES;
    for (let i = entries + at; i < entries + count; i++) piece[i] = piece[i + 1];
    const first = base + this.#words;
    for (let i = first + at * WORDS; i < first + count * WORDS; i++) piece[i] = piece[i + WORDS];
  }

  /**
   * Where to cut a leaf that is full and gets an entry at a place. One that grows at its end stays full, since keys that
   * come in ascending order would leave it half empty for good. Others are cut near the middle, where keys differ most.
   */
  cutFor(node: number, insertedAt: number): number {
    const count = this.count(node);
    if (insertedAt === count) return count;
    const middle = count >>> 1;
    const window = count >>> 3;
    let best = middle;
    let bestShared = WORDS + 1;
    for (let i = 0; i <= 2 * window; i++) {
      // The middle first, then ever farther away on both sides.
      const cut = middle + ((i & 1) === 0 ? -(i >>> 1) : (i + 1) >>> 1);
      const shared = this.#sharedWithPrevious(node, cut);
      if (shared >= bestShared) continue;
      best = cut;
      bestShared = shared;
    }
    return best;
  }

  /** Moves the entries from a place on into a new leaf behind this one. */
  split(node: number, cut: number): number {
    const right = this.create(node);
    const count = this.count(node);
    if (cut === count) return right;
    this.#setPrefix(right, this.pool.pieceOf(node), this.#get(node, PREFIX_WORDS), this.pool.baseOf(node) + PREFIX);
    this.#append(right, node, cut);
    this.#set(node, COUNT, cut);
    this.#growPrefix(node);
    this.#growPrefix(right);
    return right;
  }

  /** Copies all entries of the next leaf to the end of this one. */
  join(node: number, right: number): void {
    const from = this.pool.pieceOf(right);
    const prefix = Math.min(this.#get(node, PREFIX_WORDS), this.#get(right, PREFIX_WORDS));
    const own = this.pool.pieceOf(node);
    const ownPrefix = this.pool.baseOf(node) + PREFIX;
    const shared = sharedWords(own, ownPrefix, from, this.pool.baseOf(right) + PREFIX, prefix);
    this.#shrinkPrefix(node, shared);
    this.#shrinkPrefix(right, shared);
    this.#append(node, right, 0);
  }

  /** Asserts that entries ascend, and that the words of each are those of its key. */
  verify(node: number): void {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const prefix = piece[base + PREFIX_WORDS];
    const count = this.count(node);
    assert(count > 0 && count <= this.max, "a leaf has entries, and room for them");
    for (let at = 0; at < count; at++) {
      const slot = this.slot(node, at);
      assert(slot > 0, "an entry has a slot");
      const { words } = this.#first.setSlot(this.#keys, slot);
      assert(sharedWords(piece, base + PREFIX, words, 0, prefix) === prefix, "the keys of a leaf share its prefix");
      const own = base + this.#words + at * WORDS;
      assert(sharedWords(piece, own, words, prefix, WORDS) === WORDS, "the words of an entry are those of its key");
      assert(at === 0 || this.#keys.compareSlots(this.slot(node, at - 1), slot) < 0, "keys ascend");
      assert(this.#keys.isLive(slot) === this.entry(node, at) > 0, "an entry tells whether its key exists");
    }
  }

  #get(node: number, word: number): number {
    return this.pool.pieceOf(node)[this.pool.baseOf(node) + word];
  }

  #set(node: number, word: number, value: number): void {
    this.pool.pieceOf(node)[this.pool.baseOf(node) + word] = value;
  }

  /** How many words the keys at and before a place share, of those in the leaf. */
  #sharedWithPrevious(node: number, at: number): number {
    const piece = this.pool.pieceOf(node);
    const words = this.pool.baseOf(node) + this.#words + at * WORDS;
    return sharedWords(piece, words - WORDS, piece, words, WORDS);
  }

  #setPrefix(node: number, words: Int32Array, count: number, from = 0): void {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    for (let i = 0; i < count; i++) piece[base + PREFIX + i] = words[from + i];
    piece[base + PREFIX_WORDS] = count;
  }

  /** Makes the prefix shorter: entries get its end in front of their words, and lose as many at their own ends. */
  #shrinkPrefix(node: number, to: number): void {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const prefix = piece[base + PREFIX_WORDS];
    if (to === prefix) return;
    piece[base + PREFIX_WORDS] = to;
    const end = base + this.#words + piece[base + COUNT] * WORDS;
    for (let words = base + this.#words; words < end; words += WORDS) {
      for (let i = WORDS - 1; i >= 0; i--) {
        const from = to + i;
        piece[words + i] = from < prefix ? piece[base + PREFIX + from] : piece[words + from - prefix];
      }
    }
  }

  /** Makes the prefix as long as what the first and the last key share, and takes the words of entries from the keys. */
  #growPrefix(node: number): void {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const count = piece[base + COUNT];
    const first = this.#first.setSlot(this.#keys, this.slot(node, 0)).words;
    const last = this.#last.setSlot(this.#keys, this.slot(node, count - 1)).words;
    const shared = sharedWords(first, 0, last, 0, PREFIX_WORDS_MAX);
    if (shared === piece[base + PREFIX_WORDS]) return;
    this.#setPrefix(node, first, shared);
    const bytes = this.#bytes;
    for (let at = 0; at < count; at++) {
      const copied = this.#keys.copyKey(this.slot(node, at), shared * 4, bytes);
      if (copied < bytes.length) bytes.fill(0, copied);
      this.#first.set(bytes);
      for (let i = 0; i < WORDS; i++) piece[base + this.#words + at * WORDS + i] = this.#first.words[i];
    }
  }

  /** Copies the entries of a leaf with the same prefix, from a place on, behind those of another. */
  #append(node: number, from: number, start: number): void {
    const source = this.pool.pieceOf(from);
    const sourceBase = this.pool.baseOf(from);
    const target = this.pool.pieceOf(node);
    const targetBase = this.pool.baseOf(node);
    const count = source[sourceBase + COUNT] - start;
    const end = target[targetBase + COUNT];
    assert(end + count <= this.max, "a leaf has room for what is moved to it");
    for (let i = 0; i < count; i++) target[targetBase + ENTRIES + end + i] = source[sourceBase + ENTRIES + start + i];
    const sourceWords = sourceBase + this.#words + start * WORDS;
    const targetWords = targetBase + this.#words + end * WORDS;
    for (let i = 0; i < count * WORDS; i++) target[targetWords + i] = source[sourceWords + i];
    target[targetBase + COUNT] = end + count;
  }
}
