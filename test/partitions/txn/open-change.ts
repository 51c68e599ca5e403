/** A change that is done a few keys at a time while others read what was before. */
import type { LongChange } from "../../../partitions/txn/long-change.ts";

export class OpenChange {
  readonly #change: LongChange<unknown>;
  readonly #keysMax: number;
  readonly #compare: (response: unknown) => void;

  /** @param compare is told what it gave */
  constructor(change: LongChange<unknown>, keysMax: number, compare: (response: unknown) => void) {
    this.#change = change;
    this.#keysMax = keysMax;
    this.#compare = compare;
  }

  /** True when it is done and was right. */
  step(): boolean {
    if (!this.#change.step(this.#keysMax)) return false;
    this.#compare(this.#change.response);
    this.#change.end();
    return true;
  }
}
