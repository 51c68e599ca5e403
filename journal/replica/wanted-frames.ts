/**
 * What a replica lacks, as those see it who may have it: they are told from where to where, and give frames; what asked
 * for them goes on with these.
 */
import assert from "node:assert/strict";
import type { JournalError } from "../journal.ts";
import { closed } from "../journal-errors.ts";
import type { Gap } from "./gap.ts";
import type { Rot } from "./messages.ts";

interface Wish {
  readonly gap: Gap;
  readonly resolve: (frames: readonly Buffer[]) => void;
  readonly reject: (error: JournalError) => void;
}

export class WantedFrames {
  readonly #tell: (rot: Rot | null) => void;
  #wish: Wish | null = null;
  /** Given beyond what was wanted then, one behind the other; more of them may lack. */
  #spare: readonly Buffer[] = [];
  #spareFirst = 0;
  #isClosed = false;

  /** @param tell is told what lacks; with null, that nothing does any more */
  constructor(tell: (rot: Rot | null) => void) {
    this.#tell = tell;
  }

  /** One gap at a time. Rejects when this is closed, or the wish given up. */
  ask(gap: Gap): Promise<readonly Buffer[]> {
    assert(this.#wish === null, "one gap at a time");
    const from = gap.before.lastIndex + 1;
    const at = from - this.#spareFirst;
    if (at >= 0 && at < this.#spare.length) return Promise.resolve(this.#spare.slice(at));
    this.#spare = [];
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closed());
      this.#wish = { gap, resolve, reject };
      this.#tell({ from, to: gap.to, reason: gap.reason });
    });
  }

  /** Something is damaged for which nobody is asked. */
  mention(reason: JournalError): void {
    this.#tell({ from: 0, to: 0, reason });
  }

  /** @returns false when nothing is wanted, or not these */
  give(frames: readonly Buffer[], first: number): boolean {
    const wish = this.#wish;
    if (wish === null || frames.length === 0 || first !== wish.gap.before.lastIndex + 1) return false;
    this.#wish = null;
    this.#spare = frames;
    this.#spareFirst = first;
    wish.resolve(frames);
    return true;
  }

  /** What was given and not written is worth nothing. */
  forget(): void {
    this.#spare = [];
  }

  /** Nothing lacks any more. */
  settle(): void {
    this.#spare = [];
    this.#tell(null);
  }

  /** What is waited for is not wanted any more. */
  giveUp(reason: JournalError): void {
    const wish = this.#wish;
    this.#wish = null;
    wish?.reject(reason);
  }

  close(): void {
    this.#isClosed = true;
    this.giveUp(closed());
  }
}
