/**
 * What a range that sorts or filters has collected so far, in one of three ways: in key order, backwards, or by something
 * else. Not much more is kept than can be among the first `limit`.
 */
import type { RangeRequest } from "../../proto/messages.ts";
import type { Change } from "../state/key-history.ts";
import { compareNumbers, compareValues, isBackwards, isByValue, isSorted, valued } from "./range-order.ts";
import type { ValuedChange } from "./range-order.ts";
import { SlicedSort } from "./sliced-sort.ts";

export interface SortedChanges {
  /** Adds the next ones in key order. To be called when `settle` says true. The list is not altered afterwards. */
  add(changes: readonly Change[]): void;
  /**
   * Works for at most so many changes on their order.
   *
   * @param isComplete whether nothing will be added any more
   * @returns true when it can be added to or, once complete, taken from
   */
  settle(maxChanges: number, isComplete: boolean): boolean;
  /** Takes the next one in the order asked for, of which none beyond the limit is to be taken. Null when none is left. */
  next(): Change | null;
}

/** @param limit infinite for none */
export function sortedChanges(request: RangeRequest, limit: number): SortedChanges {
  if (!isSorted(request)) return new InKeyOrder(limit);
  if (isBackwards(request)) return new Backwards(limit);
  if (isByValue(request)) return new Merged(new SlicedSort(compareValues(request), limit), withValues, withoutValue);
  return new Merged(new SlicedSort(compareNumbers(request), limit), asTheyAre, asItIs);
}

class InKeyOrder implements SortedChanges {
  readonly #changes: Change[] = [];
  readonly #limit: number;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(changes: readonly Change[]): void {
    for (const change of changes) if (this.#changes.length < this.#limit) this.#changes.push(change);
  }

  settle(): boolean {
    return true;
  }

  next(): Change | null {
    return this.#taken < this.#changes.length ? this.#changes[this.#taken++] : null;
  }
}

class Backwards implements SortedChanges {
  readonly #limit: number;
  #slices: (readonly Change[])[] = [];
  #count = 0;
  /** How many of the last slice have been taken. */
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    this.#slices.push(changes);
    this.#count += changes.length;
    let first = 0;
    while (this.#count - this.#slices[first].length >= this.#limit) this.#count -= this.#slices[first++].length;
    if (first > 0) this.#slices = this.#slices.slice(first);
  }

  settle(): boolean {
    return true;
  }

  next(): Change | null {
    const last = this.#slices.at(-1);
    if (last === undefined) return null;
    const change = last[last.length - ++this.#taken];
    if (this.#taken === last.length) {
      this.#slices.pop();
      this.#taken = 0;
    }
    return change;
  }
}

class Merged<T> implements SortedChanges {
  readonly #sort: SlicedSort<T>;
  readonly #wrap: (changes: readonly Change[]) => readonly T[];
  readonly #unwrap: (item: T) => Change;
  #taken = 0;

  /** @param wrap makes of changes what is sorted, and `unwrap` a change of each */
  constructor(sort: SlicedSort<T>, wrap: (changes: readonly Change[]) => readonly T[], unwrap: (item: T) => Change) {
    this.#sort = sort;
    this.#wrap = wrap;
    this.#unwrap = unwrap;
  }

  add(changes: readonly Change[]): void {
    this.#sort.add(this.#wrap(changes));
  }

  settle(maxChanges: number, isComplete: boolean): boolean {
    return this.#sort.step(maxChanges, isComplete);
  }

  next(): Change | null {
    const { sorted } = this.#sort;
    return this.#taken < sorted.length ? this.#unwrap(sorted[this.#taken++]) : null;
  }
}

const asTheyAre = (changes: readonly Change[]): readonly Change[] => changes;
const asItIs = (change: Change): Change => change;
const withValues = (changes: readonly Change[]): readonly ValuedChange[] => changes.map(valued);
const withoutValue = ({ change }: ValuedChange): Change => change;
