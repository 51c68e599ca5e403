/**
 * The reign's newest frames in memory: those that not every replica has yet, as far as they are not too many. Whoever lies
 * further back is fed from a replica's segments. What is not committed stays, as it may be nowhere else.
 */
import assert from "node:assert/strict";
import { WINDOW_BYTES_MAX } from "../limits.ts";
import type { Frame } from "./frame-arena.ts";

export class FrameWindow {
  /** In order of their indexes, without gaps; from `#head` on they are here. */
  #frames: (Frame | null)[] = [];
  #head = 0;
  #bytes = 0;
  /** Of all frames that were ever added. */
  #bytesAdded = 0;
  /** Index of the last frame that was added, at first that of the frame before the reign. */
  last: number;

  readonly #bytesMax: number;

  constructor(before: number, bytesMax = WINDOW_BYTES_MAX) {
    this.last = before;
    this.#bytesMax = bytesMax;
  }

  /** Index of the first frame that is here; one more than the last when none is. */
  get first(): number {
    return this.last - (this.#frames.length - this.#head) + 1;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Frames that are here behind an index, and their bytes. */
  behind(index: number): { readonly frames: number; readonly bytes: number } {
    const frame = this.get(index);
    const bytes = frame === null ? this.#bytes : this.#bytesAdded - frame.endInWindow;
    return index >= this.last
      ? { frames: 0, bytes: 0 }
      : { frames: this.last - Math.max(index, this.first - 1), bytes };
  }

  /** Takes over the hold on a frame. */
  add(frame: Frame): void {
    assert(frame.index === this.last + 1, "frames follow one another");
    this.#frames.push(frame);
    this.#bytes += frame.length;
    this.#bytesAdded += frame.length;
    frame.endInWindow = this.#bytesAdded;
    this.last = frame.index;
  }

  /** Null when it is not here any more, or not yet. */
  get(index: number): Frame | null {
    const { first, last } = this;
    return index < first || index > last ? null : this.#frames[this.#head + index - first];
  }

  /** Forgets frames that all replicas have, and the oldest that are committed while there are too many bytes. */
  drop(everywhere: number, committed: number): void {
    for (let index = this.first; index <= committed; index++) {
      if (index > everywhere && this.#bytes <= this.#bytesMax) break;
      const frame = this.#frames[this.#head];
      assert(frame !== null && frame.index === index, "frames go in the order they came");
      this.#frames[this.#head] = null;
      this.#head++;
      this.#bytes -= frame.length;
      frame.release();
    }
    // Each entry is moved at most once.
    if (this.#head > this.#frames.length / 2) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The reign is over. */
  clear(): void {
    for (const frame of this.#frames) frame?.release();
    this.#frames = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
