/**
 * Lists of slots, such as the keys of a lease. A slot is in one list at most, so the links of all lists are one table, in
 * pieces that are made when a slot of theirs is in a list for the first time.
 */
import assert from "node:assert/strict";
import { NO_SLOT, sharedInt32s } from "./slots.ts";

const PIECE_BITS = 12;
const PIECE_MASK = (1 << PIECE_BITS) - 1;

/** The list of one owner. Altered by `SlotLists` alone. */
export class SlotList {
  first = NO_SLOT;
  size = 0;
}

export class SlotLists {
  /** For each slot the one before and the one after it. */
  readonly #pieces: (Int32Array | undefined)[] = [];

  /** Adds a slot that is in no list. */
  add(list: SlotList, slot: number): void {
    this.#setLink(slot, 0, NO_SLOT);
    this.#setLink(slot, 1, list.first);
    if (list.first !== NO_SLOT) this.#setLink(list.first, 0, slot);
    list.first = slot;
    list.size++;
  }

  /** Takes out a slot of this list. */
  remove(list: SlotList, slot: number): void {
    const before = this.#link(slot, 0);
    const after = this.next(slot);
    if (before === NO_SLOT) {
      assert(list.first === slot, "a slot is taken out of its list");
      list.first = after;
    } else {
      this.#setLink(before, 1, after);
    }
    if (after !== NO_SLOT) this.#setLink(after, 0, before);
    list.size--;
  }

  /** The slot after one that is in a list; `NO_SLOT` behind the last one. Newer ones come first. */
  next(slot: number): number {
    return this.#link(slot, 1);
  }

  #link(slot: number, side: 0 | 1): number {
    const piece = this.#pieces[slot >>> PIECE_BITS];
    assert(piece !== undefined, "a slot of a list has links");
    return piece[((slot & PIECE_MASK) << 1) + side];
  }

  #setLink(slot: number, side: 0 | 1, to: number): void {
    const number = slot >>> PIECE_BITS;
    while (this.#pieces.length <= number) this.#pieces.push(undefined);
    const piece = (this.#pieces[number] ??= sharedInt32s(2 << PIECE_BITS));
    piece[((slot & PIECE_MASK) << 1) + side] = to;
  }

  /** Bytes of the links. */
  get bytes(): number {
    let bytes = 0;
    for (const piece of this.#pieces) bytes += piece?.byteLength ?? 0;
    return bytes;
  }

  /** Asserts that a list is chained both ways, and has as many slots as it says. */
  verify(list: SlotList): void {
    let before = NO_SLOT;
    let size = 0;
    for (let slot = list.first; slot !== NO_SLOT; slot = this.next(slot)) {
      assert(this.#link(slot, 0) === before, "a list is chained both ways");
      assert(++size <= list.size, "a list ends");
      before = slot;
    }
    assert(size === list.size, "a list has all its slots");
  }
}
