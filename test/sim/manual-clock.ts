/** A clock that stands still until a test turns it. Timers run in the order due, each at its own moment. */
import type { Clock, Timer } from "../../server/clock.ts";

interface PendingTimer {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #nowMs: number;
  readonly #pending: Set<PendingTimer>;

  constructor(nowMs = 0) {
    this.#nowMs = nowMs;
    this.#pending = new Set();
  }

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#pending.add(timer);
    return { cancel: () => void this.#pending.delete(timer) };
  }

  /** Timers that are still to come. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Turns the clock. What a timer starts asynchronously gets its turns before the next timer runs, so that a timer it
   * sets on the way is honoured.
   */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      const next = this.#earliest(untilMs);
      if (next === null) {
        break;
      }
      this.#pending.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
    }
    this.#nowMs = untilMs;
  }

  /** Lets time pass in which nothing runs: timers that are due then are late. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  #earliest(untilMs: number): PendingTimer | null {
    let earliest: PendingTimer | null = null;
    for (const timer of this.#pending) {
      if (timer.dueMs <= untilMs && (earliest === null || timer.dueMs < earliest.dueMs)) {
        earliest = timer;
      }
    }
    return earliest;
  }
}

/** Lets every promise that can go on go on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
