/**
 * The keys of an interval one by one, in key order, whichever partitions own them. Whatever reads an interval walks it
 * this way: ranges, deletes, compares and hashes.
 */
import type { Interval } from "../interval/interval.ts";
import type { KeyHistory } from "./key-history.ts";
import type { KeyCursor } from "./key-index.ts";
import type { PartitionMap, Span } from "./partition-map.ts";
import { NO_VERSION, slotOf, versionOf } from "./versions.ts";
import type { Slot, VersionRef } from "./versions.ts";

export class HistoryWalk {
  readonly #spans: Iterator<Span>;
  /** Null before the first span and behind the last one. */
  #cursor: KeyCursor | null = null;
  /** Where the present span ends. */
  #end = "";

  /** Is valid until a change is made. */
  constructor(partitionMap: PartitionMap, interval: Interval) {
    this.#spans = partitionMap.spans(interval);
    this.#nextSpan();
  }

  /** The next key, deleted ones included; NO_SLOT behind the last one. */
  next(): Slot {
    return slotOf(this.#next());
  }

  /** What the next key was that existed at a revision; NO_VERSION behind the last one. */
  nextLive(revision: number): VersionRef {
    for (let history = this.#next(); history !== null; history = this.#next()) {
      const change = history.liveAt(revision);
      if (change !== null) return versionOf(change);
    }
    return NO_VERSION;
  }

  #next(): KeyHistory | null {
    while (this.#cursor !== null) {
      const history = this.#cursor.next();
      if (history !== null && history.key < this.#end) return history;
      this.#nextSpan();
    }
    return null;
  }

  #nextSpan(): void {
    const span = this.#spans.next();
    if (span.done === true) {
      this.#cursor = null;
    } else {
      const { start, end, partition } = span.value;
      this.#cursor = partition.seek(start);
      this.#end = end;
    }
  }
}
