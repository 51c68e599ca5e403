/**
 * Removes compacted history in slices, so that reads and writes go on beside it (CO-11). The compaction point itself is
 * set by executing the journal's record; what is left to do is only to forget.
 */
import assert from "node:assert/strict";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Turns } from "../clock.ts";
import { SLICE_COMPACTION_ENTRIES } from "../limits.ts";
import type { Counters } from "../metrics/counters.ts";

export class Compactor {
  readonly #keyspace: Keyspace;
  readonly #turns: Turns;
  readonly #counters: Counters;
  #running = false;
  #isCounting = false;
  #waiting: (() => void)[] = [];

  constructor(keyspace: Keyspace, turns: Turns, counters: Counters) {
    this.#keyspace = keyspace;
    this.#turns = turns;
    this.#counters = counters;
  }

  /** From now on what is removed counts. What an earlier process removed, and a replay removes again, does not. */
  startCounting(): void {
    this.#isCounting = true;
  }

  /** Begins to remove what a compaction left behind. Safe to call at any time. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    this.#turns.later(() => this.#slice());
  }

  /** Calls `tell` when nothing is left to remove (a compaction with physical=true, CO-05). */
  whenRemoved(tell: () => void): void {
    this.#waiting.push(tell);
    this.run();
  }

  #slice(): void {
    // What is held back is being read in turns of its own, and free soon.
    if (!this.step() || this.#keyspace.removalHeld) {
      this.#turns.later(() => this.#slice());
      return;
    }
    this.#running = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const tell of waiting) tell();
  }

  /** Removes a slice of it; true when there is no more that may be removed. */
  step(): boolean {
    const keyspace = this.#keyspace;
    // A replay takes a step for every run, and counting goes through all partitions.
    if (!this.#isCounting) return keyspace.compactStep(SLICE_COMPACTION_ENTRIES);
    const before = keyspace.versionCount;
    const finished = keyspace.compactStep(SLICE_COMPACTION_ENTRIES);
    const removed = before - keyspace.versionCount;
    assert(removed >= 0, "compaction only removes");
    this.#counters.compactedVersions += removed;
    return finished;
  }
}
