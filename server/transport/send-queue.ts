/** The bytes a stream still has to send: a queue of parts that is read piece by piece. */

import assert from "node:assert/strict";

/**
 * What keeping one part costs beside its bytes: the objects of a small buffer. Measured with copied answers of 50 bytes,
 * which took 300.
 */
export const PART_OVERHEAD = 256;

export class SendQueue {
  /** Bytes in the queue. */
  bytes = 0;
  /** What the connection's sums have counted of this queue: its weight, or its memory, and its copies. */
  countedBytes = 0;
  countedCopies = 0;
  /** Memory of the parts that were copied for the queue and are not yet read to their end. */
  copiedBytes = 0;
  #parts: Uint8Array[] = [];
  /** Whether the part was copied for the queue. */
  #copied: boolean[] = [];
  /** The first part that is not yet read to its end. Those before it are gone. */
  #first = 0;
  /** How much of the first part is read. */
  #read = 0;
  /** Parts not yet read to their end that are kept by reference. */
  #references = 0;

  /** Bytes, and what keeping their parts costs: many small messages weigh more than their bytes. */
  get weight(): number {
    return this.bytes + (this.#parts.length - this.#first) * PART_OVERHEAD;
  }

  /** The memory that is there for this queue alone: what is kept by reference costs no more than the reference. */
  get memoryBytes(): number {
    return this.copiedBytes + this.#references * PART_OVERHEAD;
  }

  /** Adds a part that belongs to others and never changes. */
  push(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#references++;
    this.#add(part, false);
  }

  /** Adds a part that was made for this queue. It is not empty. */
  pushCopy(part: Uint8Array): void {
    this.copiedBytes += part.length + PART_OVERHEAD;
    this.#add(part, true);
  }

  /** Moves the next `count` bytes to `target` at `offset`. */
  read(target: Uint8Array, offset: number, count: number): void {
    assert(count <= this.bytes, "the queue holds what is read");
    let left = count;
    let at = offset;
    while (left > 0) {
      const part = this.#parts[this.#first];
      const piece = Math.min(left, part.length - this.#read);
      target.set(piece === part.length ? part : part.subarray(this.#read, this.#read + piece), at);
      at += piece;
      left -= piece;
      this.#read += piece;
      if (this.#read === part.length) this.#next(part);
    }
    this.bytes -= count;
  }

  #add(part: Uint8Array, copied: boolean): void {
    this.#parts.push(part);
    this.#copied.push(copied);
    this.bytes += part.length;
  }

  #next(part: Uint8Array): void {
    if (this.#copied[this.#first]) this.copiedBytes -= part.length + PART_OVERHEAD;
    else this.#references--;
    this.#first++;
    this.#read = 0;
    // The parts read are let go in batches, which keeps this linear.
    if (this.#first >= 64 && this.#first * 2 >= this.#parts.length) {
      this.#parts = this.#parts.slice(this.#first);
      this.#copied = this.#copied.slice(this.#first);
      this.#first = 0;
    } else {
      this.#parts[this.#first - 1] = NOTHING;
    }
  }
}

const NOTHING = new Uint8Array(0);
