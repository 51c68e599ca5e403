/**
 * Tries an act again, with growing pauses, while what it fails of may pass by itself. Only for acts that leave nothing
 * behind that a second attempt could mistake: never for the write of a frame.
 */
import assert from "node:assert/strict";
import type { JournalError } from "../journal.ts";
import { STALL_RETRY_MAX_MS, STALL_RETRY_MIN_MS } from "../limits.ts";
import type { Clock, Timer } from "../time.ts";

export class Stall {
  /** As `JournalListener.onStalled`. Nothing is tried again while nobody listens. */
  onStalled: ((reason: JournalError | null) => void) | null = null;
  readonly #clock: Clock;
  #isEnded = false;
  #timer: Timer | null = null;
  #goOn: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param act resolves to null when it has succeeded, else to why not */
  async untilDone(act: () => Promise<JournalError | null>): Promise<JournalError | null> {
    let reason = await act();
    if (reason === null || !this.#mayRetry(reason)) return reason;
    this.onStalled?.(reason);
    for (let pauseMs = STALL_RETRY_MIN_MS; reason !== null && this.#mayRetry(reason);) {
      await this.#pause(pauseMs);
      pauseMs = Math.min(2 * pauseMs, STALL_RETRY_MAX_MS);
      reason = await act();
    }
    if (reason === null) this.onStalled?.(null);
    return reason;
  }

  /** From now on an act is tried once; one that pauses is tried at once, for the last time. */
  end(): void {
    this.#isEnded = true;
    this.#timer?.cancel();
    this.#goOn?.();
  }

  #mayRetry(reason: JournalError): boolean {
    return reason.isPassing && this.onStalled !== null && !this.#isEnded;
  }

  #pause(ms: number): Promise<void> {
    assert(this.#goOn === null, "one act at a time");
    return new Promise((resolve) => {
      this.#goOn = (): void => {
        this.#goOn = null;
        resolve();
      };
      this.#timer = this.#clock.after(ms, this.#goOn);
    });
  }
}
