/** What is still to happen, in the order of its time, and of its making where that is the same: a binary heap. */

/** Where something happens. */
export interface Place {
  /** Asked when the event is due. One that is not let happen is over, unless the place keeps it to have it again later. */
  lets(event: WorldEvent): boolean;
}

/** Of the kind of source: what waited for a process that stood still is served kind by kind. */
export type EventKind = "world" | "timer" | "turn" | "message" | "disk";

export class WorldEvent {
  readonly atMs: number;
  /** Ordinal of its making. */
  readonly order: number;
  readonly kind: EventKind;
  /** For the trace. */
  readonly what: string;
  readonly place: Place | null;
  /** Null when it was cancelled. */
  act: (() => void) | null;

  constructor(
    atMs: number,
    order: number,
    kind: EventKind,
    what: string,
    place: Place | null,
    act: (() => void) | null,
  ) {
    this.atMs = atMs;
    this.order = order;
    this.kind = kind;
    this.what = what;
    this.place = place;
    this.act = act;
  }

  cancel(): void {
    this.act = null;
  }
}

export class EventQueue {
  readonly #heap: WorldEvent[] = [];

  get size(): number {
    return this.#heap.length;
  }

  get first(): WorldEvent | undefined {
    return this.#heap[0];
  }

  add(event: WorldEvent): void {
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(event);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[hole] = heap[parent];
      hole = parent;
    }
    heap[hole] = event;
  }

  takeFirst(): WorldEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1;
      if (!isBefore(heap[child], last)) break;
      heap[hole] = heap[child];
      hole = child;
    }
    heap[hole] = last;
    return first;
  }
}

function isBefore(a: WorldEvent, b: WorldEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
