/**
 * What a range that sorts or filters has collected so far, in one of three ways: in key order, backwards, or by something
 * else. Not much more is kept than can be among the first `limit`.
 */
import type { RangeRequest } from "../../proto/messages.ts";
import { compareNumbers, compareValues, isBackwards, isByValue, isSorted, valued } from "./range-order.ts";
import type { ValuedVersion } from "./range-order.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef, Versions } from "../state/versions.ts";
import { SlicedSort } from "./sliced-sort.ts";

export interface SortedVersions {
  /** Adds the next ones in key order. To be called when `settle` says true. The list is not altered afterwards. */
  add(refs: readonly VersionRef[]): void;
  /**
   * Works for at most so many refs on their order.
   *
   * @param isComplete whether nothing will be added any more
   * @returns true when it can be added to or, once complete, taken from
   */
  settle(maxRefs: number, isComplete: boolean): boolean;
  /** Takes the next one in the order asked for, of which none beyond the limit is to be taken. NO_VERSION when none is left. */
  next(): VersionRef;
}

/** @param limit infinite for none */
export function sortedVersions(request: RangeRequest, versions: Versions, limit: number): SortedVersions {
  if (!isSorted(request)) return new InKeyOrder(limit);
  if (isBackwards(request)) return new Backwards(limit);
  if (isByValue(request)) {
    const withValues = (refs: readonly VersionRef[]) => refs.map((ref) => valued(versions, ref));
    return new Merged(new SlicedSort(compareValues(request), limit), withValues, withoutValue);
  }
  return new Merged(new SlicedSort(compareNumbers(request, versions), limit), asTheyAre, asItIs);
}

class InKeyOrder implements SortedVersions {
  readonly #refs: VersionRef[] = [];
  readonly #limit: number;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(refs: readonly VersionRef[]): void {
    for (const ref of refs) if (this.#refs.length < this.#limit) this.#refs.push(ref);
  }

  settle(): boolean {
    return true;
  }

  next(): VersionRef {
    return this.#taken < this.#refs.length ? this.#refs[this.#taken++] : NO_VERSION;
  }
}

class Backwards implements SortedVersions {
  readonly #limit: number;
  #slices: (readonly VersionRef[])[] = [];
  #count = 0;
  /** How many of the last slice have been taken. */
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(refs: readonly VersionRef[]): void {
    if (refs.length === 0) return;
    this.#slices.push(refs);
    this.#count += refs.length;
    let first = 0;
    while (this.#count - this.#slices[first].length >= this.#limit) this.#count -= this.#slices[first++].length;
    if (first > 0) this.#slices = this.#slices.slice(first);
  }

  settle(): boolean {
    return true;
  }

  next(): VersionRef {
    const last = this.#slices.at(-1);
    if (last === undefined) return NO_VERSION;
    const ref = last[last.length - ++this.#taken];
    if (this.#taken === last.length) {
      this.#slices.pop();
      this.#taken = 0;
    }
    return ref;
  }
}

class Merged<T> implements SortedVersions {
  readonly #sort: SlicedSort<T>;
  readonly #wrap: (refs: readonly VersionRef[]) => readonly T[];
  readonly #unwrap: (item: T) => VersionRef;
  #taken = 0;

  /** @param wrap makes of refs what is sorted, and `unwrap` a change of each */
  constructor(
    sort: SlicedSort<T>,
    wrap: (refs: readonly VersionRef[]) => readonly T[],
    unwrap: (item: T) => VersionRef,
  ) {
    this.#sort = sort;
    this.#wrap = wrap;
    this.#unwrap = unwrap;
  }

  add(refs: readonly VersionRef[]): void {
    this.#sort.add(this.#wrap(refs));
  }

  settle(maxRefs: number, isComplete: boolean): boolean {
    return this.#sort.step(maxRefs, isComplete);
  }

  next(): VersionRef {
    const { sorted } = this.#sort;
    return this.#taken < sorted.length ? this.#unwrap(sorted[this.#taken++]) : NO_VERSION;
  }
}

const asTheyAre = (refs: readonly VersionRef[]): readonly VersionRef[] => refs;
const asItIs = (ref: VersionRef): VersionRef => ref;
const withoutValue = ({ ref }: ValuedVersion): VersionRef => ref;
