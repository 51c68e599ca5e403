/**
 * Time as the server sees it, behind a seam so that tests turn it by hand. Only the monotonic kind: nothing the server
 * decides may depend on a clock that can be set back.
 */
import { performance } from "node:perf_hooks";

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

/** Node truncates longer delays to one millisecond. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    if (!(delayMs >= 0 && delayMs <= DELAY_MS_MAX)) {
      throw new RangeError(`delay out of range: ${delayMs} ms`);
    }
    const timeout = setTimeout(callback, Math.ceil(delayMs)).unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};
