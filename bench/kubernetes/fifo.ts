/** A queue that does not move what waits in it: `shift` of a long array does. */

/** So many taken entries are kept until they are dropped together. */
const TAKEN_MAX = 1024;

export class Fifo<T> {
  #entries: T[] = [];
  #taken = 0;

  get length(): number {
    return this.#entries.length - this.#taken;
  }

  /** The entry that is taken next; none when it is empty. */
  get head(): T | undefined {
    return this.#entries[this.#taken];
  }

  push(entry: T): void {
    this.#entries.push(entry);
  }

  take(): T | undefined {
    if (this.length === 0) return undefined;
    const entry = this.#entries[this.#taken++];
    if (this.#taken > TAKEN_MAX && this.#taken * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#taken);
      this.#taken = 0;
    }
    return entry;
  }
}
