/**
 * The inner nodes of ordered indexes: children with the counts of the keys below them, and between each two a separator.
 * Separators lie in the node itself, but for the beginning that all of them share, so that a descent reads no key.
 *
 *   word 0            1              2            18               …       …       …       …
 *        │ count      │ prefix words │ prefix     │ children (max) │ live  │ sizes │ tails │ words of separators (max × WORDS)
 *
 * A separator's tail is its length in bytes, or if it is longer than prefix and words, the complement of its number among the
 * long ones, whose beginnings the words are. All keys of child i are below separator i, and those of child i + 1 are not.
 */
import assert from "node:assert/strict";
import { KeyWords, OWN_WORDS as WORDS, PREFIX_WORDS_MAX, sharedWords, writeWord } from "./key-words.ts";
import { NodePool } from "./node-pool.ts";
import { LongSeparators } from "./separators.ts";

const COUNT = 0;
const PREFIX_WORDS = 1;
const PREFIX = 2;
const CHILDREN = PREFIX + PREFIX_WORDS_MAX;

export class InnerNodes {
  /** How many children a node has at most. */
  readonly max: number;
  readonly pool: NodePool;
  readonly long = new LongSeparators();
  readonly #live: number;
  readonly #sizes: number;
  readonly #tails: number;
  readonly #words: number;
  readonly #first = new KeyWords();
  readonly #last = new KeyWords();

