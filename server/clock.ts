/**
 * Time and turns of the event loop as the server sees them, behind seams so that tests turn both by hand: this is the one
 * place below the sockets that calls `setImmediate`, `setTimeout` and `performance.now`. Time is of the monotonic kind
 * only: nothing the server decides may depend on a clock that can be set back. The wall clock is
 * for people alone.
 */
import { performance } from "node:perf_hooks";
import type { Clock, Turns } from "../journal/time.ts";

export type { Clock, Timer, Turns } from "../journal/time.ts";

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

/** The machine's event loop. */
export const systemTurns: Turns = {
  later: (run) => void setImmediate(run),
};

/** The machine's wall clock, Unix ms. */
export const systemWallMs = (): number => Date.now();

/** All of them, for what takes them. */
export const systemTime = { clock: systemClock, turns: systemTurns, wallMs: systemWallMs } as const;
