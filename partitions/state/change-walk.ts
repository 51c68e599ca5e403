/**
 * The changes of some partitions in the order in which they were made, by revision and within one by sub-revision: a merge
 * of their logs. Goes as far as they went when it was made, and is valid in that turn.
 */
import type { ChangeLog } from "../store/change-log.ts";
import type { Records } from "../store/records.ts";
import { MergeHeap } from "./merge-heap.ts";
import type { Partition } from "./partition.ts";
import { NO_VERSION } from "./versions.ts";
import type { VersionRef } from "./versions.ts";

/** A place in the log of a partition. */
export interface LogPlace {
  readonly partition: Partition;
  readonly index: number;
}

export class ChangeWalk {
  readonly #logs: MergeHeap<LogReader>;

  constructor(records: Records, places: readonly LogPlace[]) {
    const logs: LogReader[] = [];
    for (const { partition, index } of places) {
      const { log } = partition;
      // Compaction may have forgotten what was at the place.
      const start = Math.max(index, log.start);
      if (start < log.end) logs.push(new LogReader(records, log, start));
    }
    this.#logs = new MergeHeap(logs);
  }

  /** The next change, or NO_VERSION behind the last one. */
  next(): VersionRef {
    const { first } = this.#logs;
    if (first === null) return NO_VERSION;
    const { ref } = first;
    this.#logs.taken(!first.advance());
    return ref as VersionRef;
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
