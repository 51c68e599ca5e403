/**
 * Reading JSON, for all requests: a step of each in turn, and together no longer in one turn of the event loop than a limit,
 * however many they are and however much each has to be read.
 */
import type { Clock, Turns } from "../clock.ts";
import { GATEWAY_READ_TURN_MS } from "../limits.ts";

/** What is left to be done for one request, with a yield between its steps. */
export type Steps = Iterator<void, void>;

export class JsonWork {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #turns: Turns;
  #waiting: Steps[] = [];
  #awaitsTurn = false;

  constructor(clock: Pick<Clock, "nowMs">, turns: Turns) {
    this.#clock = clock;
    this.#turns = turns;
  }

  /** Begins in a later turn. Each call of the gateway has one at a time, so that as many wait as there are calls. */
  add(steps: Steps): void {
    this.#waiting.push(steps);
    this.#goOnLater();
  }

  #goOnLater(): void {
    if (this.#awaitsTurn || this.#waiting.length === 0) return;
    this.#awaitsTurn = true;
    this.#turns.later(() => {
      this.#awaitsTurn = false;
      try {
        this.#goOn();
      } finally {
        this.#goOnLater();
      }
    });
  }

  #goOn(): void {
    const untilMs = this.#clock.nowMs() + GATEWAY_READ_TURN_MS;
    while (this.#waiting.length > 0) {
      const round = this.#waiting;
      this.#waiting = [];
      for (let i = 0; i < round.length; i++) {
        // What throws has no next step.
        if (round[i].next().done !== true) this.#waiting.push(round[i]);
        if (this.#clock.nowMs() >= untilMs) {
          this.#waiting = [...round.slice(i + 1), ...this.#waiting];
          return;
        }
      }
    }
  }
}
