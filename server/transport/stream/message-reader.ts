/**
 * Cuts gRPC messages out of DATA payloads. Layout of a message:
 *
 *     0  compressed flag, 1 byte
 *     1  length, 4 bytes
 *     5  message
 *
 * A message that lies whole in one payload is handed on as a view of it; one that is spread over several is gathered in
 * a buffer that grows with what has arrived, never with what the length announces.
 *
 * A compressed message is inflated at once when that gives little. Else another thread does it, and the reader goes on
 * behind the message when it is there, so that the order of messages stays.
 */

import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";

import { readUint32 } from "../frames/frames.ts";
import { INTERNAL, RESOURCE_EXHAUSTED, UNIMPLEMENTED } from "../../../proto/grpc-codes.ts";
import type { Status } from "../service.ts";

export const MESSAGE_PREFIX_BYTES = 5;

const FIRST_CAPACITY = 4_096;

/**
 * How much the buffer grows. What there is has to be copied each time: of a message beyond a few megabytes that would be
 * work for tens of milliseconds, so its last buffer is made early. What has not arrived in it takes no memory yet.
 */
const GROWTH = 2;
const LONG_BYTES = 4 * 1024 * 1024;
const LONG_GROWTH = 8;

/** What is inflated at once: a fraction of a millisecond. */
const INFLATED_AT_ONCE_BYTES_MAX = 64 * 1024;

/** Takes the messages in their order. */
export interface MessageSink {
  /** True when no more messages are wanted. */
  readonly closed: boolean;
  /** Whether to leave what is not read yet to the next turn of the event loop. Asked between two messages. */
  turnOver(): boolean;
  /** @param owned whether the message's memory is its own; else it is valid only during the call */
  onMessage(message: Buffer, owned: boolean): void;
  /** A message is illegal: the status ends the call. */
  onIllegal(status: Status): void;
  /** Inflates a long message elsewhere, and gives the reader's `inflated` what came of it. */
  inflate(message: Buffer, bytesMax: number): void;
}

export class MessageReader {
  readonly #encoding: string;
  readonly #messageBytesMax: number;
  /** The incomplete message with its prefix. */
  #partial: Buffer = EMPTY;
  #partialLength = 0;
  /** The message that is inflated elsewhere, then what came of it. */
  #inflating: Buffer | null = null;
  #inflated: Buffer | Error | null = null;
  /** What was left when it was interrupted. */
  #unread: Buffer = EMPTY;

  /** @param encoding the request's `grpc-encoding` */
  constructor(encoding: string, messageBytesMax: number) {
    this.#encoding = encoding;
    this.#messageBytesMax = messageBytesMax;
  }

  /** The memory held for an incomplete message, or one that is being inflated. */
  get heldBytes(): number {
    return this.#partial.length + (this.#inflating === null ? 0 : this.#inflating.length);
  }

  /** True when not all is read that was given: `goOn` has to be called before the next `read`. */
  get isInterrupted(): boolean {
    return this.#unread.length > 0 || this.#inflating !== null;
  }

  /** True while it cannot go on, because a message is being inflated. */
  get isWaiting(): boolean {
    return this.#inflating !== null && this.#inflated === null;
  }

  /** True when what was read ends within a message. */
  get incomplete(): boolean {
    return this.#partialLength > 0;
  }

  /**
   * Reads the payload [start, end) of `bytes`. It is interrupted when the turn is over before the end, or when a message
   * has to be inflated elsewhere; what is not read is kept.
   */
  read(bytes: Buffer, start: number, end: number, sink: MessageSink): void {
    assert(!this.isInterrupted, "messages are read in their order");
    this.#readMessages(bytes, start, end, sink);
  }

  /** Goes on where it was interrupted. */
  goOn(sink: MessageSink): void {
    assert(!this.isWaiting, "a message that is being inflated is waited for");
    const unread = this.#unread;
    if (this.#inflated !== null) {
      this.#deliverInflated(this.#inflated, sink);
      if (sink.turnOver()) return;
    }
    this.#unread = EMPTY;
    this.#readMessages(unread, 0, unread.length, sink);
  }

  #readMessages(bytes: Buffer, start: number, end: number, sink: MessageSink): void {
    let at = start;
    while (at < end && !sink.closed) {
      const before = at;
      at = this.#readMessage(bytes, at, end, sink);
      assert(at > before, "what is left to read gets less");
      if (this.#inflating === null && (at === end || this.#partialLength > 0 || !sink.turnOver())) continue;
      // The bytes are not ours. They are a frame's at most.
      this.#unread = Buffer.from(bytes.subarray(at, end));
      return;
    }
  }

  /** What came of a message that was given to `sink.inflate`: `goOn` delivers it. */
  inflated(result: Buffer | Error): void {
    assert(this.isWaiting, "a message is inflated once");
    this.#inflated = result;
  }

