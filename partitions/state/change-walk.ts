/**
 * The changes of some partitions in the order in which they were made, by revision and within one by sub-revision: a merge
 * of their logs. Goes as far as they went when it was made, and is valid in that turn.
 */
import type { Change } from "./key-history.ts";
import type { Partition } from "./partition.ts";
import type { RevisionLog } from "./revision-log.ts";
import { NO_VERSION, versionOf } from "./versions.ts";
import type { VersionRef } from "./versions.ts";

/** A place in the log of a partition. */
export interface LogPlace {
  readonly partition: Partition;
  readonly index: number;
}

export class ChangeWalk {
  /** A heap: the log with the next change comes first, and those at 2i + 1 and 2i + 2 are not before that at i. */
  readonly #heap: LogReader[] = [];

  constructor(places: readonly LogPlace[]) {
    for (const { partition, index } of places) {
      const { log } = partition;
      // Compaction may have forgotten what was at the place.
      const start = Math.max(index, log.start);
      if (start < log.end) this.#heap.push(new LogReader(log, start));
    }
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  /** The next change, or NO_VERSION behind the last one. */
  next(): VersionRef {
    const heap = this.#heap;
    if (heap.length === 0) return NO_VERSION;
    const { change } = heap[0];
    if (!heap[0].advance()) {
      const last = heap.pop();
      if (heap.length === 0 || last === undefined) return versionOf(change);
      heap[0] = last;
    }
    if (heap.length > 1) this.#sink(0);
    return versionOf(change);
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

class LogReader {
  readonly #log: RevisionLog;
  readonly #end: number;
  #index: number;
  change: Change;

  constructor(log: RevisionLog, index: number) {
    this.#log = log;
    this.#end = log.end;
    this.#index = index;
    this.change = log.at(index);
  }

  /** False when there is no further change. */
  advance(): boolean {
    if (++this.#index === this.#end) return false;
    this.change = this.#log.at(this.#index);
    return true;
  }

  isBefore(other: LogReader): boolean {
    const [one, two] = [this.change, other.change];
    return (
      one.modRevision < two.modRevision || (one.modRevision === two.modRevision && one.subRevision < two.subRevision)
    );
  }
}
