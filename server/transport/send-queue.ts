/** The bytes a stream still has to send: a queue of parts that is read piece by piece. Parts are kept by reference. */

import assert from "node:assert/strict";

/** What keeping one part costs beside its bytes. */
const PART_OVERHEAD = 64;

export class SendQueue {
  /** Bytes in the queue. */
  bytes = 0;
  #parts: Uint8Array[] = [];
  /** The first part that is not yet read to its end. Those before it are gone. */
  #first = 0;
  /** How much of the first part is read. */
  #read = 0;

  /** Roughly the memory the queue holds: many small messages weigh more than their bytes. */
  get weight(): number {
    return this.bytes + (this.#parts.length - this.#first) * PART_OVERHEAD;
  }

  push(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.bytes += part.length;
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
      if (this.#read === part.length) this.#next();
    }
    this.bytes -= count;
  }

  #next(): void {
    this.#first++;
    this.#read = 0;
    // The parts read are let go in batches, which keeps this linear.
    if (this.#first >= 64 && this.#first * 2 >= this.#parts.length) {
      this.#parts = this.#parts.slice(this.#first);
      this.#first = 0;
    } else {
      this.#parts[this.#first - 1] = NOTHING;
    }
  }
}

const NOTHING = new Uint8Array(0);
