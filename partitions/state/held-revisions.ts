/**
 * Revisions at which something is read in several turns. Compaction may pass them, and refuses later readers; what those
 * need that read already is removed only when they have let go.
 */
import assert from "node:assert/strict";

export class HeldRevisions {
  /** As many as are read at a time, which is few. */
  readonly #held: number[] = [];

  /** Nothing that reading here needs may be removed; infinite when nothing is held. */
  get lowest(): number {
    return Math.min(...this.#held);
  }

  /** To be called while the revision can be read. */
  hold(revision: number): void {
    this.#held.push(revision);
  }

  /** Takes back one `hold`. */
  release(revision: number): void {
    const at = this.#held.indexOf(revision);
    assert(at !== -1, "what is let go of was held");
    this.#held.splice(at, 1);
  }
}
