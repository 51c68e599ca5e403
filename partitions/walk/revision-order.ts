/**
 * Keys in the order in which what they are was made, by revision and sub-revision: a merge sort in slices. It works on numbers
 * in typed arrays, 16 bytes for each key and as much again while it sorts, as there may be as many keys as there are.
 */
import assert from "node:assert/strict";
import type { Slot } from "../state/versions.ts";

/** Keys of a run that is sorted at once. */
const RUN_KEYS = 1_024;

export class RevisionOrder {
  #filling = new Run(RUN_KEYS);
  /** The oldest in front: each pass over them merges two and two. */
  #runs: Run[] = [];
  #merge: Merge | null = null;

  /** To be called before the first `step`. No two have both revisions alike. */
  add(slot: Slot, revision: number, subRevision: number): void {
    this.#filling.push(slot, revision, subRevision);
    if (this.#filling.length < RUN_KEYS) return;
    this.#runs.push(this.#filling.sorted());
    this.#filling = new Run(RUN_KEYS);
  }

  /**
   * Moves no more than `maxKeys`, or the keys of one run.
   *
   * @returns true when all are in order
   */
  step(maxKeys: number): boolean {
    if (this.#filling.length > 0) {
      this.#runs.push(this.#filling.sorted());
      this.#filling = new Run(0);
    }
    for (let left = maxKeys; left > 0;) {
      if (this.#merge === null) {
        if (this.#runs.length <= 1) return true;
        const [first, second] = this.#runs.splice(0, 2);
        this.#merge = new Merge(first, second);
      }
      left -= this.#merge.step(left);
      if (!this.#merge.isDone) continue;
      this.#runs.push(this.#merge.merged);
      this.#merge = null;
    }
    return false;
  }

  /** When `step` has said true. */
  get slots(): Int32Array {
    assert(this.#merge === null && this.#runs.length <= 1, "all are in order");
    return this.#runs.length === 0 ? new Int32Array(0) : this.#runs[0].slots;
  }
}

class Run {
  readonly slots: Int32Array;
  readonly revisions: Float64Array;
  readonly subRevisions: Uint32Array;
  length = 0;

  constructor(capacity: number) {
    this.slots = new Int32Array(capacity);
    this.revisions = new Float64Array(capacity);
    this.subRevisions = new Uint32Array(capacity);
  }

  push(slot: number, revision: number, subRevision: number): void {
    this.slots[this.length] = slot;
    this.revisions[this.length] = revision;
    this.subRevisions[this.length++] = subRevision;
  }

  pushFrom(other: Run, i: number): void {
    this.push(other.slots[i], other.revisions[i], other.subRevisions[i]);
  }

  sorted(): Run {
    const { revisions, subRevisions } = this;
    const sorted = new Run(this.length);
    const order = Array.from({ length: this.length }, (_, i) => i);
    order.sort((a, b) => revisions[a] - revisions[b] || subRevisions[a] - subRevisions[b]);
    for (const i of order) sorted.pushFrom(this, i);
    return sorted;
  }

  /** Whether what is at `i` comes before what is at `j` of another. */
  isBefore(i: number, other: Run, j: number): boolean {
    const difference = this.revisions[i] - other.revisions[j];
    return difference === 0 ? this.subRevisions[i] < other.subRevisions[j] : difference < 0;
  }
}

class Merge {
  readonly merged: Run;
  readonly #first: Run;
  readonly #second: Run;
  #i = 0;
  #j = 0;

  constructor(first: Run, second: Run) {
    this.merged = new Run(first.length + second.length);
    this.#first = first;
    this.#second = second;
  }

  get isDone(): boolean {
    return this.merged.length === this.merged.slots.length;
  }

  /** Moves no more than so many; returns how many. */
  step(maxKeys: number): number {
    const { merged } = this;
    const first = this.#first;
    const second = this.#second;
    const from = merged.length;
    const end = Math.min(merged.slots.length, from + maxKeys);
    while (merged.length < end) {
      const isFirst = this.#j === second.length || (this.#i < first.length && first.isBefore(this.#i, second, this.#j));
      if (isFirst) merged.pushFrom(first, this.#i++);
      else merged.pushFrom(second, this.#j++);
    }
    return end - from;
  }
}
