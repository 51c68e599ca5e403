/** Turns of the event loop that a seed throws the dice for: what is due runs one by one in an order that can be had again. */
import type { Turns } from "../../server/clock.ts";

export class SeededTurns implements Turns {
  readonly #random: () => number;
  readonly #due: (() => void)[] = [];

  /** @param random gives numbers from 0 to below 1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  later(run: () => void): void {
    this.#due.push(run);
  }

  /** How many are due. */
  get due(): number {
    return this.#due.length;
  }

  /** Runs one of those that are due, and lets promises go on. */
  async turn(): Promise<void> {
    const [run] = this.#due.splice(Math.floor(this.#random() * this.#due.length), 1);
    run?.();
    await Promise.resolve();
  }

  /** Runs until nothing is due, a limited number of turns. */
  async settle(turnsMax = 100_000): Promise<void> {
    for (let turns = 0; this.#due.length > 0; turns++) {
      if (turns === turnsMax) throw new Error(`something is still due after ${turnsMax} turns`);
      await this.turn();
    }
  }
}
