/**
 * The keys that are kept, as small numbers: each slot is one key and holds the ref of its newest record. A slot is used
 * again when its key has been forgotten. The table grows piece by piece and is never copied.
 */
import assert from "node:assert/strict";

const PIECE_BITS = 14;
const PIECE_SLOTS = 1 << PIECE_BITS;
const PIECE_MASK = PIECE_SLOTS - 1;

/** No key. */
export const NO_SLOT = 0;

export class Slots {
  readonly #pieces: Int32Array[] = [];
  /** All slots from it on were never used. */
  #end = 1;
  /** Free slots below `#end`; each holds the next one. */
  #firstFree = NO_SLOT;
  #size = 0;

  /** How many are used. */
  get size(): number {
    return this.#size;
  }

  /** All slots are below it. */
  get end(): number {
    return this.#end;
  }

  /** Bytes of the table. */
  get bytes(): number {
    return this.#pieces.length * PIECE_SLOTS * Int32Array.BYTES_PER_ELEMENT;
  }

  /** A slot without a record. */
  take(): number {
    this.#size++;
    let slot = this.#firstFree;
    if (slot === NO_SLOT) {
      slot = this.#end++;
      assert(slot < 2 ** 31 - 1, "slots are positive int32s");
      if (slot >>> PIECE_BITS === this.#pieces.length) this.#pieces.push(sharedInt32s(PIECE_SLOTS));
    } else {
      this.#firstFree = this.newest(slot);
    }
    this.setNewest(slot, 0);
    return slot;
  }

  /** Gives back a slot that has no record any more. */
  give(slot: number): void {
    assert(slot > NO_SLOT && slot < this.#end && this.newest(slot) === 0, "a slot is free when its records are");
    this.setNewest(slot, this.#firstFree);
    this.#firstFree = slot;
    this.#size--;
  }

  /** The ref of the newest record of a used slot. */
  newest(slot: number): number {
    return this.#pieces[slot >>> PIECE_BITS][slot & PIECE_MASK];
  }

  setNewest(slot: number, ref: number): void {
    this.#pieces[slot >>> PIECE_BITS][slot & PIECE_MASK] = ref;
  }

  /** All used slots, for checks: it takes as long as there are slots. */
  used(): number[] {
    const free = new Set<number>();
    for (let slot = this.#firstFree; slot !== NO_SLOT; slot = this.newest(slot)) {
      assert(slot < this.#end && !free.has(slot), "the list of free slots ends");
      free.add(slot);
    }
    const used: number[] = [];
    for (let slot = 1; slot < this.#end; slot++) if (!free.has(slot)) used.push(slot);
    assert(used.length === this.#size, "every slot is used or free");
    return used;
  }
}

/** Zeros that put no pressure on garbage collection. */
export function sharedInt32s(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
}
