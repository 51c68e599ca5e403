/** The revisions that are held (hold.ts). */
import assert from "node:assert/strict";

export class HeldRevisions {
  /** As many as are read at a time, which is few. */
  readonly #held: number[] = [];

  /** Nothing that reading here needs may be removed; infinite when nothing is held. */
  get lowest(): number {
    return Math.min(...this.#held);
  }

  add(revision: number): void {
    this.#held.push(revision);
  }

  /** Takes back one `add`. */
  remove(revision: number): void {
    const at = this.#held.indexOf(revision);
    assert(at !== -1, "a revision that is let go of is held");
    this.#held.splice(at, 1);
  }
}
