/**
 * The leases and which keys are attached to them. A key is attached to the lease of its newest state, so attachments
 * move with puts and end with deletions. When a lease runs out is not known here: expiry arrives as a revocation.
 */
import assert from "node:assert/strict";
import type { Slot, Versions } from "./versions.ts";

/** What a lease without keys costs, rounded up. */
export const LEASE_BYTES = 256;

/** A Map holds at most 2^24 entries. */
export const LEASES_MAX = 10_000_000;

export class Lease {
  readonly id: bigint;
  /** The granted TTL in seconds. */
  readonly ttl: number;
  readonly #versions: Versions;
  readonly #slots = new Set<Slot>();
  #version = 0;

  constructor(id: bigint, ttl: number, versions: Versions) {
    this.id = id;
    this.ttl = ttl;
    this.#versions = versions;
  }

  /** Another one whenever a key has come or gone. */
  get version(): number {
    return this.#version;
  }

  get keyCount(): number {
    return this.#slots.size;
  }

  /** The attached keys, in no particular order, like what follows. */
  get slots(): Iterable<Slot> {
    return this.#slots;
  }

  *keys(): Generator<Buffer> {
    for (const slot of this.#slots) yield this.#versions.slotKey(slot);
  }

  /** Each as the lossless latin1 string of its bytes. */
  *keyTexts(): Generator<string> {
    for (const slot of this.#slots) yield this.#versions.slotKeyText(slot);
  }

  /** Detaches all keys at once, and gives them in key order. */
  detachAll(): Slot[] {
    const versions = this.#versions;
    const slots = [...this.#slots].toSorted((a, b) => (versions.slotKeyText(a) < versions.slotKeyText(b) ? -1 : 1));
    this.#slots.clear();
    this.#version++;
    return slots;
  }

  attach(slot: Slot): void {
    this.#slots.add(slot);
    this.#version++;
  }

  detach(slot: Slot): void {
    this.#slots.delete(slot);
    this.#version++;
  }
}

export class LeaseTable {
  readonly #versions: Versions;
  readonly #leases = new Map<bigint, Lease>();

  constructor(versions: Versions) {
    this.#versions = versions;
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
    this.#leases.set(id, new Lease(id, ttl, this.#versions));
  }

  /** Removes a lease that has no keys left. */
  remove(id: bigint): void {
    assert(this.#leases.get(id)?.keyCount === 0, "a lease goes after its keys");
    this.#leases.delete(id);
  }

  /** A key went from one lease to another; 0n stands for none. */
  move(slot: Slot, from: bigint, to: bigint): void {
    if (from === to) return;
    if (from !== 0n) this.#existing(from).detach(slot);
    if (to !== 0n) this.#existing(to).attach(slot);
  }

  #existing(id: bigint): Lease {
    const lease = this.#leases.get(id);
    assert(lease !== undefined, "the lease of a key exists");
    return lease;
  }
}
