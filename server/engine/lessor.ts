/**
 * The part of leases that looks at the clock: when each lease runs out. What a lease is (its granted TTL, its keys) is
 * the keyspace's. Expiry is a proposal like any other write, so a lease ends at one revision for everybody (LS-08).
 *
 * A lease runs on the time in which the server served: a stall ends none, and keepalives that have arrived meanwhile are
 * read before it is looked who has not sent one.
 */
import type { Clock, Timer, Turns } from "../clock.ts";
import type { Counters } from "../metrics/counters.ts";
import { LEASE_CHECK_MS, LEASE_REVOKE_RETRY_MS, LEASE_REVOKES_PER_CHECK } from "../limits.ts";
import { LeaseOrder } from "./lease-order.ts";
import { ServedTime } from "./served-time.ts";
import { TableGrowth } from "./table-growth.ts";

/** Maps that have an entry for each lease. */
const TABLES = 2;

class Expiry {
  readonly id: bigint;
  readonly ttlSeconds: number;
  /** Its place in the order of grants. */
  readonly number: number;
  /** In served time. */
  atMs: number;
  /** True from the proposal of its revocation on; set back when that proposal was refused or lost. */
  revoking: boolean = false;

  constructor(id: bigint, ttlSeconds: number, number: number, atMs: number) {
    this.id = id;
    this.ttlSeconds = ttlSeconds;
    this.number = number;
    this.atMs = atMs;
  }
}

/** Proposes the revocation of an expired lease; `onLost` tells that it was refused, or may not have happened. */
export type ProposeRevoke = (id: bigint, onLost: () => void) => void;

export class Lessor {
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #time: ServedTime;
  readonly #counters: Counters;
  readonly #revoke: ProposeRevoke;
  readonly #expiries = new Map<bigint, Expiry>();
  readonly #growth = new TableGrowth();
  readonly #heap = new ExpiryHeap();
  /** Those that are being listed. */
  readonly #orders = new Set<LeaseOrder>();
  #grants = 0;
  readonly #waiting = new Map<bigint, Set<(isRevoked: boolean) => void>>();
  #timer: Timer | null = null;

  constructor(clock: Clock, turns: Turns, counters: Counters, revoke: ProposeRevoke) {
    this.#clock = clock;
    this.#turns = turns;
    this.#time = new ServedTime(clock);
    this.#counters = counters;
    this.#revoke = revoke;
  }

  /**
   * This member decides from now on which leases run out. It knows nothing of keepalives before, so each has its whole TTL
   * again (LS-16).
   */
  promote(): void {
    this.#time.goOn();
    const now = this.#time.nowMs();
    for (const expiry of this.#expiries.values()) {
      expiry.atMs = now + expiry.ttlSeconds * 1_000;
      expiry.revoking = false;
    }
    this.#heap.refill(this.#expiries.values());
    this.demote();
    this.#checkLater();
  }

