/**
 * Keys in the order in which what they are was made, by revision and sub-revision: sorted runs, of which the first key of all is
 * the next. They are numbers in typed arrays, 16 bytes for each key, as there may be as many as there are.
 *
 * Short runs are merged as they come, two of the same length each time, so that there are few to choose from: choosing is what
 * costs most, as each run lies elsewhere in memory.
 */
import { MergeHeap } from "../state/merge-heap.ts";
import { NO_SLOT } from "../state/versions.ts";
import type { Slot } from "../state/versions.ts";

/** Keys of a run that is sorted at once. */
const RUN_KEYS = 1_024;

/** Runs are merged as long as none has more keys: what is done at once for one key that is added takes a millisecond. */
const MERGED_KEYS_MAX = 32 * RUN_KEYS;

export class RevisionOrder {
  #filling = new Run(RUN_KEYS);
  /** None shorter than the one behind it. */
  readonly #runs: Run[] = [];
  /** Of the runs, when all keys have been added. */
  #merged: MergeHeap<Run> | null = null;
  /** The keys that have been dropped, in their order. */
  readonly #dropped: Int32Array[] = [];
  #droppedCount = 0;
  /** How many of them have been dropped again since the last `rewind`. */
  #droppedAgain = 0;

  /** To be called before the first `first`. No two have both revisions alike. */
  add(slot: Slot, revision: number, subRevision: number): void {
    this.#filling.push(slot, revision, subRevision);
    if (this.#filling.length === RUN_KEYS) this.#endRun();
  }

  /** The first key that has not been dropped; NO_SLOT behind the last one. */
  get first(): Slot {
    if (this.#droppedAgain < this.#droppedCount) {
      const i = this.#droppedAgain;
      return this.#dropped[Math.floor(i / RUN_KEYS)][i % RUN_KEYS] as Slot;
    }
    const run = this.#heap().first;
    return run === null ? NO_SLOT : run.first;
  }

  /** Goes on behind the first key. There is one. */
  drop(): void {
    if (this.#droppedAgain++ < this.#droppedCount) return;
    const heap = this.#heap();
    const run = heap.first as Run;
    const at = this.#droppedCount++ % RUN_KEYS;
    if (at === 0) this.#dropped.push(new Int32Array(RUN_KEYS));
    this.#dropped[this.#dropped.length - 1][at] = run.first;
    run.drop();
    heap.taken(run.isEmpty);
  }

  /** Goes back to the first key of all. */
  rewind(): void {
    this.#droppedAgain = 0;
  }

  #endRun(): void {
    const runs = this.#runs;
    runs.push(this.#filling.sorted());
    this.#filling = new Run(RUN_KEYS);
    while (runs.length > 1) {
      const [before, last] = runs.slice(-2);
      if (before.length !== last.length || 2 * last.length > MERGED_KEYS_MAX) return;
      runs.splice(-2, 2, before.mergedWith(last));
    }
  }

  #heap(): MergeHeap<Run> {
    if (this.#merged === null) {
      if (this.#filling.length > 0) this.#runs.push(this.#filling.sorted());
      // It takes out those that have no keys any more.
      this.#merged = new MergeHeap(this.#runs);
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

  /** Of two runs from which nothing has been dropped; neither is used any more. */
  mergedWith(other: Run): Run {
    const merged = new Run(this.length + other.length);
    while (!this.isEmpty && !other.isEmpty) (other.isBefore(this) ? other : this).#moveTo(merged);
    while (!this.isEmpty) this.#moveTo(merged);
    while (!other.isEmpty) other.#moveTo(merged);
    return merged;
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

  isBefore(other: Run): boolean {
    const difference = this.#revisions[this.#at] - other.#revisions[other.#at];
    return difference === 0 ? this.#subRevisions[this.#at] < other.#subRevisions[other.#at] : difference < 0;
  }

  #moveTo(target: Run): void {
    const at = this.#at++;
    target.push(this.#slots[at], this.#revisions[at], this.#subRevisions[at]);
  }
}
