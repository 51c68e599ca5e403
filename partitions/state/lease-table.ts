/**
 * The leases and which keys are attached to them. A key is attached to the lease of its newest state, so attachments
 * move with puts and end with deletions. When a lease runs out is not known here: expiry arrives as a revocation.
 */
import assert from "node:assert/strict";
import { SlotList } from "../store/slot-lists.ts";
import type { VersionStore } from "../store/version-store.ts";
import { NO_SLOT } from "./versions.ts";
import type { Slot } from "./versions.ts";

/** What a lease without keys costs, rounded up. */
export const LEASE_BYTES = 256;

/** A Map holds at most 2^24 entries. */
export const LEASES_MAX = 10_000_000;

export class Lease {
  readonly id: bigint;
  /** The granted TTL in seconds. */
  readonly ttl: number;
  readonly #store: VersionStore;
  readonly #list = new SlotList();
  #version = 0;

  constructor(id: bigint, ttl: number, store: VersionStore) {
    this.id = id;
    this.ttl = ttl;
    this.#store = store;
  }

  /** Another one whenever a key has come or gone. */
  get version(): number {
    return this.#version;
  }

  get keyCount(): number {
    return this.#list.size;
  }

  /** The attached keys, in no particular order. None is attached or detached before all are listed. */
  *slots(): Generator<Slot> {
    const { lists } = this.#store;
    for (let slot = this.#list.first; slot !== NO_SLOT; slot = lists.next(slot)) yield slot as Slot;
  }

  *keys(): Generator<Buffer> {
    const { records, slots } = this.#store;
    for (const slot of this.slots()) yield Buffer.from(records.key(slots.newest(slot)));
  }

  /** Each as the lossless latin1 string of its bytes. */
  *keyTexts(): Generator<string> {
    const { records, slots } = this.#store;
    for (const slot of this.slots()) yield records.keyText(slots.newest(slot));
  }

  attach(slot: Slot): void {
    this.#store.lists.add(this.#list, slot);
    this.#version++;
  }

  detach(slot: Slot): void {
    this.#store.lists.remove(this.#list, slot);
    this.#version++;
  }

  verify(): void {
    this.#store.lists.verify(this.#list);
  }
}

export class LeaseTable {
  readonly #store: VersionStore;
  readonly #leases = new Map<bigint, Lease>();

  constructor(store: VersionStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#leases.size;
  }

  get(id: bigint): Lease | null {
    return this.#leases.get(id) ?? null;
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  /** All leases in the order in which they were granted. */
  values(): Iterable<Lease> {
    return this.#leases.values();
  }

  /** Adds a lease whose id is not in use. */
  add(id: bigint, ttl: number): void {
    assert(id !== 0n, "lease id 0 means none");
    assert(!this.#leases.has(id), "a lease is granted once");
    this.#leases.set(id, new Lease(id, ttl, this.#store));
  }

  /** Removes a lease that has no keys left. */
  remove(id: bigint): void {
    assert(this.#leases.get(id)?.keyCount === 0, "a lease goes after its keys");
    this.#leases.delete(id);
  }

  /**
   * A key went from one lease to another; 0n stands for none. One that was imported may name a lease that has gone, as etcd
   * keeps such keys: for ever, with no lease.
   */
  move(slot: Slot, from: bigint, to: bigint): void {
    if (from === to) return;
    this.#leases.get(from)?.detach(slot);
    this.#leases.get(to)?.attach(slot);
  }
}
