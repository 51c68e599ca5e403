/** Leases by the time they run out (LS-15), brought into that order in steps with other work between them. */
import { SlicedSort } from "../../partitions/range/sliced-sort.ts";

/** When a lease runs out. */
export interface Expiring {
  readonly id: bigint;
  readonly atMs: number;
}

export class LeaseOrder {
  readonly #leases: readonly Expiring[];
  readonly #sort = new SlicedSort<Expiring>((a, b) => a.atMs - b.atMs, Number.POSITIVE_INFINITY);
  #added = 0;
  #given = 0;

  /** @param leases all that shall be listed; they may be renewed meanwhile */
  constructor(leases: readonly Expiring[]) {
    this.#leases = leases;
  }

  /** Whether all ids have been given. */
  get finished(): boolean {
    return this.#given === this.#leases.length;
  }

  /** Works for about so many leases, and gives at most so many of the next ids: none before the order is known. */
  next(maxLeases: number): bigint[] {
    const isComplete = this.#added === this.#leases.length;
    if (!this.#sort.step(maxLeases, isComplete)) return [];
    if (!isComplete) {
      const slice = this.#leases.slice(this.#added, this.#added + maxLeases);
      // A renewal may not move one that has its place.
      this.#sort.add(slice.map(({ id, atMs }) => ({ id, atMs })));
      this.#added += slice.length;
      return [];
    }
    const ids = this.#sort.sorted.slice(this.#given, this.#given + maxLeases).map(({ id }) => id);
    this.#given += ids.length;
    return ids;
  }
}
