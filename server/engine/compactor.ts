/**
 * Removes compacted history in slices, so that reads and writes go on beside it (CO-11). The compaction point itself is
 * set by executing the journal's record; what is left to do is only to forget. Before that it is hashed (compaction-hashes.ts).
 */
import assert from "node:assert/strict";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Clock, Turns } from "../clock.ts";
import {
  COMPACTION_HASH_PAUSE_MS,
  SLICE_COMPACTION_ENTRIES,
  SLICE_COMPACTION_MS,
  STEP_COMPACTION_ENTRIES,
} from "../limits.ts";
import type { Counters } from "../metrics/counters.ts";
import { durationText } from "./event-log.ts";
import type { EventLog } from "./event-log.ts";
import { CompactionHashes } from "./compaction-hashes.ts";

export interface CompactorOptions {
  readonly keyspace: Keyspace;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly counters: Counters;
  readonly log: EventLog;
  /** Whether removal is wanted at once. */
  readonly isMemoryShort: () => boolean;
}

export class Compactor {
  readonly hashes: CompactionHashes;
  readonly #keyspace: Keyspace;
  readonly #turns: Turns;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #log: EventLog;
  #running = false;
  #isCounting = false;
  /** When the removal that runs began, and how many versions it has removed. */
  #begunMs = 0;
  #removed = 0;
  /** What the log says to be removed. */
  #toldRevision = 0;
  #waiting: (() => void)[] = [];

  constructor({ keyspace, clock, turns, counters, log, isMemoryShort }: CompactorOptions) {
    this.hashes = new CompactionHashes(keyspace, clock, isMemoryShort);
    this.#keyspace = keyspace;
    this.#clock = clock;
    this.#turns = turns;
    this.#counters = counters;
    this.#log = log;
    keyspace.onReclaimable(() => this.run());
  }

  /** From now on what is removed counts. What an earlier process removed, and a replay removes again, does not. */
  startCounting(): void {
    this.#isCounting = true;
    this.#toldRevision = this.#keyspace.compactRevision;
    this.hashes.begin();
  }

  /** The compact revision has moved in this turn. */
  compacted(): void {
    this.hashes.compacted();
    this.run();
  }

  /** Begins to remove what a compaction left behind. Safe to call at any time. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    this.#begunMs = this.#clock.nowMs();
    this.#removed = 0;
    this.#turns.later(() => this.#slice());
  }

  /** Calls `tell` when nothing is left to remove (a compaction with physical=true, CO-05). */
  whenRemoved(tell: () => void): void {
    this.#waiting.push(tell);
    this.run();
  }

  #slice(): void {
    if (!this.hashes.step()) {
      this.#afterHashing();
      return;
    }
    // What is held back is being read in turns of its own, and free soon.
    if (!this.step() || this.#keyspace.removalHeld) {
      this.#turns.later(() => this.#slice());
      return;
    }
    this.#running = false;
    this.#tellFinished();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const tell of waiting) tell();
  }

  /** Who waits for the removal waits for no pause. */
  #afterHashing(): void {
    const goOn = (): void => this.#slice();
    if (this.#waiting.length > 0) this.#turns.later(goOn);
    else this.#clock.after(COMPACTION_HASH_PAUSE_MS, goOn);
  }

  /** Removes a slice of it; true when there is no more that may be removed, and memory follows what is kept. */
  step(): boolean {
    const keyspace = this.#keyspace;
    const before = this.#isCounting ? keyspace.versionCount : 0;
    const finished = this.#work();
    // A replay takes a step for every run, and counting goes through all partitions.
    if (!this.#isCounting) return finished;
    const removed = before - keyspace.versionCount;
    assert(removed >= 0, "compaction only removes");
    this.#counters.compactedVersions += removed;
    this.#removed += removed;
    return finished;
  }

  #work(): boolean {
    const keyspace = this.#keyspace;
    const untilMs = this.#clock.nowMs() + SLICE_COMPACTION_MS;
    for (let entries = 0; entries < SLICE_COMPACTION_ENTRIES; entries += STEP_COMPACTION_ENTRIES) {
      const finished = keyspace.compactStep(STEP_COMPACTION_ENTRIES) && keyspace.reclaimStep(STEP_COMPACTION_ENTRIES);
      if (finished) return true;
      if (this.#clock.nowMs() >= untilMs) break;
    }
    return false;
  }

  /** Once for each compaction, or for several that one removal served. */
  #tellFinished(): void {
    const { compactRevision, bytes } = this.#keyspace;
    if (!this.#isCounting || compactRevision === this.#toldRevision) return;
    this.#toldRevision = compactRevision;
    const fields = {
      "compact-revision": compactRevision,
      took: durationText(this.#clock.nowMs() - this.#begunMs),
      "number-of-keys-compacted": this.#removed,
      hash: this.hashes.at(compactRevision)?.hash,
      "current-db-size-bytes": bytes,
    };
    this.#log.info(fields, "finished scheduled compaction");
  }
}
