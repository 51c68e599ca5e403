/** Walks the slots of an ordered index in key order. Valid until the index is altered. */
import type { LeafNodes } from "./leaf-nodes.ts";

const NO_ENTRIES: Int32Array = new Int32Array(new SharedArrayBuffer(0));

export class IndexCursor {
  readonly #leaves: LeafNodes;
  #leaf = 0;
  #piece = NO_ENTRIES;
  /** Where in the piece the next entry is, and where those of the leaf end. */
  #at = 0;
  #end = 0;

  /** On the entry at a place of a leaf, or on none in leaf 0. */
  constructor(leaves: LeafNodes, leaf: number, place: number) {
    this.#leaves = leaves;
    if (leaf !== 0) this.#enter(leaf, place);
  }

  /** The next slot, or 0 behind the last one. */
  next(): number {
    const entry = this.#next();
    return entry < 0 ? -entry : entry;
  }

  /** The next slot whose key exists, or 0. */
  nextLive(): number {
    let entry = this.#next();
    while (entry < 0) entry = this.#next();
    return entry;
  }

  #next(): number {
    if (this.#at === this.#end && !this.#enterNext()) return 0;
    return this.#piece[this.#at++];
  }

  #enterNext(): boolean {
    const next = this.#leaf === 0 ? 0 : this.#leaves.next(this.#leaf);
    if (next === 0) return false;
    this.#enter(next, 0);
    return true;
  }

  #enter(leaf: number, place: number): void {
    this.#leaf = leaf;
    this.#piece = this.#leaves.pool.pieceOf(leaf);
    const first = this.#leaves.entriesOf(leaf);
    this.#at = first + place;
    this.#end = first + this.#leaves.count(leaf);
  }
}
