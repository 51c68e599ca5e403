/** Keeps work to a rate, by letting its thread sleep. */
import type { Clock } from "../clock.ts";
import { PACE_LAG_MS } from "./limits.ts";

const MS_PER_SECOND = 1_000;

/** Blocks the thread. */
export interface Sleeper {
  sleep(milliseconds: number): void;
}

export class Pace {
  readonly #clock: Clock;
  readonly #sleeper: Sleeper;
  readonly #unitsPerMs: number;
  /** When all that was done so far would have been done at exactly the rate. */
  #dueMs: number;

  constructor(clock: Clock, sleeper: Sleeper, unitsPerSecond: number) {
    this.#clock = clock;
    this.#sleeper = sleeper;
    this.#unitsPerMs = unitsPerSecond / MS_PER_SECOND;
    this.#dueMs = clock.nowMs();
  }

  /** So much was done: sleeps until it may have been. */
  spend(units: number): void {
    const nowMs = this.#clock.nowMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs - PACE_LAG_MS) + units / this.#unitsPerMs;
    if (this.#dueMs > nowMs) this.#sleeper.sleep(this.#dueMs - nowMs);
  }
}
