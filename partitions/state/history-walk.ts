/**
 * The keys of an interval one by one, in key order, whichever partitions own them. Whatever reads an interval walks it
 * this way: ranges, deletes, compares and hashes.
 */
import type { Interval } from "../interval/interval.ts";
import type { IndexCursor } from "../store/index-cursor.ts";
import type { PartitionMap, Span } from "./partition-map.ts";
import { NO_SLOT, NO_VERSION } from "./versions.ts";
import type { Slot, VersionRef, Versions } from "./versions.ts";

export class HistoryWalk {
  readonly #versions: Versions;
  readonly #spans: Iterator<Span>;
  /** Null behind the last span. */
  #cursor: IndexCursor | null = null;

  /** Is valid until a change is made. */
  constructor(versions: Versions, partitionMap: PartitionMap, interval: Interval) {
    this.#versions = versions;
    this.#spans = partitionMap.spans(interval);
    this.#nextSpan();
  }

  /** The next key, deleted ones included; NO_SLOT behind the last one. */
  next(): Slot {
    while (this.#cursor !== null) {
      const slot = this.#cursor.next();
      if (slot !== NO_SLOT) return slot as Slot;
      this.#nextSpan();
    }
    return NO_SLOT;
  }

  /** What the next key was that existed at a revision; NO_VERSION behind the last one. */
  nextLive(revision: number): VersionRef {
    for (let slot = this.next(); slot !== NO_SLOT; slot = this.next()) {
      const ref = this.#versions.liveAt(slot, revision);
      if (ref !== NO_VERSION) return ref;
    }
    return NO_VERSION;
  }

  #nextSpan(): void {
    const span = this.#spans.next();
    if (span.done === true) {
      this.#cursor = null;
    } else {
      const { start, end, partition } = span.value;
      this.#cursor = partition.seek(start, end);
    }
  }
}
