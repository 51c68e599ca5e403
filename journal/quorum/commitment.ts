/**
 * The quorum rule, and nothing else: what is durable on a majority of the replicas is committed, once the reign's own
 * first frame is. A frame of an earlier reign alone is not counted: a newcomer may know nothing of those who have it.
 */
import assert from "node:assert/strict";

export class Commitment {
  /** The last index that is durable at each replica, as its writer knows. */
  readonly #durable: number[];
  /** The index of the reign's first frame. */
  readonly #barrier: number;
  /** How many of the replicas make a quorum. */
  readonly quorum: number;
  /** The last index that is committed, as far as this reign knows. */
  committed: number;

  /**
   * @param replicas how many there are
   * @param committed what earlier reigns are known to have committed
   */
  constructor(replicas: number, barrier: number, committed: number) {
    assert(replicas >= 1, "a journal has a replica");
    assert(committed < barrier, "a reign begins behind what is committed");
    this.#durable = Array.from({ length: replicas }, () => 0);
    this.#barrier = barrier;
    this.quorum = majorityOf(replicas);
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
    const reached = this.#reached();
    if (reached < this.#barrier || reached <= this.committed) return false;
    this.committed = reached;
    return true;
  }

  /** The last index that a quorum has. */
  #reached(): number {
    const durable = this.#durable;
    let reached = 0;
    for (const candidate of durable) {
      if (candidate <= reached) continue;
      let count = 0;
      for (const other of durable) if (other >= candidate) count++;
      if (count >= this.quorum) reached = candidate;
    }
    return reached;
  }
}

/** How many of so many make a majority. */
export function majorityOf(replicas: number): number {
  return Math.floor(replicas / 2) + 1;
}
