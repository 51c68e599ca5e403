/** Which reigns the frames of a log are of: for each, the index of its first frame that is kept. */
import assert from "node:assert/strict";

interface Reign {
  readonly epoch: number;
  readonly first: number;
}

export class Epochs {
  /** Oldest first; each ends where the next begins. */
  #reigns: Reign[] = [];

  /** Takes the next frame. */
  add(epoch: number, index: number): void {
    const last = this.#reigns.at(-1);
    if (last?.epoch === epoch) return;
    if (last !== undefined) {
      assert(epoch > last.epoch, "epochs only grow");
      assert(index > last.first, "each reign has a frame");
    }
    this.#reigns.push({ epoch, first: index });
  }

  /** The epoch of a frame that is kept. */
  epochOf(index: number): number {
    const reign = this.#reigns.findLast(({ first }) => first <= index);
    assert(reign !== undefined, "a frame that is kept is of some reign");
    return reign.epoch;
  }

  /** Of frames up to `last`, the last one whose epoch is this one or a lower one; 0 when none is. */
  lastUpTo(epoch: number, last: number): number {
    const reigns = this.#reigns;
    const at = reigns.findLastIndex((reign) => reign.epoch <= epoch);
    if (at === -1) return 0;
    return at === reigns.length - 1 ? last : reigns[at + 1].first - 1;
  }

  /** Forgets the frames behind `index`. */
  cutBehind(index: number): void {
    this.#reigns = this.#reigns.filter(({ first }) => first <= index);
  }

  /** Forgets all. */
  clear(): void {
    this.#reigns = [];
  }

  /** Forgets the frames before `index`. */
  trimBefore(index: number): void {
    const at = this.#reigns.findLastIndex(({ first }) => first <= index);
    if (at > 0) this.#reigns.splice(0, at);
  }
}
