/**
 * How many events wait in a stream's queue, for a metric. The transport tells how many bytes wait and not of which
 * messages. But bytes leave the queue in the order they came, so it is enough to note where each message ended that did
 * not go out at once:
 *
 *     all bytes that were ever queued   ……a……│…b…│……c……│
 *                                       left ──► │       │
 *                                                └ left + queuedBytes: b has begun to leave and still counts, as does c
 */
import assert from "node:assert/strict";

/** The entries that have left are cut off when there are more than this and they outweigh the rest. */
const LEFT_KEPT_MAX = 1_024;

export class QueuedEvents {
  /** As it was when last looked at. */
  #queuedBytes = 0;
  /** Bytes that have left the queue since it was last empty. */
  #leftBytes = 0;
  /** For each message with events: where it ends, and how many they are. Those before `#first` have left. */
  #ends: number[] = [];
  #counts: number[] = [];
  #first = 0;
  #count = 0;

  /** Takes account of what has left the queue. To be called before a message is sent. */
  look(queuedBytes: number): void {
    if (queuedBytes === this.#queuedBytes) return;
    assert(queuedBytes < this.#queuedBytes, "between two messages a queue only gets shorter");
    this.#leftBytes += this.#queuedBytes - queuedBytes;
    this.#queuedBytes = queuedBytes;
    while (this.#first < this.#ends.length && this.#ends[this.#first] <= this.#leftBytes) {
      this.#count -= this.#counts[this.#first];
      this.#first++;
    }
    if (queuedBytes === 0) this.#clear();
    else if (this.#first > LEFT_KEPT_MAX && this.#first > this.#ends.length / 2) this.#dropLeft();
  }

  /** A message with so many events was sent, and what had to wait of it is in the queue. */
  sent(events: number, queuedBytes: number): void {
    // It went out at once, or was dropped because the call has ended, with all that was queued or without.
    if (queuedBytes <= this.#queuedBytes) return this.look(queuedBytes);
    this.#queuedBytes = queuedBytes;
    if (events === 0) return;
    this.#ends.push(this.#leftBytes + queuedBytes);
    this.#counts.push(events);
    this.#count += events;
  }

  /** Events that are queued when so many bytes are. */
  count(queuedBytes: number): number {
    this.look(queuedBytes);
    return this.#count;
  }

  #clear(): void {
    assert(this.#count === 0, "in an empty queue waits no event");
    this.#leftBytes = 0;
    this.#ends = [];
    this.#counts = [];
    this.#first = 0;
  }

  #dropLeft(): void {
    this.#ends = this.#ends.slice(this.#first);
    this.#counts = this.#counts.slice(this.#first);
    this.#first = 0;
  }
}
