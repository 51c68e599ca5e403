/**
 * The way from the first call that is refused for want of space to the alarm that refuses all others: calls that come
 * meanwhile hear of it when the alarm is active, so that they find it in the list.
 */
import { NO_SPACE } from "../../partitions/refusals.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import { PROPOSALS_MAX } from "../limits.ts";

/** A call as far as it can be refused. */
export interface RefusableCall {
  fail(refusal: Refusal): void;
}

export class AlarmRaise {
  readonly #isActive: () => boolean;
  readonly #propose: (onEnd: () => void) => void;
  #isRaising = false;
  #waiting: RefusableCall[] = [];

  /**
   * @param isActive whether the alarm is
   * @param propose proposes it, and calls `onEnd` when that has come to an end
   */
  constructor(isActive: () => boolean, propose: (onEnd: () => void) => void) {
    this.#isActive = isActive;
    this.#propose = propose;
  }

  /** The call fails with NO_SPACE: now, or when the alarm is active, or could not be raised. Then the next one tries again. */
  refuse(call: RefusableCall): void {
    this.raise();
    if (this.#isRaising && this.#waiting.length < PROPOSALS_MAX) this.#waiting.push(call);
    else call.fail(NO_SPACE);
  }

  /** Proposes the alarm, unless it is active or on its way. */
  raise(): void {
    if (this.#isRaising || this.#isActive()) return;
    this.#isRaising = true;
    this.#propose(() => this.#end());
  }

  #end(): void {
    this.#isRaising = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) call.fail(NO_SPACE);
  }
}
