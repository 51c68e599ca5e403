/**
 * Leases by the time they run out (LS-15), as they were at one moment, brought into that order in steps with other work
 * between them. What it keeps of each lease are sixteen bytes outside of the heap, which leases may have filled:
 *
 *     leases ──slice by slice──► sorted runs   [3 5 9] [1 4 8] [2 6 7]   ──the least of all heads──►   1 2 3 …
 */

import { MergeHeap } from "../../partitions/state/merge-heap.ts";

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
  readonly #runs: Run[] = [];
  /** Of the runs, when all have been taken. */
  #merged: MergeHeap<Run> | null = null;

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
    return this.#merged !== null && this.#merged.first === null;
  }

  /** A lease goes; it is listed if it was there at the beginning. */
  keep(lease: Expiring): void {
    if (this.#merged !== null || lease.number <= this.#takenNumber || lease.number > this.#lastNumber) return;
    this.#gone.push(lease);
  }

  /** Works for about so many leases, and gives at most so many of the next ids: none before the order is known. */
  next(maxLeases: number): bigint[] {
    const merged = this.#merged;
    if (merged === null) {
      this.#take(maxLeases);
      return [];
    }
    const ids: bigint[] = [];
    for (let run = merged.first; run !== null && ids.length < maxLeases; run = merged.first) {
      ids.push(run.take());
      merged.taken(run.isEmpty);
    }
    return ids;
  }

  /** Nobody asks for more. */
  end(): void {
    this.#onEnd(this);
  }

  #take(maxLeases: number): void {
    const slice = this.#gone;
    this.#gone = [];
    let isComplete = false;
    for (let left = maxLeases; left > 0 && !isComplete; left--) {
      const { done, value } = this.#leases.next();
      if (done === true || value.number > this.#lastNumber) {
        isComplete = true;
      } else {
        this.#takenNumber = value.number;
        slice.push(value);
      }
    }
    if (slice.length > 0) this.#runs.push(new Run(slice, this.#runs.length));
    if (isComplete) this.#merged = new MergeHeap(this.#runs);
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
