/** What the commands of a list may add to the keyspace when they are executed, in bytes, at most. */
import assert from "node:assert/strict";
import type { Partition } from "../../partitions/state/partition.ts";
import type { Copies } from "../../partitions/txn/copies.ts";

/** Of one command. */
export interface Growth {
  /** What it brings along, and what that costs to keep. */
  readonly broughtBytes: number;
  /** What it may copy of what is there: as much as `copies` says, or more where that grows meanwhile. */
  readonly copiedBytes: number;
  readonly copies: Copies | null;
}

export class PendingGrowth {
  #broughtBytes = 0;
  #copiedBytes = 0;
  #valueBytes = 0;
  readonly #toPartitions = new Map<Partition, number>();

  get bytes(): number {
    return this.#broughtBytes + this.#copiedBytes;
  }

  /** Of the values that come with them, and so may be copied by what is executed after them. */
  get valueBytes(): number {
    return this.#valueBytes;
  }

  /** What is copied to a partition. */
  copiedTo(partition: Partition): number {
    return this.#toPartitions.get(partition) ?? 0;
  }

  add({ broughtBytes, copiedBytes, copies }: Growth): void {
    this.#broughtBytes += broughtBytes;
    this.#valueBytes += copies === null ? broughtBytes : copies.broughtBytes;
    if (copies === null) return;
    this.#copiedBytes += copiedBytes;
    for (const [partition, bytes] of copies.toPartitions) {
      this.#toPartitions.set(partition, this.copiedTo(partition) + bytes);
    }
  }

  /** What was added. */
  remove({ broughtBytes, copiedBytes, copies }: Growth): void {
    this.#broughtBytes -= broughtBytes;
    this.#valueBytes -= copies === null ? broughtBytes : copies.broughtBytes;
    assert(this.#broughtBytes >= 0 && this.#valueBytes >= 0, "what is removed was added");
    if (copies === null) return;
    this.#copiedBytes -= copiedBytes;
    for (const [partition, bytes] of copies.toPartitions) {
      const left = this.copiedTo(partition) - bytes;
      assert(left >= 0, "what is removed was added");
      if (left === 0) this.#toPartitions.delete(partition);
      else this.#toPartitions.set(partition, left);
    }
  }

  clear(): void {
    this.#broughtBytes = this.#copiedBytes = this.#valueBytes = 0;
    this.#toPartitions.clear();
  }
}
