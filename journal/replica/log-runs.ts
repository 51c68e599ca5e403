/**
 * The records from a cursor's place to a last one. Not a generator: a journal written at leisure has a frame for each
 * record, and for a million of them a generator's way to `for await` takes 0.2 s of CPU where this one takes 0.09 s.
 */
import type { RecordRun } from "../journal.ts";
import type { LogCursor } from "./log-cursor.ts";

export class LogRuns implements AsyncIterableIterator<RecordRun, undefined, undefined> {
  readonly #last: number;
  /** Null when the runs have ended and the file is given back. */
  #cursor: LogCursor | null;

  constructor(cursor: LogCursor, last: number) {
    this.#cursor = cursor;
    this.#last = last;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** To be called when the promise before has settled, as `for await` does. */
  next(): Promise<IteratorResult<RecordRun, undefined>> {
    const run = this.#cursor === null ? null : this.#cursor.take(this.#last);
    return run === null ? this.#load() : Promise.resolve({ done: false, value: run });
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    const cursor = this.#cursor;
    this.#cursor = null;
    await cursor?.close();
    return { done: true, value: undefined };
  }

  async #load(): Promise<IteratorResult<RecordRun, undefined>> {
    let hasMore = false;
    try {
      hasMore = this.#cursor !== null && (await this.#cursor.load(this.#last));
    } finally {
      if (!hasMore) await this.return();
    }
    return hasMore ? this.next() : { done: true, value: undefined };
  }
}
