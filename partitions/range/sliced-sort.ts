/**
 * Sorts a long list in slices: a stable merge sort that can stop after any number of items and go on later. Each slice
 * that is added becomes a sorted run, and runs of about the same length are merged as they come:
 *
 *     runs   [8000] [2000] [1000]   + a slice of 1000   ──►   [8000] [4000]
 *
 * A run is more than half as long again as the one behind it, so there are few of them and every item is merged a
 * logarithmic number of times. With a limit no run is longer than that, however much is added.
 */
import assert from "node:assert/strict";

export type Compare<T> = (a: T, b: T) => number;

export class SlicedSort<T> {
  readonly #compare: Compare<T>;
  readonly #limit: number;
  readonly #runs: T[][] = [];
  #merge: Merge<T> | null = null;

  /** @param limit how many of the first items are wanted; infinite for all */
  constructor(compare: Compare<T>, limit: number) {
    assert(limit > 0, "something is wanted");
    this.#compare = compare;
    this.#limit = limit;
  }

  /** Adds items. Equal ones keep the order in which they were added. To be called when `step` says true. */
  add(slice: readonly T[]): void {
    assert(this.#merge === null, "runs are merged before one is added");
    if (slice.length === 0) return;
    const run = slice.toSorted(this.#compare);
    if (run.length > this.#limit) run.length = this.#limit;
    this.#runs.push(run);
  }

  /**
   * Merges at most `maxItems`.
   *
   * @param isComplete whether nothing will be added any more
   * @returns true when nothing is left to do until the next `add`
   */
  step(maxItems: number, isComplete: boolean): boolean {
    assert(maxItems > 0, "a step makes progress");
    for (let left = maxItems; left > 0;) {
      this.#merge ??= this.#nextMerge(isComplete);
      if (this.#merge === null) return true;
      left -= this.#merge.step(left);
      if (!this.#merge.finished) return false;
      this.#runs.push(this.#merge.merged);
      this.#merge = null;
    }
    return false;
  }

  /** What was wanted, in its order. To be asked when `step` has said true with nothing to be added any more. */
  get sorted(): readonly T[] {
    assert(this.#merge === null && this.#runs.length <= 1, "all has been merged");
    return this.#runs[0] ?? [];
  }

  #nextMerge(isComplete: boolean): Merge<T> | null {
    const runs = this.#runs;
    if (runs.length < 2) return null;
    const [left, right] = runs.slice(-2);
    if (!isComplete && left.length >= 2 * right.length) return null;
    runs.length -= 2;
    return new Merge(left, right, this.#compare, this.#limit);
  }
}

/** Two runs on their way to be one. */
class Merge<T> {
  readonly merged: T[] = [];
  readonly #left: readonly T[];
  readonly #right: readonly T[];
  readonly #compare: Compare<T>;
  readonly #length: number;
  #leftAt = 0;
  #rightAt = 0;

  constructor(left: readonly T[], right: readonly T[], compare: Compare<T>, limit: number) {
    this.#left = left;
    this.#right = right;
    this.#compare = compare;
    this.#length = Math.min(limit, left.length + right.length);
  }

  get finished(): boolean {
    return this.merged.length === this.#length;
  }

  /** Merges at most `maxItems` and says how many it was. */
  step(maxItems: number): number {
    const merged = this.merged;
    const left = this.#left;
    const right = this.#right;
    const before = merged.length;
    const end = Math.min(this.#length, before + maxItems);
    while (merged.length < end) {
      const takesLeft =
        this.#rightAt === right.length ||
        (this.#leftAt < left.length && this.#compare(left[this.#leftAt], right[this.#rightAt]) <= 0);
      merged.push(takesLeft ? left[this.#leftAt++] : right[this.#rightAt++]);
    }
    return merged.length - before;
  }
}
