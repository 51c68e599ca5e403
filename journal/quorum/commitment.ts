/**
 * The quorum rule, and nothing else: what is durable on a majority of the replicas that count is committed, once the reign's
 * own first frame is. A frame of an earlier reign alone is not counted: a newcomer may know nothing of those who have it.
 */
import assert from "node:assert/strict";
import type { Voters } from "./voters.ts";

export class Commitment {
  readonly #voters: Voters;
  /** The last index that is durable at each replica, as its writer knows. */
  readonly #durable: number[];
  /** The index of the reign's first frame. */
  readonly #barrier: number;
  /** The last index that is committed, as far as this reign knows. */
  committed: number;

  /**
   * @param replicas how many there are, whether they count or not
   * @param committed what earlier reigns are known to have committed
   */
  constructor(voters: Voters, replicas: number, barrier: number, committed: number) {
    assert(replicas >= 1, "a journal has a replica");
    assert(committed < barrier, "a reign begins behind what is committed");
    this.#voters = voters;
    this.#durable = Array.from({ length: replicas }, () => 0);
    this.#barrier = barrier;
    this.committed = committed;
  }

  /**
   * Notes what is durable at a replica: more than before, or less where it has lost something. What was committed stays so.
   *
   * @returns whether more is committed than before
   */
  durable(replica: number, index: number): boolean {
    const durable = this.#durable;
    assert(replica >= 0 && replica < durable.length, "a replica is one of the journal's");
    durable[replica] = index;
    return this.count();
  }

  /** @returns whether more is committed than before, by those who count now */
  count(): boolean {
    const reached = this.#voters.reached(this.#durable);
    if (reached < this.#barrier || reached <= this.committed) return false;
    this.committed = reached;
    return true;
  }
}
