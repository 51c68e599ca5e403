/** Walks the slots of an ordered index in key order, up to a key. Valid until the index is altered. */
import type { KeyWords } from "./key-words.ts";
import type { LeafNodes } from "./leaf-nodes.ts";

const NO_ENTRIES: Int32Array = new Int32Array(new SharedArrayBuffer(0));

export class IndexCursor {
  readonly #leaves: LeafNodes;
  readonly #probe: KeyWords;
  /** Where it ends, or null: with the last key. It is looked for once in a leaf, not compared with every key. */
  readonly #endKey: Uint8Array | null;
  #leaf = 0;
  #piece = NO_ENTRIES;
  /** Where in the piece the next entry is, and where those of the leaf end. */
  #at = 0;
  #end = 0;

  /** On the entry at a place of a leaf, or on none in leaf 0. */
  constructor(leaves: LeafNodes, probe: KeyWords, leaf: number, place: number, end: Uint8Array | null) {
    this.#leaves = leaves;
    this.#probe = probe;
    this.#endKey = end;
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
    if (this.#at >= this.#end && !this.#enterNext()) return 0;
    return this.#piece[this.#at++];
  }

  #enterNext(): boolean {
    const next = this.#leaf === 0 ? 0 : this.#leaves.next(this.#leaf);
    if (next === 0) return false;
    this.#enter(next, 0);
    return this.#at < this.#end;
  }

  #enter(leaf: number, place: number): void {
    const count = this.#leaves.count(leaf);
    const end = this.#endKey === null ? count : this.#endIn(leaf, this.#endKey);
    this.#leaf = end < count ? 0 : leaf;
    this.#piece = this.#leaves.pool.pieceOf(leaf);
    const first = this.#leaves.entriesOf(leaf);
    this.#at = first + place;
    this.#end = first + end;
  }

  #endIn(leaf: number, end: Uint8Array): number {
    this.#probe.set(end);
    const found = this.#leaves.search(leaf, this.#probe);
    return found < 0 ? ~found : found;
  }
}
