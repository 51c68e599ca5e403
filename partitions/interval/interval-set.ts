/** A set of half-open key intervals that answers what of the keys is covered. Keys are latin1 strings: their order is byte order. */
import type { Interval } from "./interval.ts";

export class IntervalSet {
  /** Sorted, disjoint and not touching, so both arrays ascend together. */
  readonly #starts: string[] = [];
  readonly #ends: string[] = [];

  /** Adds [start, end). An interval with end <= start is empty and adds nothing. */
  add(start: string, end: string): void {
    if (end <= start) return;
    // Every interval from `first` up to before `last` overlaps or touches the new one and melts into it.
    const first = lowerBound(this.#ends, start);
    const last = upperBound(this.#starts, end);
    let mergedStart = start;
    let mergedEnd = end;
    if (first < last) {
      if (this.#starts[first] < mergedStart) mergedStart = this.#starts[first];
      if (this.#ends[last - 1] > mergedEnd) mergedEnd = this.#ends[last - 1];
    }
    this.#starts.splice(first, last - first, mergedStart);
    this.#ends.splice(first, last - first, mergedEnd);
  }

  addAll(other: IntervalSet): void {
    for (let i = 0; i < other.#starts.length; i++) this.add(other.#starts[i], other.#ends[i]);
  }

  /** Those of the set, in order. */
  *intervals(): Generator<Interval> {
    for (let i = 0; i < this.#starts.length; i++) yield { start: this.#starts[i], end: this.#ends[i] };
  }

  has(key: string): boolean {
    const after = upperBound(this.#starts, key);
    return after > 0 && key < this.#ends[after - 1];
  }

  /** Whether all of [start, end) is covered. Of an empty interval: whether one of the set holds both its ends. */
  covers(start: string, end: string): boolean {
    const after = upperBound(this.#starts, start);
    if (after === 0) return false;
    const holdsStart = start < this.#ends[after - 1];
    return holdsStart && end <= this.#ends[after - 1] && end > this.#starts[after - 1];
  }
}

/** The first index whose element is >= value. */
function lowerBound(sorted: readonly string[], value: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first index whose element is > value. */
function upperBound(sorted: readonly string[], value: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
