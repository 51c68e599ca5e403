/**
 * One call of the lean client: the messages that come in, reassembled from DATA, and those that wait to go out. Windows
 * are numbers here; the connection (connection.ts) writes and reads the frames.
 */

import { readUint32, writeUint32 } from "../../server/transport/frames/frames.ts";
import type { ResponseHead } from "./response-heads.ts";

/** Flag octet and length in front of every gRPC message. */
export const MESSAGE_PREFIX_BYTES = 5;

const NOTHING = Buffer.alloc(0);

/** A call that did not end with status OK. */
export class GrpcError extends Error {
  /** The gRPC status code. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = "GrpcError";
    this.code = code;
  }
}

/**
 * Takes the outcome of a unary call.
 *
 * @param status the gRPC code
 * @param message the reply, a view that is valid until this returns; empty unless the status is OK
 * @param text the status message
 */
export type ReplyHandler = (status: number, message: Buffer, text: string) => void;

export interface StreamHandler {
  /** One whole message; the view is valid until this returns. */
  onMessage(message: Buffer): void;
  /** The stream is over. Called once, last. */
  onEnd(status: number, text: string): void;
}

export class LeanCall {
  /** 0 until its HEADERS are written. */
  id = 0;
  /** For a unary call; a stream has null. */
  onReply: ReplyHandler | null = null;
  handler: StreamHandler | null = null;
  /** Metadata of this call alone, as an HPACK run behind the constant block. */
  extraHeaders: Buffer = NOTHING;
  path = "";

  /** Octets that the server lets us send. Negative after it lowered its initial window. */
  sendWindow = 0;
  /** Octets that the server may still send. */
  receiveWindow = 0;
  /** Octets received and not yet given back to the server's window. */
  creditOwed = 0;
  creditPaused = false;

  /** Framed messages not yet sent; the first of them from `queueOffset` on. */
  queue: Buffer[] = [];
  queueOffset = 0;
  queuedBytes = 0;
  endRequested = false;
  endSent = false;
  ended = false;
  head: ResponseHead | null = null;

  /** Whole messages received. */
  messages = 0;
  /** The last whole message of a unary call: [start, end) of `reply`, which is the read buffer until settled. */
  reply: Buffer = NOTHING;
  replyStart = 0;
  replyEnd = 0;
  #replySettled = true;

  /** A message that has come in part: its prefix, then its body. */
  #prefix: Buffer | null = null;
  #prefixLength = 0;
  #body: Buffer | null = null;
  #bodyLength = 0;

  /** Makes a finished call a new one. */
  reset(onReply: ReplyHandler): void {
    this.id = 0;
    this.onReply = onReply;
    this.creditOwed = 0;
    this.endRequested = true;
    this.endSent = false;
    this.ended = false;
    this.head = null;
    this.messages = 0;
    this.reply = NOTHING;
    this.replyStart = 0;
    this.replyEnd = 0;
    this.#replySettled = true;
    this.#prefixLength = 0;
    this.#body = null;
  }

  /** True when a message has begun and not ended. */
  get incomplete(): boolean {
    return this.#prefixLength > 0;
  }

  enqueue(message: Uint8Array): void {
    const framed = Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES + message.length);
    framed[0] = 0;
    writeUint32(framed, 1, message.length);
    framed.set(message, MESSAGE_PREFIX_BYTES);
    this.queue.push(framed);
    this.queuedBytes += framed.length;
  }

  /** Notes that `length` octets of the queue's first message were sent, and whether that was the rest of it. */
  sent(length: number, whole: boolean): void {
    this.sendWindow -= length;
    this.queuedBytes -= length;
    if (whole) {
      this.queue.shift();
      this.queueOffset = 0;
    } else {
      this.queueOffset += length;
    }
  }

  dropQueue(): void {
    this.queue = [];
    this.queueOffset = 0;
    this.queuedBytes = 0;
  }

  /**
   * Takes the content [start, end) of a DATA frame.
   *
   * @returns null, or what is wrong with it
   */
  receive(bytes: Buffer, start: number, end: number, messageBytesMax: number): string | null {
    let at = start;
    while (at < end) {
      if (this.#prefixLength === 0 && end - at >= MESSAGE_PREFIX_BYTES) {
        const from = at + MESSAGE_PREFIX_BYTES;
        const to = from + readUint32(bytes, at + 1);
        if (to <= end && bytes[at] === 0) {
          this.#deliver(bytes, from, to, false);
          at = to;
          continue;
        }
      }
      if (this.#body === null) {
        this.#prefix ??= Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES);
        while (at < end && this.#prefixLength < MESSAGE_PREFIX_BYTES) this.#prefix[this.#prefixLength++] = bytes[at++];
        if (this.#prefixLength < MESSAGE_PREFIX_BYTES) return null;
        if (this.#prefix[0] !== 0) return `message with flag ${this.#prefix[0]}`;
        const length = readUint32(this.#prefix, 1);
        if (length > messageBytesMax) return `message of ${length} bytes`;
        this.#body = Buffer.allocUnsafeSlow(length);
        this.#bodyLength = 0;
      }
      const length = Math.min(end - at, this.#body.length - this.#bodyLength);
      bytes.copy(this.#body, this.#bodyLength, at, at + length);
      this.#bodyLength += length;
      at += length;
      if (this.#bodyLength < this.#body.length) return null;
      const body = this.#body;
      this.#body = null;
      this.#prefixLength = 0;
      this.#deliver(body, 0, body.length, true);
    }
    return null;
  }

  /** Makes the reply bytes of its own, before the read buffer is used again. */
  settle(): void {
    if (this.#replySettled) return;
    this.#replySettled = true;
    this.reply = Buffer.from(this.reply.subarray(this.replyStart, this.replyEnd));
    this.replyStart = 0;
    this.replyEnd = this.reply.length;
  }

  #deliver(bytes: Buffer, start: number, end: number, owned: boolean): void {
    this.messages++;
    if (this.handler !== null) {
      // A stream that was cancelled inside its handler hears no more.
      if (!this.ended) this.handler.onMessage(bytes.subarray(start, end));
    } else {
      this.reply = bytes;
      this.replyStart = start;
      this.replyEnd = end;
      this.#replySettled = owned;
    }
  }
}
