/** Gathers the bytes of a file in chunks of one size, of which who takes them says where they lie. */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";

export interface ChunkTaker {
  /** Memory for the next chunk, as long as a chunk is. */
  next(): Buffer;
  /** It is full, or the last one: its first bytes count. */
  take(chunk: Buffer, bytes: number): void;
}

export class ChunkWriter {
  readonly #taker: ChunkTaker;
  #chunk: Buffer | null = null;
  #length = 0;

  constructor(taker: ChunkTaker) {
    this.#taker = taker;
  }

  write(bytes: Buffer, from: number, to: number): void {
    for (let at = from; at < to;) {
      const chunk = this.#room();
      const count = Math.min(to - at, chunk.length - this.#length);
      bytes.copy(chunk, this.#length, at, at + count);
      at += count;
      this.#advance(chunk, count);
    }
  }

  zeros(bytes: number): void {
    assert(bytes >= 0, "a page is not longer than its pages");
    for (let left = bytes; left > 0;) {
      const chunk = this.#room();
      const count = Math.min(left, chunk.length - this.#length);
      chunk.fill(0, this.#length, this.#length + count);
      left -= count;
      this.#advance(chunk, count);
    }
  }

  /** Gives what is left as the last chunk. */
  end(): void {
    if (this.#chunk !== null) this.#give(this.#chunk);
  }

  #room(): Buffer {
    return (this.#chunk ??= this.#taker.next());
  }

  #advance(chunk: Buffer, count: number): void {
    this.#length += count;
    if (this.#length === chunk.length) this.#give(chunk);
  }

  #give(chunk: Buffer): void {
    const bytes = this.#length;
    this.#chunk = null;
    this.#length = 0;
    this.#taker.take(chunk, bytes);
  }
}
