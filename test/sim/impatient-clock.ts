/** A clock whose timers come in a turn or two, however long they were set to, and whose time goes on with each look at it. */
import type { Clock } from "../../server/clock.ts";

export class ImpatientClock implements Clock {
  readonly #stepMs: number;
  #nowMs = 0;

  /** @param stepMs how much time passes at each look */
  constructor(stepMs: number) {
    this.#stepMs = stepMs;
  }

  nowMs(): number {
    this.#nowMs += this.#stepMs;
    return this.#nowMs;
  }

  after(_: number, callback: () => void): { cancel(): void } {
    const immediate = setImmediate(callback);
    return { cancel: () => clearImmediate(immediate) };
  }
}
