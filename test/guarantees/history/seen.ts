/** What had been seen of the store by anybody at any moment. */
import type { History } from "./history.ts";

/** A number that only grows over time. */
export class Highest {
  readonly #at: number[] = [];
  readonly #values: number[] = [];

  /** Moments come in order. */
  add(at: number, value: number): void {
    this.#values.push(Math.max(value, this.#values.at(-1) ?? Number.NEGATIVE_INFINITY));
    this.#at.push(at);
  }

  /** The highest value of all moments before `at`, or `none`. */
  before(at: number, none: number): number {
    let low = 0;
    let high = this.#at.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at[middle] < at) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? none : this.#values[low - 1];
  }
}

/** The highest revision that any client had been told of by a call or a watch. */
export function seenRevisions({ calls, watches, collector }: History): Highest {
  const told: { readonly at: number; readonly revision: number }[] = [];
  for (const { outcome, respondedAt } of calls) {
    if (outcome.kind === "answered") told.push({ at: respondedAt, revision: outcome.revision });
  }
  for (const { messages } of [...watches, ...collector]) {
    for (const { at, revision } of messages) told.push({ at, revision });
  }
  const seen = new Highest();
  for (const { at, revision } of told.toSorted((a, b) => a.at - b.at)) seen.add(at, revision);
  return seen;
}
