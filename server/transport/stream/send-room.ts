/**
 * How much a connection may have waiting for its client, and which streams wait for room.
 *
 *     owed    unary and plain answers: above the limit further calls are refused
 *     queued  memory of streaming calls: above the limit their handlers see `writable` false and wait for `onDrain`
 *     copied  the part of `queued` that was copied from messages: above its limit a handler that sends all the same
 *             loses its call
 *
 * One client's stalled stream shall not starve its others. So between the limits of `queued` and `copied` a stream that
 * has nothing queued and an open window stays writable: what it sends mostly does not wait.
 *
 * All connections together have limits, too. While these are exceeded only connections with next to nothing waiting go
 * on as before.
 *
 * A stream that is not writable is in one of three states until it is told: its own queue is too long, and it is looked
 * at when that has shrunk; or it waits for room of the connection, in `#waiting`; or it is about to be told, in `#ready`.
 */

import type { TransportLimits } from "../limits.ts";
import type { SendQueue } from "./send-queue.ts";
import type { Stream } from "./stream.ts";

/** So many waiting streams are told of room at a time: they would fill it before the last of many had its chance. */
const TOLD_AT_ONCE = 64;

/** A stream becomes writable again when only this fraction of a limit is used. */
const HALF = 2;

/** The sums of all connections of a server, in bytes. */
export interface SendTotals {
  owedBytes: number;
  queuedBytes: number;
}

export class SendRoom {
  /** Unary and plain answers that are queued, with what keeping them costs. */
  owedBytes = 0;
  /** Memory that the queues of streaming calls hold. */
  queuedBytes = 0;
  /** The part of it that was copied from messages. */
  copiedBytes = 0;
  readonly #limits: TransportLimits;
  readonly #totals: SendTotals;
  readonly #waiting = new Set<Stream>();
  readonly #ready = new Set<Stream>();

  constructor(limits: TransportLimits, totals: SendTotals) {
    this.#limits = limits;
    this.#totals = totals;
  }

  /** True while the client must take answers before it is given more. */
  get refusesCalls(): boolean {
    const { owedBytesPerConnectionMax, owedBytesMax, guaranteedBytesPerConnection } = this.#limits;
    if (this.owedBytes > owedBytesPerConnectionMax) return true;
    return this.#totals.owedBytes > owedBytesMax && this.owedBytes > guaranteedBytesPerConnection;
  }

  /** True while no message of a streaming call may be copied to wait. */
  get refusesCopies(): boolean {
    return this.copiedBytes > this.#limits.copiedBytesPerConnectionMax;
  }

  /** Whether the stream may send. One that hears no is told by `onDrain` when it may. */
  writable(stream: Stream): boolean {
    if (stream.choked) return false;
    if (this.#hasRoom(stream, 1)) return true;
    this.#choke(stream);
    return false;
  }

  /** Takes account of what a stream has queued. */
  queued(stream: Stream, queue: SendQueue): void {
    this.#count(stream, queue);
    if (!stream.choked && !this.#hasRoom(stream, 1)) this.#choke(stream);
  }

  /** Takes account of what was written of a stream's queue. */
  written(stream: Stream, queue: SendQueue): void {
    this.#count(stream, queue);
    if (stream.choked) this.#consider(stream);
  }

  /** The client let more of the stream through. */
  windowOpened(stream: Stream): void {
    if (this.#waiting.has(stream)) this.#consider(stream);
  }

  /** Drops the account of a stream. */
  forget(stream: Stream): void {
    const { queue } = stream;
    if (queue !== null) this.#add(stream, queue, -queue.countedBytes, -queue.countedCopies);
    if (!stream.choked) return;
    this.#waiting.delete(stream);
    this.#ready.delete(stream);
  }

  /** Looks at every stream that waits. What other connections let go of is noticed only here. */
  sweep(): void {
    // A copy: who has to wait on is put behind the others, and would be met again.
    for (const stream of Array.from(this.#waiting)) this.#consider(stream);
  }

  /**
   * Tells streams that they became writable.
   *
   * @returns true when more are to be told in the next turn of the event loop
   */
  tell(): boolean {
    const more = this.#waiting.size > 0 && this.#takeWaiting();
    if (this.#ready.size > 0) {
      // A copy: who is told may become ready again at once.
      for (const stream of Array.from(this.#ready)) this.#tellOne(stream);
    }
    return more;
  }

  /** Lets the first of those that wait go on, when the connection has room. */
  #takeWaiting(): boolean {
    if (this.queuedBytes * HALF > this.#limits.queuedBytesPerConnectionMax) return false;
    const before = this.#ready.size;
    let left = Math.min(this.#waiting.size, TOLD_AT_ONCE);
    for (const stream of this.#waiting) {
      if (left-- === 0) break;
      // Who is not let go on waits behind the others.
      this.#waiting.delete(stream);
      this.#consider(stream);
    }
    return this.#waiting.size > 0 && this.#ready.size > before;
  }

  #tellOne(stream: Stream): void {
    // Those told before may have ended this one, or filled the room.
    if (!this.#ready.delete(stream)) return;
    stream.choked = false;
    if (stream.closed || stream.listener === null) return;
    if (this.#hasRoom(stream, 1)) stream.listener.onDrain();
    else this.#choke(stream);
  }

  #choke(stream: Stream): void {
    stream.choked = true;
    if (weightOf(stream) * HALF <= this.#limits.queuedBytesPerStreamMax) this.#waiting.add(stream);
  }

  #consider(stream: Stream): void {
    this.#waiting.delete(stream);
    if (weightOf(stream) * HALF > this.#limits.queuedBytesPerStreamMax) return;
    if (this.#hasRoom(stream, HALF)) this.#ready.add(stream);
    else this.#waiting.add(stream);
  }

  /** @param fraction the part of the limits that may be used: 1 for all, 2 for half */
  #hasRoom(stream: Stream, fraction: number): boolean {
    const limits = this.#limits;
    const weight = weightOf(stream);
    if (weight * fraction > limits.queuedBytesPerStreamMax) return false;
    if (isOwed(stream)) return !this.refusesCalls;
    if (this.#totals.queuedBytes > limits.queuedBytesMax && this.queuedBytes > limits.guaranteedBytesPerConnection) {
      return false;
    }
    if (this.queuedBytes * fraction <= limits.queuedBytesPerConnectionMax) return true;
    return weight === 0 && stream.sendWindow > 0 && this.copiedBytes * fraction <= limits.copiedBytesPerConnectionMax;
  }

  #count(stream: Stream, queue: SendQueue): void {
    const bytes = isOwed(stream) ? queue.weight : queue.memoryBytes;
    this.#add(stream, queue, bytes - queue.countedBytes, queue.copiedBytes - queue.countedCopies);
  }

  #add(stream: Stream, queue: SendQueue, bytes: number, copies: number): void {
    queue.countedBytes += bytes;
    queue.countedCopies += copies;
    if (isOwed(stream)) {
      this.owedBytes += bytes;
      this.#totals.owedBytes += bytes;
    } else {
      this.queuedBytes += bytes;
      this.#totals.queuedBytes += bytes;
      this.copiedBytes += copies;
    }
  }
}

function weightOf(stream: Stream): number {
  return stream.queue === null ? 0 : stream.queue.weight;
}

function isOwed(stream: Stream): boolean {
  const { method } = stream.head;
  return method === null || method.kind === "unary";
}
