/**
 * Lets go of the streams of connections that are gone, a limited number in each turn of the event loop: a connection may
 * have a quarter of a million, each with something that hangs on it, and many connections may be lost at once.
 */

/** A few milliseconds' worth. */
const STREAMS_PER_TURN_MAX = 500;

/** Streams that are to be let go of. */
export interface Leaving {
  /** How many there still are. */
  readonly length: number;
  /** Lets go of the next `count`, of which there are as many. */
  release(count: number): void;
}

export class Releases {
  readonly #leaving: Leaving[] = [];
  /** How many streams may still go in this turn. */
  #left = STREAMS_PER_TURN_MAX;
  #turnExpected = false;

  /** Few go at once. */
  add(leaving: Leaving): void {
    this.#leaving.push(leaving);
    this.#work();
  }

  #work(): void {
    while (this.#left > 0 && this.#leaving.length > 0) {
      const [first] = this.#leaving;
      const count = Math.min(this.#left, first.length);
      this.#left -= count;
      first.release(count);
      if (first.length === 0) this.#leaving.shift();
    }
    if (this.#turnExpected || this.#left === STREAMS_PER_TURN_MAX) return;
    this.#turnExpected = true;
    setImmediate(() => {
      this.#turnExpected = false;
      this.#left = STREAMS_PER_TURN_MAX;
      this.#work();
    });
  }
}
