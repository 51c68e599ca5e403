/** Counts events and tells when more than a number of them came within a second. Costs no clock until the number is met. */
export class RateLimit {
  readonly #perSecondMax: number;
  #count = 0;
  #since = performance.now();

  constructor(perSecondMax: number) {
    this.#perSecondMax = perSecondMax;
  }

  /** Counts one event, or one that counts as several. True when it is too many. */
  exceeded(weight = 1): boolean {
    this.#count += weight;
    if (this.#count <= this.#perSecondMax) return false;
    const now = performance.now();
    if (now - this.#since < 1000) return true;
    this.#since = now;
    this.#count = weight;
    return false;
  }

  /** Takes one event back. */
  forgive(): void {
    if (this.#count > 0) this.#count--;
  }
}
