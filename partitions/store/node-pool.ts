/**
 * Memory for nodes of one size, in pieces of many nodes each. A node is a number: its piece and its place there. A node
 * that is freed is given out again before memory is taken, the lowest piece first; a piece whose nodes are all free goes
 * back to the system, but for one spare.
 */
import assert from "node:assert/strict";

const PLACE_BITS = 6;
const PLACES = 1 << PLACE_BITS;
const NO_MEMORY = new Int32Array(new SharedArrayBuffer(0));

export class NodePool {
  readonly nodeWords: number;
  readonly #pieces: Int32Array[] = [];
  /** The first free node of each piece, or 0, which is no node; the first word of a free one names the next. */
  readonly #free: number[] = [];
  readonly #used: number[] = [];
  /** No piece before it has a free node. */
  #lowest = 0;
  #count = 0;
  #withMemory = 0;
  #spare = 0;

  constructor(nodeWords: number) {
    this.nodeWords = nodeWords;
  }

  /** How many nodes are in use. */
  get count(): number {
    return this.#count;
  }

  /** How many bytes of memory it takes, those of free nodes, too. */
  get bytes(): number {
    return this.#withMemory * PLACES * this.nodeWords * Int32Array.BYTES_PER_ELEMENT;
  }

  /** The memory in which a node lies. */
  pieceOf(node: number): Int32Array {
    return this.#pieces[node >>> PLACE_BITS];
  }

  /** Where in its piece a node begins. */
  baseOf(node: number): number {
    return (node & (PLACES - 1)) * this.nodeWords;
  }

  /** A node whose words are whatever they were. */
  allocate(): number {
    while (this.#lowest < this.#pieces.length && this.#free[this.#lowest] === 0) this.#lowest++;
    const at = this.#lowest;
    if (at === this.#pieces.length || this.#pieces[at] === NO_MEMORY) this.#addMemory(at);
    const node = this.#free[at];
    this.#free[at] = this.pieceOf(node)[this.baseOf(node)];
    if (this.#used[at]++ === 0) this.#spare--;
    this.#count++;
    return node;
  }

  free(node: number): void {
    const at = node >>> PLACE_BITS;
    assert(this.#used[at] > 0, "only a node in use is freed");
    this.pieceOf(node)[this.baseOf(node)] = this.#free[at];
    this.#free[at] = node;
    this.#lowest = Math.min(this.#lowest, at);
    this.#count--;
    if (--this.#used[at] > 0) return;
    if (this.#spare === 0) {
      this.#spare = 1;
    } else {
      this.#pieces[at] = NO_MEMORY;
      this.#withMemory--;
    }
  }

  #addMemory(at: number): void {
    // SharedArrayBuffer, since V8 collects garbage for each few MiB of other memory outside its heap.
    const bytes = PLACES * this.nodeWords * Int32Array.BYTES_PER_ELEMENT;
    const piece = new Int32Array(new SharedArrayBuffer(bytes));
    const first = at << PLACE_BITS;
    for (let place = 0; place < PLACES - 1; place++) piece[place * this.nodeWords] = first + place + 1;
    this.#pieces[at] = piece;
    this.#free[at] = first === 0 ? 1 : first;
    this.#used[at] = 0;
    this.#withMemory++;
    this.#spare++;
  }
}
