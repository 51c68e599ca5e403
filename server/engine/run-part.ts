/** A part of a run, for who cannot execute all of a long one in one turn. Valid as long as the run is. */
import assert from "node:assert/strict";
import type { RecordRun } from "../../journal/journal.ts";

export class RunPart implements RecordRun {
  readonly first: number;
  readonly count: number;
  readonly #run: RecordRun;
  readonly #offset: number;

  /** The records of `run` from the one at `offset` on, `countMax` of them or as many as there are. */
  constructor(run: RecordRun, offset: number, countMax: number) {
    assert(offset < run.count, "a part has a record");
    this.#run = run;
    this.#offset = offset;
    this.first = run.first + offset;
    this.count = Math.min(countMax, run.count - offset);
  }

  bytes(i: number): Buffer {
    assert(i < this.count, "a part has the records it counts");
    return this.#run.bytes(this.#offset + i);
  }
}
