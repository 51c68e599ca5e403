/**
 * Room for the bytes of very many events, one behind the other. With memory of its own each of a million would be an object
 * that is kept, and the collection of garbage, which moves what is new, took turns of 30 to 130 ms.
 */
import { Buffer } from "node:buffer";

const CHUNK_BYTES = 64 * 1024;

export class EventPacker {
  #chunk = Buffer.alloc(0);
  #used = 0;

  /** Room for one more event. What is larger than a chunk has memory of its own. */
  room(bytes: number): Buffer {
    if (bytes > CHUNK_BYTES) return Buffer.allocUnsafeSlow(bytes);
    if (this.#used + bytes > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += bytes;
    return this.#chunk.subarray(at, this.#used);
  }
}

/** One for each form of an event: so those of one form follow one another. */
export class EventPackers {
  readonly plain = new EventPacker();
  readonly withPrevKv = new EventPacker();
}
