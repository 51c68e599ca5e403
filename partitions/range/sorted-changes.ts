/**
 * What a range in slices has collected so far, in one of three ways: in key order, backwards, or by something else. Only
 * what can be among the first `limit` is kept.
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
  /** The next ones in the order asked for, at most `max`; none when all have been taken. */
  take(max: number): readonly Change[];
}

/** @param limit infinite for none */
export function sortedChanges(request: RangeRequest, limit: number): SortedChanges {
  if (!isSorted(request)) return new InKeyOrder(limit);
  if (isBackwards(request)) return new Backwards(limit);
  if (isByValue(request)) return new Merged(new SlicedSort(compareValues(request), limit), withValues, withoutValues);
  return new Merged(new SlicedSort(compareNumbers(request), limit), same, same);
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

  take(max: number): readonly Change[] {
    const changes = this.#changes.slice(this.#taken, this.#taken + max);
    this.#taken += changes.length;
    return changes;
  }
}

class Backwards implements SortedChanges {
  readonly #limit: number;
  #slices: (readonly Change[])[] = [];
  #count = 0;
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

  take(max: number): readonly Change[] {
    const last = this.#slices.pop();
    if (last === undefined || this.#taken === this.#limit) return [];
    const from = Math.max(0, last.length - Math.min(max, this.#limit - this.#taken));
    if (from > 0) this.#slices.push(last.slice(0, from));
    const changes = last.slice(from).toReversed();
    this.#taken += changes.length;
    return changes;
  }
}

class Merged<T> implements SortedChanges {
  readonly #sort: SlicedSort<T>;
  readonly #wrap: (changes: readonly Change[]) => readonly T[];
  readonly #unwrap: (items: readonly T[]) => readonly Change[];
  #taken = 0;

  /** @param wrap makes of changes what is sorted, and `unwrap` changes of it */
  constructor(
    sort: SlicedSort<T>,
    wrap: (changes: readonly Change[]) => readonly T[],
    unwrap: (items: readonly T[]) => readonly Change[],
  ) {
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

  take(max: number): readonly Change[] {
    const items = this.#sort.sorted.slice(this.#taken, this.#taken + max);
    this.#taken += items.length;
    return this.#unwrap(items);
  }
}

const same = (changes: readonly Change[]): readonly Change[] => changes;
const withValues = (changes: readonly Change[]): readonly ValuedChange[] => changes.map(valued);
const withoutValues = (items: readonly ValuedChange[]): readonly Change[] => items.map(({ change }) => change);
