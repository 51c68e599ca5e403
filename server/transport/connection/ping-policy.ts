/**
 * How often a client may send PING, by the rule of grpc-go's server, which clients know and keep to: twice it may be too
 * early, and what was early is forgotten once it was sent an answer in between. So the PINGs with which clients measure
 * what a connection carries are never too many: they come with answers.
 */

/** PINGs that come too early; with one more the client is sent away. */
const STRIKES_MAX = 2;

/** How long a client without streams has to wait: there is nothing that it could keep alive. */
const IDLE_INTERVAL_MS = 2 * 60 * 60 * 1_000;

export class PingPolicy {
  readonly #intervalMs: number;
  #strikes = 0;
  /** When the last one came. */
  #lastAt = Number.NEGATIVE_INFINITY;

  /** @param intervalMs how long a client with streams has to wait; 0 lets all pass */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /**
   * Takes account of a PING.
   *
   * @param isIdle the client has no stream
   * @param answered it was sent HEADERS or DATA since its last PING
   * @returns whether it is one too many
   */
  exceededBy(now: number, isIdle: boolean, answered: boolean): boolean {
    const passedMs = now - this.#lastAt;
    this.#lastAt = now;
    if (answered) this.#strikes = 0;
    else if (this.#intervalMs > 0 && passedMs < (isIdle ? IDLE_INTERVAL_MS : this.#intervalMs)) this.#strikes++;
    return this.#strikes > STRIKES_MAX;
  }
}
