/**
 * The leases and which keys are attached to them. A key is attached to the lease of its newest state, so attachments
 * move with puts and end with deletions. When a lease runs out is not known here: expiry arrives as a revocation.
 */
import assert from "node:assert/strict";
import { keyBytes } from "../interval/interval.ts";
import type { KeyHistory } from "./key-history.ts";

/** What a lease without keys costs, rounded up. */
export const LEASE_BYTES = 256;

/** A Map holds at most 2^24 entries. */
export const LEASES_MAX = 10_000_000;

export class Lease {
  readonly id: bigint;
  /** The granted TTL in seconds. */
  readonly ttl: number;
  readonly attached = new Set<KeyHistory>();
  #version = 0;

  constructor(id: bigint, ttl: number) {
    this.id = id;
    this.ttl = ttl;
  }

  /** Another one whenever a key has come or gone. */
  get version(): number {
    return this.#version;
  }

  get keyCount(): number {
    return this.attached.size;
  }

  /** The attached keys, in no particular order. */
  *keys(): Generator<Buffer> {
    for (const history of this.attached) yield keyBytes(history.key);
  }

  /** Detaches all keys at once, and gives them in no particular order. */
  detachAll(): KeyHistory[] {
    const histories = [...this.attached];
    this.attached.clear();
    this.#version++;
    return histories;
  }

  attach(history: KeyHistory): void {
    this.attached.add(history);
    this.#version++;
  }

  detach(history: KeyHistory): void {
    this.attached.delete(history);
    this.#version++;
  }
}

export class LeaseTable {
  readonly #leases = new Map<bigint, Lease>();

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
    this.#leases.set(id, new Lease(id, ttl));
  }

  /** Removes a lease that has no keys left. */
  remove(id: bigint): void {
    assert(this.#leases.get(id)?.attached.size === 0, "a lease goes after its keys");
    this.#leases.delete(id);
  }

  /** A key went from one lease to another; 0n stands for none. */
  move(history: KeyHistory, from: bigint, to: bigint): void {
    if (from === to) return;
    if (from !== 0n) this.#existing(from).detach(history);
    if (to !== 0n) this.#existing(to).attach(history);
  }

  #existing(id: bigint): Lease {
    const lease = this.#leases.get(id);
    assert(lease !== undefined, "the lease of a key exists");
    return lease;
  }
}
