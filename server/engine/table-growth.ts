/**
 * How much of the heap a Map takes at once when it grows, which it does not do little by little: V8 copies it into a table of
 * twice as many places when it is full, and the old one stays until garbage is collected. Removed entries keep their places
 * until then; where they are half of all, the new table has as many places as the old one.
 */

const PLACES_MIN = 4;

/** Key, value and the next one of its bucket, and of two places one bucket: words of eight bytes. */
const PLACE_BYTES = 3.5 * 8;

export class TableGrowth {
  #places = PLACES_MIN;
  #used = 0;
  #removed = 0;

  /** An entry was added that was not there. */
  add(): void {
    if (this.#used === this.#places) {
      this.#places = this.#placesNext();
      this.#used -= this.#removed;
      this.#removed = 0;
    }
    this.#used++;
  }

  /** An entry was removed. */
  remove(): void {
    this.#removed++;
    const left = this.#used - this.#removed;
    if (left >= this.#places / 4 || this.#places === PLACES_MIN) return;
    this.#places /= 2;
    this.#used = left;
    this.#removed = 0;
  }

  /** Bytes of the next table when no more than a share of the places is left; else 0. */
  bytesIfLeft(share: number): number {
    return this.#places - this.#used <= share * this.#places ? this.#placesNext() * PLACE_BYTES : 0;
  }

  #placesNext(): number {
    return this.#removed >= this.#places / 2 ? this.#places : 2 * this.#places;
  }
}
