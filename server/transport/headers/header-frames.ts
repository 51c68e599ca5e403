/**
 * HEADERS and CONTINUATION frames: takes padding and priority off, and joins the pieces of a header block. What the block
 * says, and whether its stream may have it, is not decided here.
 */

import {
  ENHANCE_YOUR_CALM,
  END_HEADERS,
  END_STREAM,
  PADDED,
  PRIORITY_FLAG,
  PROTOCOL_ERROR,
  readUint31,
} from "../frames/frames.ts";
import type { TransportLimits } from "../limits.ts";

/** The stream dependency and the weight. */
const PRIORITY_BYTES = 5;

export interface HeaderBlockSink {
  /** A whole block [start, end) of `bytes`, valid only during the call. */
  onHeaderBlock(bytes: Buffer, start: number, end: number, streamId: number, endStream: boolean): void;
  /** The frames break a rule or a limit, and the connection must end. */
  fail(errorCode: number, text: string): void;
}

export class HeaderFrames {
  readonly #sink: HeaderBlockSink;
  readonly #limits: TransportLimits;
  /** The stream whose block is not yet whole, or 0. */
  #streamId = 0;
  #endStream = false;
  #pieces: Buffer[] = [];
  #length = 0;
  #continuations = 0;

  constructor(sink: HeaderBlockSink, limits: TransportLimits) {
    this.#sink = sink;
    this.#limits = limits;
  }

  /** True while a block lacks CONTINUATION: no other frame may come. */
  get open(): boolean {
    return this.#streamId !== 0;
  }

  onHeaders(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    let from = start;
    let to = end;
    if ((flags & PADDED) !== 0) {
      from++;
      // Without even a length of the padding, `to` is before `from`.
      to = end === start ? start : end - bytes[start];
    }
    if ((flags & PRIORITY_FLAG) !== 0) {
      from += PRIORITY_BYTES;
      if (from <= to && readUint31(bytes, from - PRIORITY_BYTES) === streamId) {
        this.#sink.fail(PROTOCOL_ERROR, "stream depends on itself");
        return;
      }
    }
    if (from > to) {
      this.#sink.fail(PROTOCOL_ERROR, "padding or priority exceeds the frame");
      return;
    }
    const endStream = (flags & END_STREAM) !== 0;
    if ((flags & END_HEADERS) !== 0) {
      this.#sink.onHeaderBlock(bytes, from, to, streamId, endStream);
      return;
    }
    this.#streamId = streamId;
    this.#endStream = endStream;
    this.#continuations = 0;
    this.#append(bytes, from, to);
  }

  onContinuation(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    if (!this.open || this.#streamId !== streamId) {
      this.#sink.fail(PROTOCOL_ERROR, "CONTINUATION without its HEADERS");
      return;
    }
    this.#continuations++;
    this.#append(bytes, start, end);
    if (this.#continuations > this.#limits.continuationFramesMax || this.#length > this.#limits.headerBlockBytesMax) {
      this.#sink.fail(ENHANCE_YOUR_CALM, "header block too large");
    } else if ((flags & END_HEADERS) !== 0) {
      const block = Buffer.concat(this.#pieces, this.#length);
      this.#streamId = 0;
      this.#pieces = [];
      this.#length = 0;
      this.#sink.onHeaderBlock(block, 0, block.length, streamId, this.#endStream);
    }
  }

  #append(bytes: Buffer, start: number, end: number): void {
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
    this.#length += end - start;
  }
}
