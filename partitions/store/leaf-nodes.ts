/**
 * The leaves of ordered indexes: slots in key order, and of each key the first word in which it differs from the one before.
 *
 *   word 0         1      2          4               4 + max       4 + 2 max
 *        │ count │ next │ previous │ entries (max) │ depths (max) │ branches (max)
 *
 * An entry is the slot of a key that exists, or the negative slot of one that is only kept. Its depth says which word of its
 * key differs from that of the entry before, and its branch is that word; those of the first entry mean nothing.
 *
 *        keys, a word for each letter     a b c   a b d   a c c   a c e   b
 *        depths and branches                      2 d     1 c     2 e     0 b
 *
 * That is a trie of all keys with the paths cut out where it does not branch. A search goes down this trie, blind for what is
 * cut out, to a key that begins like the one looked for for as long as any here does, compares with that key alone, and then
 * knows the place. So a search costs one look at a key, and as an insertion is told of the word that decided, it costs none.
 */
import assert from "node:assert/strict";
import { KeyDifference } from "./key-difference.ts";
import type { KeyWords } from "./key-words.ts";
import { NodePool } from "./node-pool.ts";
import type { SlotKeys } from "./slot-keys.ts";

const COUNT = 0;
const NEXT = 1;
const PREVIOUS = 2;
const ENTRIES = 4;

export class LeafNodes {
  /** How many entries a leaf has at most. */
  readonly max: number;
  readonly pool: NodePool;
  readonly #keys: SlotKeys;
  readonly #depths: number;
  readonly #branches: number;
  /** What decided the last search: how the key looked for differs from the one that it was compared with. */
  readonly #difference: KeyDifference;

  constructor(keys: SlotKeys, max: number) {
    this.#keys = keys;
    this.max = max;
    this.#depths = ENTRIES + max;
    this.#branches = ENTRIES + 2 * max;
    this.pool = new NodePool(ENTRIES + 3 * max);
    this.#difference = new KeyDifference(keys);
  }

  /** An empty leaf behind another, or behind none (0). */
  create(previous: number): number {
    const node = this.pool.allocate();
    const next = previous === 0 ? 0 : this.next(previous);
    this.#set(node, COUNT, 0);
    this.#set(node, NEXT, next);
    this.#set(node, PREVIOUS, previous);
    if (previous !== 0) this.#set(previous, NEXT, node);
    if (next !== 0) this.#set(next, PREVIOUS, node);
    return node;
  }