  /** Reads one message, or the beginning of one, and returns where that ends. */
  #readMessage(bytes: Buffer, start: number, end: number, sink: MessageSink): number {
    if (this.#partialLength === 0 && end - start >= MESSAGE_PREFIX_BYTES) {
      const length = readUint32(bytes, start + 1);
      if (this.#isIllegal(bytes[start], length, sink)) return end;
      const next = start + MESSAGE_PREFIX_BYTES + length;
      if (next <= end) {
        this.#deliver(bytes[start], bytes.subarray(start + MESSAGE_PREFIX_BYTES, next), false, sink);
        return next;
      }
    }
    const at = this.#gather(bytes, start, end);
    if (this.#partialLength < MESSAGE_PREFIX_BYTES) return at;
    const length = readUint32(this.#partial, 1);
    if (this.#isIllegal(this.#partial[0], length, sink)) return end;
    if (this.#partialLength === MESSAGE_PREFIX_BYTES + length) {
      const message = this.#partial.subarray(MESSAGE_PREFIX_BYTES, this.#partialLength);
      const flag = this.#partial[0];
      this.#partial = EMPTY;
      this.#partialLength = 0;
      this.#deliver(flag, message, true, sink);
    }
    return at;
  }

  /** Takes what the incomplete message lacks, first of its prefix and then of its body, and returns where that ends. */
  #gather(bytes: Buffer, start: number, end: number): number {
    const wanted =
      this.#partialLength < MESSAGE_PREFIX_BYTES
        ? MESSAGE_PREFIX_BYTES
        : MESSAGE_PREFIX_BYTES + readUint32(this.#partial, 1);
    const count = Math.min(wanted - this.#partialLength, end - start);
    const needed = this.#partialLength + count;
    if (needed > this.#partial.length) {
      const growth = wanted > LONG_BYTES ? LONG_GROWTH : GROWTH;
      const capacity = Math.max(needed, Math.min(wanted, this.#partial.length * growth), FIRST_CAPACITY);
      const larger = Buffer.allocUnsafeSlow(capacity);
      larger.set(this.#partial.subarray(0, this.#partialLength));
      this.#partial = larger;
    }
    bytes.copy(this.#partial, this.#partialLength, start, start + count);
    this.#partialLength = needed;
    return start + count;
  }

  #isIllegal(flag: number, length: number, sink: MessageSink): boolean {
    const illegal = this.#checkPrefix(flag, length);
    if (illegal === null) return false;
    sink.onIllegal(illegal);
    return true;
  }

  #checkPrefix(flag: number, length: number): Status | null {
    if (flag > 1) return { code: INTERNAL, message: `grpc: received unexpected payload format ${flag}` };
    if (flag === 1) {
      if (this.#encoding === "identity" || this.#encoding === "") {
        return { code: INTERNAL, message: "grpc: compressed flag set with identity or empty encoding" };
      }
      if (this.#encoding !== "gzip") {
        const text = `grpc: Decompressor is not installed for grpc-encoding "${this.#encoding}"`;
        return { code: UNIMPLEMENTED, message: text };
      }
    }
    if (length > this.#messageBytesMax) {
      const text = `grpc: received message larger than max (${length} vs. ${this.#messageBytesMax})`;
      return { code: RESOURCE_EXHAUSTED, message: text };
    }
    return null;
  }

  #deliver(flag: number, message: Buffer, owned: boolean, sink: MessageSink): void {
    if (flag === 0) {
      sink.onMessage(message, owned);
      return;
    }
    const bytesMax = this.#messageBytesMax;
    const result = inflateAtOnce(message, Math.min(bytesMax, INFLATED_AT_ONCE_BYTES_MAX));
    if (result instanceof RangeError && bytesMax > INFLATED_AT_ONCE_BYTES_MAX) {
      this.#inflating = owned ? message : Buffer.from(message);
      sink.inflate(this.#inflating, bytesMax);
    } else {
      this.#deliverInflated(result, sink);
    }
  }

  #deliverInflated(result: Buffer | Error, sink: MessageSink): void {
    this.#inflating = null;
    this.#inflated = null;
    if (!(result instanceof Error)) {
      sink.onMessage(result, true);
    } else if (result instanceof RangeError) {
      const text = `grpc: received message after decompression larger than max ${this.#messageBytesMax}`;
      sink.onIllegal({ code: RESOURCE_EXHAUSTED, message: text });
    } else {
      const text = `grpc: failed to decompress the received message: ${String(result)}`;
      sink.onIllegal({ code: INTERNAL, message: text });
    }
  }
}

/** A RangeError when it inflates to more than `bytesMax`, another one when it is not gzip. */
function inflateAtOnce(message: Buffer, bytesMax: number): Buffer | Error {
  try {
    return gunzipSync(message, { maxOutputLength: bytesMax });
  } catch (error) {
    // Nothing else is thrown.
    return error as Error;
  }
}

const EMPTY = Buffer.alloc(0);
