/** Where the elements of a bucket come from: step by step, in key order, and once more after a `rewind`. */
import { Buffer } from "node:buffer";
import type { RetainedEntry } from "../../partitions/walk/retained-entry.ts";
import type { RetainedWalk } from "../../partitions/walk/retained-walk.ts";
import { SlicedSort } from "../../partitions/range/sliced-sort.ts";
import type { Lease } from "../../partitions/state/lease-table.ts";
import { leaseEntry } from "./entries.ts";
import type { Entry } from "./entries.ts";
import { KEY_BUCKET, LEASE_BUCKET } from "./schema.ts";

/** Is given an element whose value is `value[from .. to)`, and copies it; in a plan it looks at the lengths alone. */
export type AddElement = (key: Buffer, value: Buffer, from: number, to: number) => void;

export interface BucketSource {
  readonly name: string;
  /** Gives about `maxLooks` elements, and no further one when they have `maxBytes`. True when there are no more. */
  step(maxLooks: number, maxBytes: number, add: AddElement): boolean;
  /** Goes back to the first element. */
  rewind(): void;
}

/** Few elements, which are there. */
export class ListSource implements BucketSource {
  readonly name: string;
  readonly #entries: readonly Entry[];
  #given = 0;

  constructor(name: string, entries: readonly Entry[]) {
    this.name = name;
    this.#entries = entries;
  }

  step(maxLooks: number, maxBytes: number, add: AddElement): boolean {
    let bytesLeft = maxBytes;
    for (let looks = 0; looks < maxLooks && bytesLeft > 0; looks++) {
      if (this.#given === this.#entries.length) return true;
      const [key, value] = this.#entries[this.#given++];
      bytesLeft -= key.length + value.length;
      add(key, value, 0, value.length);
    }
    return this.#given === this.#entries.length;
  }

  rewind(): void {
    this.#given = 0;
  }
}

const NO_BYTES = Buffer.alloc(0);

/** All versions of keys. Until the first `rewind` their lengths count alone, and there are no bytes. */
export class HistorySource implements BucketSource {
  readonly name = KEY_BUCKET;
  readonly #walk: RetainedWalk;
  #isBegun = false;
  #isPlanned = false;

  constructor(walk: RetainedWalk) {
    this.#walk = walk;
  }

  step(maxLooks: number, maxBytes: number, add: AddElement): boolean {
    this.#isBegun = true;
    return this.#walk.step(maxLooks, maxBytes, (entry: RetainedEntry) => {
      const { key, start, valueBytes } = entry;
      if (this.#isPlanned) add(key, entry.kv, start, start + valueBytes);
      else add(key, NO_BYTES, 0, valueBytes);
    });
  }

  rewind(): void {
    if (!this.#isBegun) return;
    this.#walk.rewind();
    this.#isPlanned = true;
  }
}

/** The leases of the moment when it is made. */
export class LeaseSource implements BucketSource {
  readonly name = LEASE_BUCKET;
  /** Whose ids and TTLs never change. */
  readonly #leases: readonly Lease[];
  readonly #sort = new SlicedSort<Lease>(byId, Number.POSITIVE_INFINITY);
  #sorted: readonly Lease[] | null = null;
  #added = 0;
  #given = 0;

  constructor(leases: Iterable<Lease>) {
    this.#leases = [...leases];
  }

  step(maxLooks: number, _maxBytes: number, add: AddElement): boolean {
    if (this.#sorted === null) return this.#sortSome(maxLooks);
    const end = Math.min(this.#sorted.length, this.#given + maxLooks);
    for (; this.#given < end; this.#given++) {
      const { id, ttl } = this.#sorted[this.#given];
      const [key, value] = leaseEntry(id, ttl);
      add(key, value, 0, value.length);
    }
    return end === this.#sorted.length;
  }

  rewind(): void {
    this.#given = 0;
  }

  /** Nothing is given meanwhile. */
  #sortSome(maxLooks: number): false {
    const { length } = this.#leases;
    if (!this.#sort.step(maxLooks, this.#added === length)) return false;
    if (this.#added === length) {
      this.#sorted = this.#sort.sorted;
      return false;
    }
    const end = Math.min(length, this.#added + maxLooks);
    this.#sort.add(this.#leases.slice(this.#added, end));
    this.#added = end;
    return false;
  }
}

/** etcd's order is that of the bytes of an id, in which negative ones are the last. */
const byId = (a: Lease, b: Lease): number => (BigInt.asUintN(64, a.id) < BigInt.asUintN(64, b.id) ? -1 : 1);
