/**
 * The streams of a connection that have something to send, in the order of their turns: a list linked through the
 * streams, so that one that ends leaves at once, and neither a turn nor an end costs more when there are many.
 */

import assert from "node:assert/strict";

/** What the round keeps in a stream. */
export interface InRound<S> {
  scheduled: boolean;
  previousInRound: S | null;
  nextInRound: S | null;
}

export class SendRound<S extends InRound<S>> {
  /** The stream whose turn is next. */
  first: S | null = null;
  #last: S | null = null;

  /** Puts a stream at the end, unless it is in the round. */
  add(stream: S): void {
    if (stream.scheduled) return;
    stream.scheduled = true;
    stream.previousInRound = this.#last;
    if (this.#last === null) this.first = stream;
    else this.#last.nextInRound = stream;
    this.#last = stream;
  }

  /** Takes out a stream that is in the round. */
  remove(stream: S): void {
    assert(stream.scheduled, "the stream is in the round");
    stream.scheduled = false;
    const { previousInRound: previous, nextInRound: next } = stream;
    if (previous === null) this.first = next;
    else previous.nextInRound = next;
    if (next === null) this.#last = previous;
    else next.previousInRound = previous;
    stream.previousInRound = null;
    stream.nextInRound = null;
  }
}
