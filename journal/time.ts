/**
 * Time and turns of the event loop as the journal asks for them, so that a simulation can be both. The machine's own are in
 * `server/clock.ts`.
 */

/** A callback that is still to come. Cancelling twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since some fixed moment. Never goes backwards. */
  nowMs(): number;
  /**
   * Calls back once, no earlier than `delayMs` from now and never from within this call. A pending timer does not keep
   * the process alive.
   */
  after(delayMs: number, callback: () => void): Timer;
}

export interface Turns {
  /** Runs in a later turn of the event loop. Nobody may count on the order of two such calls. */
  later(run: () => void): void;
}
