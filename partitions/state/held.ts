/** All that is held (hold.ts): revisions, and bytes. */
import assert from "node:assert/strict";

export class Held {
  /** As many as are read at a time, which is few. */
  readonly #revisions: number[] = [];
  #pinnedBytes = 0;

  /** Nothing that reading here needs may be removed; infinite when nothing is held. */
  get lowest(): number {
    return Math.min(...this.#revisions);
  }

  /** The bytes of all that is pinned, as often as it is. */
  get pinnedBytes(): number {
    return this.#pinnedBytes;
  }

  add(revision: number): void {
    this.#revisions.push(revision);
  }

  /** Takes back one `add`. */
  remove(revision: number): void {
    const at = this.#revisions.indexOf(revision);
    assert(at !== -1, "a revision that is let go of is held");
    this.#revisions.splice(at, 1);
  }

  pin(bytes: number): void {
    this.#pinnedBytes += bytes;
  }

  /** Takes back what was pinned. */
  unpin(bytes: number): void {
    assert(bytes <= this.#pinnedBytes, "what is let go of was pinned");
    this.#pinnedBytes -= bytes;
  }
}
