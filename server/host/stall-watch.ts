/**
 * Tells of stalls: turns of the event loop so long that everybody waits, whatever the cause (one request that does too
 * much, a collection of garbage, a machine that has no time for this process).
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Clock, Timer } from "../clock.ts";

/** A turn that is longer is a stall. */
export const STALL_WARNING_MS = 200;

const LOOK_MS = 1_000;
/** How often Node itself looks, which takes no turn. A stall shows shorter by up to this. */
const RESOLUTION_MS = 20;

/** How long turns took. */
export interface TurnTimes {
  /** The longest of all but those that are forgotten. */
  longestMs(): number;
  /** What begins at once may be forgotten, too. */
  forget(): void;
}

export interface StallWatchOptions {
  readonly clock: Clock;
  readonly turns: TurnTimes;
  readonly onStall: (milliseconds: number) => void;
}

export class StallWatch {
  readonly #options: StallWatchOptions;
  #timer: Timer | null = null;

  constructor(options: StallWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.turns.forget();
    this.#lookLater();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #lookLater(): void {
    const { clock, turns, onStall } = this.#options;
    this.#timer = clock.after(LOOK_MS, () => {
      const longestMs = turns.longestMs();
      if (longestMs > STALL_WARNING_MS) {
        onStall(longestMs);
        turns.forget();
      }
      this.#lookLater();
    });
  }
}

/** The turns of this process. */
export function measureTurns(): TurnTimes {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  return {
    // What it measures is the time between two of its looks.
    longestMs: () => histogram.max / 1e6 - RESOLUTION_MS,
    forget: () => histogram.reset(),
  };
}
