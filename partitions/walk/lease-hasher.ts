/** The hash of the leases of one moment, in the order of their ids, made step by step. */
import { crc32 } from "node:zlib";
import type { Lease, LeaseTable } from "../state/lease-table.ts";
import { SlicedSort } from "../range/sliced-sort.ts";

export class LeaseHasher {
  /** Whose ids and TTLs never change. */
  readonly #leases: readonly Lease[];
  readonly #sort = new SlicedSort(byId, Number.POSITIVE_INFINITY);
  #added = 0;
  #hashed = 0;
  #hash = 0;

  constructor(leases: LeaseTable) {
    this.#leases = [...leases.values()];
  }

  /** The hash, when `step` has said true. */
  get hash(): number {
    return this.#hash;
  }

  /** Looks at no more than `maxLeases`. True when all have been hashed. */
  step(maxLeases: number): boolean {
    const { length } = this.#leases;
    if (!this.#sort.step(maxLeases, this.#added === length)) return false;
    if (this.#added < length) {
      const end = Math.min(length, this.#added + maxLeases);
      this.#sort.add(this.#leases.slice(this.#added, end));
      this.#added = end;
      return false;
    }
    const end = Math.min(length, this.#hashed + maxLeases);
    const lines = this.#sort.sorted.slice(this.#hashed, end).map(({ id, ttl }) => `lease ${id} ${ttl}\n`);
    this.#hash = crc32(lines.join(""), this.#hash);
    this.#hashed = end;
    return end === length;
  }
}

const byId = (a: Lease, b: Lease): number => (a.id < b.id ? -1 : 1);
