/**
 * Until when nobody but this reign may show anything: what a majority of the replicas has granted. A lease counts from when
 * the request that asked for it was sent, on this process's own clock, so it ends here before it ends there.
 */
import { CLOCK_DRIFT_MAX } from "../limits.ts";
import type { Voters } from "./voters.ts";

/** Of a lease, what its holder counts on: two clocks that drift apart as far as they may leave at least this. */
export function countedOn(leaseMs: number): number {
  return (leaseMs * (1 - CLOCK_DRIFT_MAX)) / (1 + CLOCK_DRIFT_MAX);
}

/** Of a lease that another clock says has so long to go, how long it may run on this one. */
export function waitedFor(leaseLeftMs: number): number {
  return (leaseLeftMs * (1 + CLOCK_DRIFT_MAX)) / (1 - CLOCK_DRIFT_MAX);
}

export class ReadLease {
  readonly #leaseMs: number;
  /** For each replica, when the newest request was sent that it has granted. */
  readonly #sentAtMs: number[];
  readonly #voters: Voters;
  /** The lease counts from here: the latest moment that a quorum has granted. */
  #sinceMs = Number.NEGATIVE_INFINITY;
  #isEnded = false;

  constructor(voters: Voters, replicas: number, leaseMs: number) {
    this.#voters = voters;
    this.#leaseMs = leaseMs;
    this.#sentAtMs = Array.from({ length: replicas }, () => Number.NEGATIVE_INFINITY);
  }

  /** A replica has granted what was asked for at this moment. Infinity: nobody else can ask it, until it is `lost`. */
  granted(replica: number, sentAtMs: number): void {
    if (sentAtMs > this.#sentAtMs[replica]) this.#set(replica, sentAtMs);
  }

  /** Somebody else may ask the replica now, or it is another one. */
  lost(replica: number): void {
    this.#set(replica, Number.NEGATIVE_INFINITY);
  }

  #set(replica: number, sentAtMs: number): void {
    this.#sentAtMs[replica] = sentAtMs;
    this.count();
  }

  /** By those who count now. */
  count(): void {
    this.#sinceMs = this.#voters.reached(this.#sentAtMs);
  }

  /** No clock need be read: a majority is such that nobody else can ask. */
  get isEndless(): boolean {
    return this.#sinceMs === Number.POSITIVE_INFINITY && !this.#isEnded;
  }

  /** A clock read since the question came says whether it may be answered. */
  isValidAt(nowMs: number): boolean {
    return !this.#isEnded && nowMs < this.#sinceMs + countedOn(this.#leaseMs);
  }

  /** The reign answers no read any more. */
  end(): void {
    this.#isEnded = true;
  }
}
