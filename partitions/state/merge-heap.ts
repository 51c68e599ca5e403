/**
 * Merges what is sorted: the reader whose next item comes first is in front, and those at 2i + 1 and 2i + 2 are not before that
 * at i. Readers without items are not given, and are taken out when they have none any more.
 */
export interface MergeReader<R> {
  /** Whether its next item comes before that of another. */
  isBefore(other: R): boolean;
}

export class MergeHeap<R extends MergeReader<R>> {
  readonly #heap: R[];

  /** @param readers are kept */
  constructor(readers: R[]) {
    this.#heap = readers;
    for (let i = (readers.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  /** Null behind the last item. */
  get first(): R | null {
    return this.#heap.length === 0 ? null : this.#heap[0];
  }

  /** The reader in front has another next item, or none any more. */
  taken(isEmpty: boolean): void {
    const heap = this.#heap;
    if (isEmpty) {
      const last = heap.pop();
      if (heap.length === 0 || last === undefined) return;
      heap[0] = last;
    }
    if (heap.length > 1) this.#sink(0);
  }

  /** Brings the reader at a place, which may be behind those below it, to where it belongs. */
  #sink(from: number): void {
    const heap = this.#heap;
    const reader = heap[from];
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1].isBefore(heap[below])) below++;
      if (!heap[below].isBefore(reader)) break;
      heap[at] = heap[below];
      at = below;
    }
    heap[at] = reader;
  }
}
