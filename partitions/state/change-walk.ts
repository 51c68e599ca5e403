/**
 * The changes of some partitions in the order in which they were made, by revision and within one by sub-revision: a merge
 * of their logs. Goes as far as they went when it was made, and is valid in that turn.
 */
import type { ChangeLog } from "../store/change-log.ts";
import type { Records } from "../store/records.ts";
import type { Partition } from "./partition.ts";
import { NO_VERSION } from "./versions.ts";
import type { VersionRef } from "./versions.ts";

/** A place in the log of a partition. */
export interface LogPlace {
  readonly partition: Partition;
  readonly index: number;
}

export class ChangeWalk {
  /** A heap: the log with the next change comes first, and those at 2i + 1 and 2i + 2 are not before that at i. */
  readonly #heap: LogReader[] = [];

  constructor(records: Records, places: readonly LogPlace[]) {
    for (const { partition, index } of places) {
      const { log } = partition;
      // Compaction may have forgotten what was at the place.
      const start = Math.max(index, log.start);
      if (start < log.end) this.#heap.push(new LogReader(records, log, start));
    }
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  /** The next change, or NO_VERSION behind the last one. */
  next(): VersionRef {
    const heap = this.#heap;
    if (heap.length === 0) return NO_VERSION;
    const { ref } = heap[0];
    if (!heap[0].advance()) {
      const last = heap.pop();
      if (heap.length === 0 || last === undefined) return ref as VersionRef;
      heap[0] = last;
    }
    if (heap.length > 1) this.#sink(0);
    return ref as VersionRef;
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
  readonly #records: Records;
  readonly #log: ChangeLog;
  readonly #end: number;
  #index: number;
  ref = 0;
  #revision = 0;
  #subRevision = 0;

  constructor(records: Records, log: ChangeLog, index: number) {
    this.#records = records;
    this.#log = log;
    this.#end = log.end;
    this.#index = index;
    this.#read();
  }

  /** False when there is no further change. */
  advance(): boolean {
    if (++this.#index === this.#end) return false;
    this.#read();
    return true;
  }

  isBefore(other: LogReader): boolean {
    if (this.#revision !== other.#revision) return this.#revision < other.#revision;
    return this.#subRevision < other.#subRevision;
  }

  #read(): void {
    this.ref = this.#log.at(this.#index);
    this.#revision = this.#records.modRevision(this.ref);
    this.#subRevision = this.#records.subRevision(this.ref);
  }
}
