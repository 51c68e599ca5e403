/** Keeps work to a rate, by letting its thread sleep; and wakes it when it is asked to stop. */
import type { Clock } from "../clock.ts";
import { PACE_LAG_MS } from "./limits.ts";

const MS_PER_SECOND = 1_000;

/** A word that threads share: 0, and another number from when one is to stop. */
export class StopFlag {
  readonly shared: SharedArrayBuffer;
  readonly #word: Int32Array;

  constructor(shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#word = new Int32Array(shared);
  }

  get isSet(): boolean {
    return Atomics.load(this.#word, 0) !== 0;
  }

  set(): void {
    Atomics.store(this.#word, 0, 1);
    Atomics.notify(this.#word, 0);
  }

  /** Blocks the thread for so long, or until it is set. */
  wait(milliseconds: number): void {
    Atomics.wait(this.#word, 0, 0, milliseconds);
  }
}

export class Pace {
  readonly #clock: Clock;
  readonly #stop: Pick<StopFlag, "wait">;
  readonly #unitsPerMs: number;
  /** When all that was done so far would have been done at exactly the rate. */
  #dueMs: number;

  constructor(clock: Clock, stop: Pick<StopFlag, "wait">, unitsPerSecond: number) {
    this.#clock = clock;
    this.#stop = stop;
    this.#unitsPerMs = unitsPerSecond / MS_PER_SECOND;
    this.#dueMs = clock.nowMs();
  }

  /** So much was done: sleeps until it may have been. */
  spend(units: number): void {
    const nowMs = this.#clock.nowMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs - PACE_LAG_MS) + units / this.#unitsPerMs;
    if (this.#dueMs > nowMs) this.#stop.wait(this.#dueMs - nowMs);
  }
}
