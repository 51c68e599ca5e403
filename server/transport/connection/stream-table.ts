/**
 * The open streams of one connection by id.
 *
 * Client ids are odd and ascend, so most streams sit in a ring indexed by id, which costs a few nanoseconds where a Map
 * costs fifty. A stream that lives long (a watch) is met again when the ids have gone round the ring: it then moves to a
 * Map, and the newcomer takes the slot. The ring doubles while it is the number of streams that causes collisions.
 */

import assert from "node:assert/strict";

const INITIAL_SLOTS = 64;
const SLOTS_MAX = 16_384;

interface WithId {
  readonly id: number;
}

export class StreamTable<S extends WithId> {
  length = 0;
  #ring: (S | null)[] = Array.from({ length: INITIAL_SLOTS }, () => null);
  readonly #overflow = new Map<number, S>();

  get(id: number): S | null {
    const stream = this.#ring[(id >>> 1) & (this.#ring.length - 1)];
    if (stream !== null && stream.id === id) return stream;
    return this.#overflow.size === 0 ? null : (this.#overflow.get(id) ?? null);
  }

  /** Adds a stream whose id is not in the table. */
  insert(stream: S): void {
    this.length++;
    let index = (stream.id >>> 1) & (this.#ring.length - 1);
    if (this.#ring[index] !== null && this.length * 2 > this.#ring.length && this.#ring.length < SLOTS_MAX) {
      this.#double();
      index = (stream.id >>> 1) & (this.#ring.length - 1);
    }
    const occupant = this.#ring[index];
    if (occupant !== null) {
      assert(occupant.id !== stream.id, "stream ids are unique");
      this.#overflow.set(occupant.id, occupant);
    }
    this.#ring[index] = stream;
  }

  /** Removes a stream that is in the table. */
  delete(stream: S): void {
    this.length--;
    const index = (stream.id >>> 1) & (this.#ring.length - 1);
    if (this.#ring[index] === stream) {
      this.#ring[index] = null;
    } else {
      const removed = this.#overflow.delete(stream.id);
      assert(removed, "the stream is in the table");
    }
  }

  /** All streams, as a copy: the caller may change the table while it goes through them. */
  all(): S[] {
    const streams = [...this.#overflow.values()];
    for (const stream of this.#ring) if (stream !== null) streams.push(stream);
    return streams;
  }

  /** Two streams of different slots have different slots in the larger ring too. */
  #double(): void {
    const smaller = this.#ring;
    this.#ring = Array.from({ length: smaller.length * 2 }, () => null);
    for (const stream of smaller) {
      if (stream !== null) this.#ring[(stream.id >>> 1) & (this.#ring.length - 1)] = stream;
    }
  }
}
