/**
 * Changes since the compact revision, in the order in which they were made. The keyspace has one of all changes, from
 * which watchers catch up and which compaction walks; each partition has one of creations and deletions.
 *
 * A change has an index that stays the same for ever; the log forgets from its front.
 */
import assert from "node:assert/strict";
import type { Change } from "./key-history.ts";

const BLOCK = 1_024;

export class RevisionLog {
  /** Blocks of BLOCK changes; what was forgotten in the first one is null, so that nothing is kept alive. */
  #blocks: (Change | null)[][] = [];
  /** Index of the first entry of the first block. */
  #blocksStart = 0;
  #start = 0;
  #end = 0;

  /** Index of the first change that is kept. */
  get start(): number {
    return this.#start;
  }

  /** Index behind the last change. */
  get end(): number {
    return this.#end;
  }

  push(change: Change): void {
    const offset = this.#end - this.#blocksStart;
    if (offset === this.#blocks.length * BLOCK) this.#blocks.push([]);
    this.#blocks[this.#blocks.length - 1].push(change);
    this.#end++;
  }

  /** The change at an index from `start` to below `end`. */
  at(index: number): Change {
    const offset = index - this.#blocksStart;
    const change = this.#blocks[Math.floor(offset / BLOCK)][offset % BLOCK];
    assert(change !== null, "a change is read while the log has it");
    return change;
  }

  /** Index of the first change kept whose revision is not below `revision`; `end` when there is none. */
  search(revision: number): number {
    let low = this.#start;
    let high = this.#end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.at(middle).modRevision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Forgets the changes below an index. */
  dropBefore(index: number): void {
    assert(index >= this.#start && index <= this.#end, "the log forgets from its front");
    const whole = Math.floor((index - this.#blocksStart) / BLOCK);
    if (whole > 0) {
      this.#blocks.splice(0, whole);
      this.#blocksStart += whole * BLOCK;
    }
    const first = Math.max(this.#start, this.#blocksStart);
    this.#start = index;
    if (index > first) this.#blocks[0].fill(null, first - this.#blocksStart, index - this.#blocksStart);
  }

  verify(): void {
    for (let index = this.#start; index + 1 < this.#end; index++) {
      assert(this.at(index).modRevision <= this.at(index + 1).modRevision, "the log is in revision order");
    }
  }
}
