/**
 * Keys in the order in which what they are was made, by revision and sub-revision: sorted runs, of which the first key of all is
 * the next. They are numbers in typed arrays, 16 bytes for each key, as there may be as many as there are.
 */
import { MergeHeap } from "../state/merge-heap.ts";
import { NO_SLOT } from "../state/versions.ts";
import type { Slot } from "../state/versions.ts";

/** Keys of a run that is sorted at once. */
const RUN_KEYS = 1_024;

export class RevisionOrder {
  #filling = new Run(RUN_KEYS);
  #runs: Run[] = [];
  /** Of the runs, when all keys have been added. */
  #merged: MergeHeap<Run> | null = null;

  /** To be called before the first `first`. No two have both revisions alike. */
  add(slot: Slot, revision: number, subRevision: number): void {
    this.#filling.push(slot, revision, subRevision);
    if (this.#filling.length < RUN_KEYS) return;
    this.#runs.push(this.#filling.sorted());
    this.#filling = new Run(RUN_KEYS);
  }

  /** The first key that has not been dropped; NO_SLOT behind the last one. */
  get first(): Slot {
    const run = this.#heap().first;
    return run === null ? NO_SLOT : run.first;
  }

  /** Goes on behind the first key. There is one. */
  drop(): void {
    const heap = this.#heap();
    const run = heap.first as Run;
    run.drop();
    heap.taken(run.isEmpty);
  }

  /** Goes back to the first key of all, when all have been dropped. None is added any more. */
  rewind(): void {
    this.#heap();
    for (const run of this.#runs) run.rewind();
    this.#merged = new MergeHeap([...this.#runs]);
  }

  #heap(): MergeHeap<Run> {
    if (this.#merged === null) {
      if (this.#filling.length > 0) this.#runs.push(this.#filling.sorted());
      this.#merged = new MergeHeap([...this.#runs]);
    }
    return this.#merged;
  }
}

class Run {
  readonly #slots: Int32Array;
  readonly #revisions: Float64Array;
  readonly #subRevisions: Uint32Array;
  length = 0;
  #at = 0;

  constructor(capacity: number) {
    this.#slots = new Int32Array(capacity);
    this.#revisions = new Float64Array(capacity);
    this.#subRevisions = new Uint32Array(capacity);
  }

  push(slot: number, revision: number, subRevision: number): void {
    this.#slots[this.length] = slot;
    this.#revisions[this.length] = revision;
    this.#subRevisions[this.length++] = subRevision;
  }

  sorted(): Run {
    const revisions = this.#revisions;
    const subRevisions = this.#subRevisions;
    const sorted = new Run(this.length);
    const order = Array.from({ length: this.length }, (_, i) => i);
    order.sort((a, b) => revisions[a] - revisions[b] || subRevisions[a] - subRevisions[b]);
    for (const i of order) sorted.push(this.#slots[i], revisions[i], subRevisions[i]);
    return sorted;
  }

  get isEmpty(): boolean {
    return this.#at === this.length;
  }

  get first(): Slot {
    return this.#slots[this.#at] as Slot;
  }

  drop(): void {
    this.#at++;
  }

  rewind(): void {
    this.#at = 0;
  }

  isBefore(other: Run): boolean {
    const difference = this.#revisions[this.#at] - other.#revisions[other.#at];
    return difference === 0 ? this.#subRevisions[this.#at] < other.#subRevisions[other.#at] : difference < 0;
  }
}
