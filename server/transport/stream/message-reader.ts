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
 * Compressed messages are inflated at once and not on another thread: what they may inflate to is bounded by the largest
 * message (a few milliseconds), the order of messages stays, and the clients served do not compress unless told to.
 */

import { gunzipSync } from "node:zlib";

import { readUint32 } from "../frames/frames.ts";
import { INTERNAL, RESOURCE_EXHAUSTED, UNIMPLEMENTED } from "../../../proto/grpc-codes.ts";
import type { Status } from "../service.ts";

export const MESSAGE_PREFIX_BYTES = 5;

const FIRST_CAPACITY = 4_096;

/** Takes the messages in their order. */
export interface MessageSink {
  /** True when no more messages are wanted. */
  readonly closed: boolean;
  /** @param owned whether the message's memory is its own; else it is valid only during the call */
  onMessage(message: Buffer, owned: boolean): void;
}

export class MessageReader {
  readonly #encoding: string;
  readonly #messageBytesMax: number;
  /** The incomplete message with its prefix. */
  #partial: Buffer = EMPTY;
  #partialLength = 0;

  /** @param encoding the request's `grpc-encoding` */
  constructor(encoding: string, messageBytesMax: number) {
    this.#encoding = encoding;
    this.#messageBytesMax = messageBytesMax;
  }

  /** The memory held for an incomplete message. */
  get heldBytes(): number {
    return this.#partial.length;
  }

  /** True when what was read ends within a message. */
  get incomplete(): boolean {
    return this.#partialLength > 0;
  }

  /**
   * Reads the payload [start, end) of `bytes`.
   *
   * @returns the status that ends the call when a message is illegal, else null
   */
  read(bytes: Buffer, start: number, end: number, sink: MessageSink): Status | null {
    let at = start;
    while (at < end && !sink.closed) {
      if (this.#partialLength === 0 && end - at >= MESSAGE_PREFIX_BYTES) {
        const length = readUint32(bytes, at + 1);
        const illegal = this.#checkPrefix(bytes[at], length);
        if (illegal !== null) return illegal;
        const next = at + MESSAGE_PREFIX_BYTES + length;
        if (next <= end) {
          const failed = this.#deliver(bytes[at], bytes.subarray(at + MESSAGE_PREFIX_BYTES, next), false, sink);
          if (failed !== null) return failed;
          at = next;
          continue;
        }
      }
      at = this.#gather(bytes, at, end);
      if (this.#partialLength >= MESSAGE_PREFIX_BYTES) {
        const length = readUint32(this.#partial, 1);
        const illegal = this.#checkPrefix(this.#partial[0], length);
        if (illegal !== null) return illegal;
        if (this.#partialLength === MESSAGE_PREFIX_BYTES + length) {
          const message = this.#partial.subarray(MESSAGE_PREFIX_BYTES, this.#partialLength);
          const flag = this.#partial[0];
          this.#partial = EMPTY;
          this.#partialLength = 0;
          const failed = this.#deliver(flag, message, true, sink);
          if (failed !== null) return failed;
        }
      }
    }
    return null;
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
      const capacity = Math.max(needed, Math.min(wanted, this.#partial.length * 2), FIRST_CAPACITY);
      const larger = Buffer.allocUnsafeSlow(capacity);
      larger.set(this.#partial.subarray(0, this.#partialLength));
      this.#partial = larger;
    }
    bytes.copy(this.#partial, this.#partialLength, start, start + count);
    this.#partialLength = needed;
    return start + count;
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

  #deliver(flag: number, message: Buffer, owned: boolean, sink: MessageSink): Status | null {
    if (flag === 0) {
      sink.onMessage(message, owned);
      return null;
    }
    let inflated: Buffer;
    try {
      inflated = gunzipSync(message, { maxOutputLength: this.#messageBytesMax });
    } catch (error) {
      if (error instanceof RangeError) {
        const text = `grpc: received message after decompression larger than max ${this.#messageBytesMax}`;
        return { code: RESOURCE_EXHAUSTED, message: text };
      }
      return { code: INTERNAL, message: `grpc: failed to decompress the received message: ${String(error)}` };
    }
    sink.onMessage(inflated, true);
    return null;
  }
}

const EMPTY = Buffer.alloc(0);
