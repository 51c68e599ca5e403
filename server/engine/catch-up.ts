/**
 * Lets watchers that are behind read on from history, in bounded slices with a turn of the event loop between them, so
 * that a thousand reconnecting clients delay nobody else's calls.
 */
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Turns } from "../clock.ts";
import { SLICE_EVENTS } from "../limits.ts";

export class CatchUp {
  readonly #keyspace: Keyspace;
  readonly #turns: Turns;
  readonly #afterSlice: () => void;
  #running = false;

  /** @param afterSlice writes out what a slice has queued */
  constructor(keyspace: Keyspace, turns: Turns, afterSlice: () => void) {
    this.#keyspace = keyspace;
    this.#turns = turns;
    this.#afterSlice = afterSlice;
  }

  /** Begins unless it runs already. It ends by itself when no watcher is left that could go on. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    this.#turns.later(() => this.#slice());
  }

  #slice(): void {
    const finished = this.#keyspace.watchers.catchUp(SLICE_EVENTS);
    // Settled before anything is written out: a stream that drains in that resumes its watchers, and `run` is for them.
    this.#running = false;
    if (!finished) this.run();
    this.#afterSlice();
  }
}