  /** Takes a leaf out of the chain and frees it. */
  free(node: number): void {
    const next = this.next(node);
    const previous = this.previous(node);
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
    const count = piece[base + COUNT];
    if (count === 0) return ~0;
    const depths = base + this.#depths;
    const like = this.#searchBlind(piece, base, probe);
    const entry = piece[base + ENTRIES + like];
    if (!this.#difference.find(entry < 0 ? -entry : entry, probe)) return like;
    const { depth, isAbove } = this.#difference;
    // All that share this word with the key are on its same side, and no other one shares all words before it.
    let at = like;
    if (isAbove) {
      at++;
      while (at < count && piece[depths + at] > depth) at++;
    } else {
      while (at > 0 && piece[depths + at] > depth) at--;
    }
    return ~at;
  }

  /** Takes the place of a search for a key that is above all in a leaf, behind which none is. */
  compareWithLast(node: number, probe: KeyWords): void {
    const count = this.count(node);
    if (count === 0) return;
    const differs = this.#difference.find(this.slot(node, count - 1), probe);
    assert(differs && this.#difference.isAbove, "what is appended is above all that is there");
  }

  /** The place of a key that shares as many words with the one looked for as any in the leaf. */
  #searchBlind(piece: Int32Array, base: number, probe: KeyWords): number {
    const depths = base + this.#depths;
    const end = depths + piece[base + COUNT];
    const toBranch = this.#branches - this.#depths;
    let like = depths;
    for (let at = depths + 1; at < end;) {
      const depth = piece[at];
      if (piece[at + toBranch] <= probe.at(depth)) {
        like = at++;
      } else {
        // This branch is above, and so are those beyond; what is below it is not looked at.
        at++;
        while (at < end && piece[at] > depth) at++;
      }
    }
    return like - depths;
  }

  /** How many keys that exist are before a place. */
  liveBefore(node: number, end: number): number {
    const piece = this.pool.pieceOf(node);
    const first = this.entriesOf(node);
    let live = 0;
    for (let at = first; at < first + end; at++) if (piece[at] > 0) live++;
    return live;
  }

  /** The place of an entry. No key is looked at. */
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

  /** Inserts the key of the last search or comparison at the place that it told; the leaf may have been split there in between. */
  insert(node: number, at: number, entry: number, probe: KeyWords): void {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const count = piece[base + COUNT];
    assert(count < this.max, "a leaf has room for what is inserted");
    const entries = base + ENTRIES;
    const depths = base + this.#depths;
    const branches = base + this.#branches;
    for (let i = count; i > at; i--) {
      piece[entries + i] = piece[entries + i - 1];
      piece[depths + i] = piece[depths + i - 1];
      piece[branches + i] = piece[branches + i - 1];
    }
    piece[entries + at] = entry;
    piece[base + COUNT] = count + 1;
    const { depth, slotWord, isAbove } = this.#difference;
    if (isAbove) {
      // The entry before differs from it in that word, and the one behind it from both as before.
      piece[depths + at] = depth;
      piece[branches + at] = probe.at(depth);
    } else if (at < count) {
      // The entry behind differs from it in that word, and it from the one before as that behind did.
      piece[depths + at + 1] = depth;
      piece[branches + at + 1] = slotWord;
    }
  }

  remove(node: number, at: number): void {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const count = --piece[base + COUNT];
    const entries = base + ENTRIES;
    const depths = base + this.#depths;
    const branches = base + this.#branches;
    // The one behind differs from the one before in the first word in which either differs from what is between.
    const isEarlier = at < count && piece[depths + at] < piece[depths + at + 1];
    const depth = isEarlier ? piece[depths + at] : piece[depths + at + 1];
    const branch = isEarlier ? piece[branches + at] : piece[branches + at + 1];
    for (let i = at; i < count; i++) {
      piece[entries + i] = piece[entries + i + 1];
      piece[depths + i] = piece[depths + i + 1];
      piece[branches + i] = piece[branches + i + 1];
    }
    if (at === count) return;
    piece[depths + at] = depth;
    piece[branches + at] = branch;
  }

  /**
   * Where to cut a leaf that is full and gets an entry at a place. One that grows at its end stays full, since keys that
   * come in ascending order would leave it half empty for good. Others are cut near the middle, where keys differ earliest.
   */
  cutFor(node: number, insertedAt: number): number {
    const count = this.count(node);
    if (insertedAt === count) return count;
    const middle = count >>> 1;
    const window = count >>> 3;
    let best = middle;
    for (let cut = middle - window; cut <= middle + window; cut++) {
      if (this.#get(node, this.#depths + cut) < this.#get(node, this.#depths + best)) best = cut;
    }
    return best;
  }

  /** Moves the entries from a place on into a new leaf behind this one. */
  split(node: number, cut: number): number {
    const right = this.create(node);
    this.#append(right, node, cut);
    this.#set(node, COUNT, cut);
    return right;
  }

  /** Copies all entries of the next leaf to the end of this one. */
  join(node: number, right: number): void {
    const end = this.count(node);
    this.#append(node, right, 0);
    this.#difference.findBetween(this.slot(node, end), this.slot(node, end - 1));
    this.#set(node, this.#depths + end, this.#difference.depth);
    this.#set(node, this.#branches + end, this.#difference.slotWord);
  }

  /** Asserts that entries ascend, and that each knows in what it differs from the one before. */
  verify(node: number): void {
    const count = this.count(node);
    assert(count > 0 && count <= this.max, "a leaf has entries, and room for them");
    for (let at = 0; at < count; at++) {
      const slot = this.slot(node, at);
      assert(slot > 0, "an entry has a slot");
      assert(this.#keys.isLive(slot) === this.entry(node, at) > 0, "an entry tells whether its key exists");
      if (at === 0) continue;
      assert(this.#difference.findBetween(slot, this.slot(node, at - 1)), "a key is in a leaf once");
      assert(!this.#difference.isAbove, "keys ascend");
      assert(this.#get(node, this.#depths + at) === this.#difference.depth, "a depth is that of the first other word");
      assert(this.#get(node, this.#branches + at) === this.#difference.slotWord, "a branch is the first other word");
    }
  }

  #get(node: number, word: number): number {
    return this.pool.pieceOf(node)[this.pool.baseOf(node) + word];
  }

  #set(node: number, word: number, value: number): void {
    this.pool.pieceOf(node)[this.pool.baseOf(node) + word] = value;
  }

  /** Copies the entries of a leaf from a place on behind those of another. */
  #append(node: number, from: number, start: number): void {
    const source = this.pool.pieceOf(from);
    const sourceBase = this.pool.baseOf(from);
    const target = this.pool.pieceOf(node);
    const targetBase = this.pool.baseOf(node);
    const count = source[sourceBase + COUNT] - start;
    const end = target[targetBase + COUNT];
    assert(end + count <= this.max, "a leaf has room for what is moved to it");
    for (const array of [ENTRIES, this.#depths, this.#branches]) {
      for (let i = 0; i < count; i++) target[targetBase + array + end + i] = source[sourceBase + array + start + i];
    }
    target[targetBase + COUNT] = end + count;
  }
}
