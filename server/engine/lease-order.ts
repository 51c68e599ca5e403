/**
 * Leases by the time they run out (LS-15), as they were at one moment, brought into that order in steps with other work
 * between them. What it keeps of each lease are sixteen bytes outside of the heap, which leases may have filled:
 *
 *     leases ──slice by slice──► sorted runs   [3 5 9] [1 4 8] [2 6 7]   ──the least of all heads──►   1 2 3 …
 */

/** When a lease runs out. */
export interface Expiring {
  readonly id: bigint;
  readonly atMs: number;
  /** Its place in the order of grants. */
  readonly number: number;
}

export class LeaseOrder {
  readonly #leases: Iterator<Expiring>;
  readonly #lastNumber: number;
  readonly #onEnd: (order: LeaseOrder) => void;
  /** All up to this number have been taken. */
  #takenNumber = 0;
  /** They went before they were taken. */
  #gone: Expiring[] = [];
  #isComplete = false;
  /** When all is taken, a heap: no run's next lease runs out before that of its parent, at half its index. */
  readonly #runs: Run[] = [];

  /**
   * @param leases in the order of their grants; more may be granted meanwhile, and others renewed
   * @param lastNumber of the last one that shall be listed
   */
  constructor(leases: Iterator<Expiring>, lastNumber: number, onEnd: (order: LeaseOrder) => void) {
    this.#leases = leases;
    this.#lastNumber = lastNumber;
    this.#onEnd = onEnd;
  }

  /** Whether all ids have been given. */
  get finished(): boolean {
    return this.#isComplete && this.#runs.length === 0;
  }

  /** A lease goes; it is listed if it was there at the beginning. */
  keep(lease: Expiring): void {
    if (this.#isComplete || lease.number <= this.#takenNumber || lease.number > this.#lastNumber) return;
    this.#gone.push(lease);
  }

  /** Works for about so many leases, and gives at most so many of the next ids: none before the order is known. */
  next(maxLeases: number): bigint[] {
    if (!this.#isComplete) {
      this.#take(maxLeases);
      return [];
    }
    const ids: bigint[] = [];
    while (ids.length < maxLeases && this.#runs.length > 0) ids.push(this.#takeFirst());
    return ids;
  }

  /** Nobody asks for more. */
  end(): void {
    this.#onEnd(this);
  }

  #take(maxLeases: number): void {
    const slice = this.#gone;
    this.#gone = [];
    for (let left = maxLeases; left > 0 && !this.#isComplete; left--) {
      const { done, value } = this.#leases.next();
      if (done === true || value.number > this.#lastNumber) {
        this.#isComplete = true;
      } else {
        this.#takenNumber = value.number;
        slice.push(value);
      }
    }
    if (slice.length > 0) this.#runs.push(new Run(slice, this.#runs.length));
    // What is in order is a heap.
    if (this.#isComplete) this.#runs.sort((a, b) => (a.isBefore(b) ? -1 : 1));
  }

  #takeFirst(): bigint {
    const runs = this.#runs;
    const id = runs[0].take();
    if (runs[0].isEmpty) {
      const last = runs.pop() as Run; // There is one.
      if (runs.length === 0) return id;
      runs[0] = last;
    }
    const moved = runs[0];
    let at = 0;
    for (let child = 1; child < runs.length; child = 2 * at + 1) {
      if (child + 1 < runs.length && runs[child + 1].isBefore(runs[child])) child++;
      if (!runs[child].isBefore(moved)) break;
      runs[at] = runs[child];
      at = child;
    }
    runs[at] = moved;
    return id;
  }
}

/** Some leases in order. */
class Run {
  readonly #number: number;
  readonly #ids: BigInt64Array;
  readonly #times: Float64Array;
  #at = 0;

  constructor(leases: readonly Expiring[], number: number) {
    const sorted = leases.toSorted((a, b) => a.atMs - b.atMs);
    this.#number = number;
    this.#ids = BigInt64Array.from(sorted, ({ id }) => id);
    this.#times = Float64Array.from(sorted, ({ atMs }) => atMs);
  }

  get isEmpty(): boolean {
    return this.#at === this.#ids.length;
  }

  take(): bigint {
    return this.#ids[this.#at++];
  }

  isBefore(other: Run): boolean {
    const difference = this.#times[this.#at] - other.#times[other.#at];
    return difference < 0 || (difference === 0 && this.#number < other.#number);
  }
}
