/**
 * A piece of the key hash: an open table of (slot, hash) pairs with linear probing. All its hashes share their first
 * `depth` bits. An entry lies at its home, which the last bits of its hash name, or behind it without a gap between; one
 * that is removed is filled by those behind it, so that no marks of removed ones are left.
 */
import assert from "node:assert/strict";

export const PAIR_BYTES = 8;

export class HashSegment {
  /** Slot, hash, slot, hash …; slot 0 is a free place. SharedArrayBuffer, since V8 collects garbage for each few MiB of others. */
  pairs: Int32Array;
  count = 0;
  depth: number;

  constructor(capacity: number, depth: number) {
    this.pairs = newPairs(capacity);
    this.depth = depth;
  }

  get capacity(): number {
    return this.pairs.length >>> 1;
  }

  /** Whether one more would make probing long. */
  get isFull(): boolean {
    return this.count >= this.capacity * 0.75;
  }

  add(slot: number, hash: number): void {
    assert(this.count < this.capacity, "a segment has room for what is added");
    const { pairs } = this;
    const mask = pairs.length - 2;
    let at = (hash << 1) & mask;
    while (pairs[at] !== 0) at = (at + 2) & mask;
    pairs[at] = slot;
    pairs[at + 1] = hash;
    this.count++;
  }

  remove(slot: number, hash: number): void {
    const { pairs } = this;
    const mask = pairs.length - 2;
    let hole = (hash << 1) & mask;
    while (pairs[hole] !== slot) {
      assert(pairs[hole] !== 0, "only a slot of the segment is removed");
      hole = (hole + 2) & mask;
    }
    for (let at = (hole + 2) & mask; pairs[at] !== 0; at = (at + 2) & mask) {
      const home = (pairs[at + 1] << 1) & mask;
      // One whose home lies behind the hole stays: before its home nobody would look for it.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      pairs[hole] = pairs[at];
      pairs[hole + 1] = pairs[at + 1];
      hole = at;
    }
    pairs[hole] = 0;
    pairs[hole + 1] = 0;
    this.count--;
  }

  grow(): void {
    const before = this.pairs;
    this.pairs = newPairs(this.capacity * 2);
    this.count = 0;
    this.#addAll(before);
  }

  /** Gives those whose next bit is 1 to a new segment, which has room for twice as many if this one has. */
  split(capacityMin: number): HashSegment {
    const before = this.pairs.slice();
    const bit = 1 << (31 - this.depth);
    let ones = 0;
    for (let at = 0; at < before.length; at += 2) if (before[at] !== 0 && (before[at + 1] & bit) !== 0) ones++;
    let capacity = capacityMin;
    while (capacity < ones * 2 && capacity < this.capacity) capacity *= 2;
    this.depth++;
    const other = new HashSegment(capacity, this.depth);
    // This one's own memory is used again: freed memory of many splits would wait for the garbage collector.
    this.pairs.fill(0);
    this.count = 0;
    for (let at = 0; at < before.length; at += 2) {
      if (before[at] === 0) continue;
      if ((before[at + 1] & bit) === 0) this.add(before[at], before[at + 1]);
      else other.add(before[at], before[at + 1]);
    }
    return other;
  }

  /** Takes what a segment has that differs from this one in the last of the bits that are shared. */
  merge(other: HashSegment): void {
    assert(this.depth === other.depth && this.depth > 0, "those that are merged are halves of one");
    this.depth--;
    this.#addAll(other.pairs);
  }

  /** All pairs; each is found from its home without a gap. */
  *verifiedPairs(): Generator<{ slot: number; hash: number }> {
    const { pairs } = this;
    const mask = pairs.length - 2;
    assert(this.count < this.capacity, "a search for what is not there ends at a free place");
    for (let at = 0; at < pairs.length; at += 2) {
      if (pairs[at] === 0) continue;
      const hash = pairs[at + 1];
      for (let i = (hash << 1) & mask; i !== at; i = (i + 2) & mask) {
        assert(pairs[i] !== 0, "there is no gap between a pair and its home");
      }
      yield { slot: pairs[at], hash };
    }
  }

  #addAll(pairs: Int32Array): void {
    for (let at = 0; at < pairs.length; at += 2) if (pairs[at] !== 0) this.add(pairs[at], pairs[at + 1]);
  }
}

function newPairs(capacity: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(capacity * PAIR_BYTES));
}
