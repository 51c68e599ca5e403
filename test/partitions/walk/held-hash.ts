/** A hash that is made a few changes at a time while other things happen, and must be what it was at its start. */
import { expect } from "vitest";
import type { WholeHasher } from "../../../partitions/walk/hash.ts";
import type { HistoryHasher } from "../../../partitions/walk/history-hasher.ts";

export class HeldHash {
  readonly #hasher: HistoryHasher | WholeHasher;
  readonly #maxChanges: number;
  readonly #maxBytes: number;
  readonly #expected: object;

  /** @param expected what it shall be */
  constructor(hasher: HistoryHasher | WholeHasher, maxChanges: number, maxBytes: number, expected: object) {
    this.#hasher = hasher;
    this.#maxChanges = maxChanges;
    this.#maxBytes = maxBytes;
    this.#expected = expected;
    hasher.hold.take();
  }

  /** True when it has been made and was right. */
  step(): boolean {
    if (!this.#hasher.step(this.#maxChanges, this.#maxBytes)) return false;
    this.#hasher.hold.release();
    expect(this.#hasher).toMatchObject(this.#expected);
    return true;
  }
}