  constructor(max: number) {
    this.max = max;
    this.#live = CHILDREN + max;
    this.#sizes = this.#live + max;
    this.#tails = this.#sizes + max;
    this.#words = this.#tails + max;
    this.pool = new NodePool(this.#words + max * WORDS);
  }

  /** A node with one child. */
  create(child: number, live: number, size: number): number {
    const node = this.pool.allocate();
    this.#set(node, COUNT, 1);
    this.#set(node, PREFIX_WORDS, 0);
    this.#set(node, CHILDREN, child);
    this.#set(node, this.#live, live);
    this.#set(node, this.#sizes, size);
    return node;
  }

  count(node: number): number {
    return this.#get(node, COUNT);
  }

  child(node: number, at: number): number {
    return this.#get(node, CHILDREN + at);
  }

  /** How many keys below a child exist. */
  live(node: number, at: number): number {
    return this.#get(node, this.#live + at);
  }

  /** How many keys are below a child. */
  size(node: number, at: number): number {
    return this.#get(node, this.#sizes + at);
  }

  /** How many keys below the children before a place exist. */
  liveBefore(node: number, at: number): number {
    return this.#sum(node, this.#live, at);
  }

  sizeBefore(node: number, at: number): number {
    return this.#sum(node, this.#sizes, at);
  }

  add(node: number, at: number, live: number, size: number): void {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node) + at;
    piece[base + this.#live] += live;
    piece[base + this.#sizes] += size;
  }

  /** Which child a key belongs to: the one behind all separators that are not above it. */
  search(node: number, probe: KeyWords): number {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const prefix = piece[base + PREFIX_WORDS];
    const { words } = probe;
    let low = 0;
    let high = piece[base + COUNT] - 1;
    for (let i = 0; i < prefix; i++) {
      const word = words[i];
      const own = piece[base + PREFIX + i];
      if (word !== own) return word < own ? low : high;
    }
    const first = base + this.#words;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = first + middle * WORDS;
      let i = 0;
      while (i < WORDS && words[prefix + i] === piece[at + i]) i++;
      const isBelow = i < WORDS ? words[prefix + i] < piece[at + i] : this.#isBelowTail(node, middle, probe);
      if (isBelow) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Puts a child behind the one at a place, and a separator between. */
  insert(node: number, at: number, separator: Uint8Array, child: number, live: number, size: number): void {
    const count = this.count(node);
    assert(count < this.max, "an inner node has room for what is inserted");
    this.#insertWord(node, CHILDREN, count, at + 1, child);
    this.#insertWord(node, this.#live, count, at + 1, live);
    this.#insertWord(node, this.#sizes, count, at + 1, size);
    const { words } = this.#first;
    this.#first.set(separator);
    const prefix = this.#get(node, PREFIX_WORDS);
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    if (count > 1 && sharedWords(piece, base + PREFIX, words, 0, prefix) === prefix) {
      const first = base + this.#words;
      const moved = first + at * WORDS;
      for (let i = first + (count - 1) * WORDS - 1; i >= moved; i--) piece[i + WORDS] = piece[i];
      this.#insertWord(node, this.#tails, count - 1, at, 0);
      this.#set(node, COUNT, count + 1);
      this.#putSeparator(node, at, separator, this.#first);
    } else {
      const separators = this.#takeSeparators(node);
      separators.splice(at, 0, separator);
      this.#set(node, COUNT, count + 1);
      this.#putSeparators(node, separators);
    }
  }

  /** Takes out a child, and a separator beside it. */
  remove(node: number, at: number): void {
    const count = this.count(node);
    this.#removeWord(node, CHILDREN, count, at);
    this.#removeWord(node, this.#live, count, at);
    this.#removeWord(node, this.#sizes, count, at);
    this.#set(node, COUNT, count - 1);
    if (count === 1) return;
    const separator = Math.max(0, at - 1);
    const tail = this.#get(node, this.#tails + separator);
    if (tail < 0) this.long.remove(~tail);
    this.#removeWord(node, this.#tails, count - 1, separator);
    const piece = this.pool.pieceOf(node);
    const first = this.pool.baseOf(node) + this.#words;
    for (let i = first + separator * WORDS; i < first + (count - 2) * WORDS; i++) piece[i] = piece[i + WORDS];
  }

  /**
   * Where to cut a node that is full and gets a child behind the one at a place. One that grows at its end stays full but
   * for a child, as leaves do; others are cut in the middle.
   */
  cutFor(node: number, insertedBehind: number): number {
    const count = this.count(node);
    return insertedBehind === count - 1 ? count - 1 : count >>> 1;
  }

  /** Moves the children from a place on into a new node. */
  split(node: number, cut: number): { right: number; separator: Uint8Array } {
    const separators = this.#takeSeparators(node);
    const right = this.pool.allocate();
    this.#set(right, COUNT, 0);
    this.#appendChildren(right, node, cut);
    this.#set(node, COUNT, cut);
    this.#putSeparators(node, separators.slice(0, cut - 1));
    this.#putSeparators(right, separators.slice(cut));
    return { right, separator: separators[cut - 1] };
  }

  /** Moves all children of the next node behind those of this one, between them a separator. */
  join(node: number, separator: Uint8Array, right: number): void {
    const separators = [...this.#takeSeparators(node), separator, ...this.#takeSeparators(right)];
    this.#appendChildren(node, right, 0);
    this.#putSeparators(node, separators);
  }

  /** The bytes of the separator behind the child at a place. */
  separator(node: number, at: number): Uint8Array {
    const piece = this.pool.pieceOf(node);
    const base = this.pool.baseOf(node);
    const tail = piece[base + this.#tails + at];
    if (tail < 0) return this.long.get(~tail);
    const separator = new Uint8Array(tail);
    const prefix = piece[base + PREFIX_WORDS];
    for (let i = 0; i < prefix; i++) writeWord(piece[base + PREFIX + i], separator, i * 4);
    const words = base + this.#words + at * WORDS;
    for (let i = 0; i < WORDS; i++) writeWord(piece[words + i], separator, (prefix + i) * 4);
    return separator;
  }

  /** Whether a key is below a separator with the same words. If both end within the words, they differ in zero bytes alone. */
  #isBelowTail(node: number, at: number, probe: KeyWords): boolean {
    const tail = this.#get(node, this.#tails + at);
    if (tail >= 0) return probe.key.length < tail;
    return Buffer.compare(probe.key, this.long.get(~tail)) < 0;
  }

  /** Takes all separators out, to be put back in another number. */
  #takeSeparators(node: number): Uint8Array[] {
    const separators: Uint8Array[] = [];
    for (let at = 0; at < this.count(node) - 1; at++) {
      separators.push(this.separator(node, at));
      const tail = this.#get(node, this.#tails + at);
      if (tail < 0) this.long.remove(~tail);
    }
    return separators;
  }

  #putSeparators(node: number, separators: readonly Uint8Array[]): void {
    assert(separators.length === this.count(node) - 1, "separators stand between children");
    if (separators.length === 0) {
      this.#set(node, PREFIX_WORDS, 0);
      return;
    }
    this.#first.set(separators[0]);
    this.#last.set(separators[separators.length - 1]);
    const prefix = sharedWords(this.#first.words, 0, this.#last.words, 0, PREFIX_WORDS_MAX);
    for (let i = 0; i < prefix; i++) this.#set(node, PREFIX + i, this.#first.words[i]);
    this.#set(node, PREFIX_WORDS, prefix);
    for (let at = 0; at < separators.length; at++) {
      this.#last.set(separators[at]);
      this.#putSeparator(node, at, separators[at], this.#last);
    }
  }

  #putSeparator(node: number, at: number, separator: Uint8Array, { words }: KeyWords): void {
    const prefix = this.#get(node, PREFIX_WORDS);
    const isShort = separator.length <= (prefix + WORDS) * 4;
    this.#set(node, this.#tails + at, isShort ? separator.length : ~this.long.add(separator));
    for (let i = 0; i < WORDS; i++) this.#set(node, this.#words + at * WORDS + i, words[prefix + i]);
  }

  #appendChildren(node: number, from: number, start: number): void {
    const count = this.count(from) - start;
    const end = this.count(node);
    assert(end + count <= this.max, "an inner node has room for what is moved to it");
    for (let i = 0; i < count; i++) {
      this.#set(node, CHILDREN + end + i, this.child(from, start + i));
      this.#set(node, this.#live + end + i, this.live(from, start + i));
      this.#set(node, this.#sizes + end + i, this.size(from, start + i));
    }
    this.#set(node, COUNT, end + count);
  }

  #insertWord(node: number, array: number, count: number, at: number, value: number): void {
    const piece = this.pool.pieceOf(node);
    const first = this.pool.baseOf(node) + array;
    for (let i = first + count; i > first + at; i--) piece[i] = piece[i - 1];
    piece[first + at] = value;
  }

  #removeWord(node: number, array: number, count: number, at: number): void {
    const piece = this.pool.pieceOf(node);
    const first = this.pool.baseOf(node) + array;
    for (let i = first + at; i < first + count - 1; i++) piece[i] = piece[i + 1];
  }

  #sum(node: number, array: number, count: number): number {
    const piece = this.pool.pieceOf(node);
    const first = this.pool.baseOf(node) + array;
    let sum = 0;
    for (let i = first; i < first + count; i++) sum += piece[i];
    return sum;
  }

  #get(node: number, word: number): number {
    return this.pool.pieceOf(node)[this.pool.baseOf(node) + word];
  }

  #set(node: number, word: number, value: number): void {
    this.pool.pieceOf(node)[this.pool.baseOf(node) + word] = value;
  }
}
