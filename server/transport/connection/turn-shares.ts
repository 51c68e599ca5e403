/**
 * How long a connection may work on its input in one turn of the event loop. Those whose input was interrupted all go on in
 * the next turn, so they share it: others are read when the last of them has had its part.
 */

/** Shorter parts would be spent on the going from one to the next. */
const SHARE_MS_MIN = 0.2;

export class TurnShares {
  /** Connections whose input waits for the next turn. They keep this up to date. */
  waiting = 0;
  /** Connections that are not read for a while, as calls of theirs are refused for want of room. They keep this as well. */
  refused = 0;
  readonly #turnMs: number;

  constructor(turnMs: number) {
    this.#turnMs = turnMs;
  }

  /** The share of one that begins to work now. */
  get shareMs(): number {
    if (this.waiting === 0) return this.#turnMs;
    return Math.min(this.#turnMs, Math.max(this.#turnMs / (this.waiting + 1), SHARE_MS_MIN));
  }
}
