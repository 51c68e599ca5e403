/**
 * Whether a client is still there: one that was silent for long is sent a PING, and when that brings nothing either it is
 * taken for dead. Whatever it sends is a sign of life.
 */

/** What is to be done about a silent client. */
export const NOTHING_TO_DO = 0;
export const TO_PING = 1;
export const DEAD = 2;

export class Liveness {
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  /** When it was asked for a sign of life that has not come; null when none is missing. */
  #askedAt: number | null = null;

  /**
   * @param intervalMs how long a client may be silent before it is sent a PING
   * @param timeoutMs how long it may be silent after that
   */
  constructor(intervalMs: number, timeoutMs: number) {
    this.#intervalMs = intervalMs;
    this.#timeoutMs = timeoutMs;
  }

  /** @param heardAt when something was last read of it, and all was that had arrived */
  look(now: number, heardAt: number): typeof NOTHING_TO_DO | typeof TO_PING | typeof DEAD {
    if (this.#askedAt !== null && heardAt > this.#askedAt) this.#askedAt = null;
    if (this.#askedAt !== null) return now - this.#askedAt > this.#timeoutMs ? DEAD : NOTHING_TO_DO;
    if (now - heardAt < this.#intervalMs) return NOTHING_TO_DO;
    this.#askedAt = now;
    return TO_PING;
  }
}