  /** No lease runs out here any more, and who waits for that is told. */
  demote(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const tells of waiting) for (const tell of tells) tell(false);
  }

  /** While nothing can be written no lease runs out: who holds one may have to write to keep what it stands for. */
  hold(): void {
    this.#time.hold();
  }

  /** Each has left what it had. */
  goOn(): void {
    this.#time.goOn();
  }

  /** Takes up a lease that was granted: it has its whole TTL before it. */
  add(id: bigint, ttlSeconds: number): void {
    const expiry = new Expiry(id, ttlSeconds, ++this.#grants, this.#time.nowMs() + ttlSeconds * 1_000);
    this.#expiries.set(id, expiry);
    this.#growth.add();
    this.#heap.push(expiry, expiry.atMs);
  }

  /** The lease is gone from the keyspace. */
  remove(id: bigint): void {
    const expiry = this.#expiries.get(id);
    if (expiry === undefined) return;
    this.#expiries.delete(id);
    this.#growth.remove();
    for (const order of this.#orders) order.keep(expiry);
    // Leases that end long before their TTL would pile up in the heap.
    if (this.#heap.size > 2 * this.#expiries.size + 1_024) this.#heap.refill(this.#expiries.values());
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    for (const tell of waiting) tell(true);
  }

  /** Gives the lease its whole TTL again. False when there is no such lease or it has expired (LS-12, LS-13). */
  renew(id: bigint): boolean {
    const expiry = this.#expiries.get(id);
    if (expiry === undefined || this.#expired(expiry)) return false;
    expiry.atMs = this.#time.nowMs() + expiry.ttlSeconds * 1_000;
    this.#counters.leasesRenewed++;
    return true;
  }

  /** Whether the lease has run out but its revocation has not been executed yet. */
  isExpiring(id: bigint): boolean {
    const expiry = this.#expiries.get(id);
    return expiry !== undefined && this.#expired(expiry);
  }

  /**
   * Calls `tell` when the lease is gone, or with false when nothing here will end it any more.
   *
   * @returns what makes it forget `tell`
   */
  whenRevoked(id: bigint, tell: (isRevoked: boolean) => void): () => void {
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(tell));
    return () => waiting.delete(tell);
  }

  /** Whole seconds left, or null when there is no such lease (LS-14). */
  remainingSeconds(id: bigint): number | null {
    const expiry = this.#expiries.get(id);
    if (expiry === undefined) return null;
    return Math.max(0, Math.floor((expiry.atMs - this.#time.nowMs()) / 1_000));
  }

  /** How many leases there are. */
  get size(): number {
    return this.#expiries.size;
  }

  /**
   * How many bytes of the heap leases are about to take at once, for larger tables: their own here, and that of the keyspace,
   * which has the same leases.
   *
   * @param share of a table's places: so many are left at most
   */
  growthBytesIfLeft(share: number): number {
    return TABLES * this.#growth.bytesIfLeft(share);
  }

  /** All that there are now, the one that expires first in front (LS-15). Who asks for it ends it. */
  openOrder(): LeaseOrder {
    const order = new LeaseOrder(this.#expiries.values(), this.#grants, (ended) => this.#orders.delete(ended));
    this.#orders.add(order);
    return order;
  }

  /** The ids of the same at once. */
  idsByExpiry(): bigint[] {
    const order = this.openOrder();
    let ids: bigint[] = [];
    while (!order.finished) ids = ids.concat(order.next(Number.POSITIVE_INFINITY));
    order.end();
    return ids;
  }

  /** One look at the clock: proposes the revocation of at most LEASE_REVOKES_PER_CHECK expired leases (LS-10). */
  check(): void {
    const now = this.#time.nowMs();
    for (let proposed = 0; proposed < LEASE_REVOKES_PER_CHECK;) {
      const expiry = this.#heap.popUntil(now);
      if (expiry === null) return;
      // The heap may hold what has been revoked or renewed since: the map tells.
      if (this.#expiries.get(expiry.id) !== expiry || expiry.revoking) continue;
      if (expiry.atMs > now) {
        this.#heap.push(expiry, expiry.atMs);
        continue;
      }
      expiry.revoking = true;
      proposed++;
      this.#revoke(expiry.id, () => {
        expiry.revoking = false;
        this.#heap.push(expiry, this.#time.nowMs() + LEASE_REVOKE_RETRY_MS);
      });
    }
  }

  /** A turn later than the timer, which is served before the sockets: what they have brought by then has been read. */
  #checkLater(): void {
    const timer = this.#clock.after(LEASE_CHECK_MS, () => {
      this.#turns.later(() => {
        if (this.#timer !== timer) return;
        this.check();
        this.#checkLater();
      });
    });
    this.#timer = timer;
  }

  #expired(expiry: Expiry): boolean {
    return expiry.atMs <= this.#time.nowMs();
  }
}

/** A binary min-heap of expiries by the time they were pushed with. */
class ExpiryHeap {
  readonly #times: number[] = [];
  readonly #expiries: Expiry[] = [];

  get size(): number {
    return this.#times.length;
  }

  refill(expiries: Iterable<Expiry>): void {
    this.#times.length = 0;
    this.#expiries.length = 0;
    for (const expiry of expiries) this.push(expiry, expiry.atMs);
  }

  push(expiry: Expiry, atMs: number): void {
    let i = this.#times.length;
    this.#times.push(atMs);
    this.#expiries.push(expiry);
    while (i > 0) {
      const parent = (i - 1) >>> 1;
      if (this.#times[parent] <= atMs) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#times[i] = atMs;
    this.#expiries[i] = expiry;
  }

  /** Takes out the earliest one when its time has come, else gives null. */
  popUntil(nowMs: number): Expiry | null {
    if (this.#times.length === 0 || this.#times[0] > nowMs) return null;
    const earliest = this.#expiries[0];
    const atMs = this.#times.pop() as number;
    const expiry = this.#expiries.pop() as Expiry;
    const length = this.#times.length;
    if (length === 0) return earliest;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#times[child + 1] < this.#times[child]) child++;
      if (this.#times[child] >= atMs) break;
      this.#move(child, i);
      i = child;
    }
    this.#times[i] = atMs;
    this.#expiries[i] = expiry;
    return earliest;
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from];
    this.#expiries[to] = this.#expiries[from];
  }
}
