/**
 * One reader's hold on the revision it reads at, for as long as it reads in several turns. Compaction may pass a revision
 * that is held, and refuses later readers; what is needed there is removed only when it has been let go of.
 */
import assert from "node:assert/strict";
import type { HeldRevisions } from "./held-revisions.ts";

export class Hold {
  readonly revision: number;
  readonly #held: HeldRevisions;
  #isTaken = false;

  /** Holds nothing until it is taken. */
  constructor(held: HeldRevisions, revision: number) {
    this.revision = revision;
    this.#held = held;
  }

  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** To be called while the revision can be read. */
  take(): void {
    assert(!this.#isTaken, "a reader holds its revision once");
    this.#held.add(this.revision);
    this.#isTaken = true;
  }

  /** Ends `take`. */
  release(): void {
    assert(this.#isTaken, "what is let go of was held");
    this.#held.remove(this.revision);
    this.#isTaken = false;
  }
}
