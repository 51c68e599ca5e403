/**
 * Reclaim makes sparse blocks empty: it moves what is live in them to another block, in small steps, so that memory follows
 * what is live. A record that moves is linked anew in its chain, its slot and its log; whoever has a ref from before the step
 * has nothing. The bytes in a block that is pinned stay where they are, too.
 *
 * The sparsest block comes first, as it gives most for least. It goes on until a quarter of what sealed blocks hold is dead at
 * most: a block that is three quarters live costs three moved records for each that is freed.
 */
import assert from "node:assert/strict";
import { NoMemoryError } from "./block-pool.ts";
import type { Chains } from "./chains.ts";
import type { ChangeLog } from "./change-log.ts";
import type { Records } from "./records.ts";

/** So much of all blocks may be dead. */
const DEAD_SHARE_MAX = 1 / 4;

/** Blocks with less that is dead are left alone. */
const BLOCK_DEAD_SHARE_MIN = 1 / 4;

/** A look at a record costs 1; so does each such a piece of one that is moved. */
const LOOK_BYTES = 512;

const NO_BLOCK = 0;

export class Reclaimer {
  readonly #records: Records;
  readonly #chains: Chains;
  readonly #logOf: (partition: number) => ChangeLog;
  /** The block that is being emptied, which is pinned meanwhile. */
  #block = NO_BLOCK;
  /** Where its next record is. */
  #offset = 0;
  #movedBytes = 0;
  #isHeldUp = false;

  constructor(records: Records, chains: Chains, logOf: (partition: number) => ChangeLog) {
    this.#records = records;
    this.#chains = chains;
    this.#logOf = logOf;
  }

  /** Whether no block is being emptied. */
  get isIdle(): boolean {
    return this.#block === NO_BLOCK;
  }

  /** Whether what is left is worth it, but is being read. */
  get isHeldUp(): boolean {
    return this.#isHeldUp;
  }

  /** Bytes of all records that were ever moved. */
  get movedBytes(): number {
    return this.#movedBytes;
  }

  /**
   * Looks at about so many records, and moves those that are live.
   *
   * @returns true when there is nothing that is worth it
   */
  step(looks: number): boolean {
    let left = looks;
    while (left > 0) {
      if (this.#block === NO_BLOCK && !this.#begin()) return true;
      const cost = this.#tryLook();
      if (cost === null) return true;
      left -= cost;
    }
    return false;
  }

  /** Null when there is no memory to move to: then it is left for a time when there is. */
  #tryLook(): number | null {
    try {
      return this.#look();
    } catch (error) {
      if (!(error instanceof NoMemoryError)) throw error;
      this.#records.blocks.unpin(this.#block);
      this.#block = NO_BLOCK;
      return null;
    }
  }

  /** Looks for the sparsest block. */
  #begin(): boolean {
    const { blocks } = this.#records;
    this.#isHeldUp = false;
    if (blocks.deadBytes <= DEAD_SHARE_MAX * blocks.bytes) return false;
    let sparsest = NO_BLOCK;
    let mostDead = BLOCK_DEAD_SHARE_MIN * blocks.blockBytes;
    let anyPinned = false;
    for (let block = 1; block < blocks.end; block++) {
      if (!blocks.isSealed(block) || blocks.dead(block) < mostDead) continue;
      if (blocks.isPinned(block)) {
        anyPinned = true;
        continue;
      }
      sparsest = block;
      mostDead = blocks.dead(block);
    }
    if (sparsest === NO_BLOCK) {
      this.#isHeldUp = anyPinned;
      return false;
    }
    this.evacuate(sparsest);
    return true;
  }

  /** Begins to empty a sealed block. */
  evacuate(block: number): void {
    assert(this.#block === NO_BLOCK, "one block is emptied at a time");
    this.#records.blocks.pin(block);
    this.#block = block;
    this.#offset = 0;
  }

  /** Looks at the next record of the block, or ends with it. Returns what that cost. */
  #look(): number {
    const records = this.#records;
    const { blocks } = records;
    if (blocks.live(this.#block) === 0) {
      blocks.unpin(this.#block);
      this.#block = NO_BLOCK;
      return 1;
    }
    const ref = records.at(this.#block, this.#offset);
    const bytes = records.bytes(ref);
    assert(this.#offset + bytes <= blocks.used(this.#block), "what is live in a block is found in it");
    const isDead = records.isDead(ref);
    if (!isDead) this.#chains.move(ref, this.#logOf(records.partition(ref)));
    this.#offset += bytes;
    if (isDead) return 1;
    this.#movedBytes += bytes;
    return 1 + bytes / LOOK_BYTES;
  }
}
