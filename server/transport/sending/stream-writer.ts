/**
 * The writing half of a connection: answers and messages, under the client's flow control windows.
 *
 * Small messages go to the output buffer at once when the windows allow. All others queue on their stream, and the
 * streams with queues take turns: 64 KiB each, 256 KiB of a connection per turn of the event loop, and none while the
 * socket's own queue is full. So a small answer overtakes a large one, and a large one does not keep other connections
 * waiting.
 */

import assert from "node:assert/strict";

import {
  DATA,
  DEFAULT_FRAME_BYTES_MAX,
  DEFAULT_WINDOW,
  END_STREAM,
  CANCEL,
  FRAME_HEADER_BYTES,
  INTERNAL_ERROR,
  MAX_31,
  writeFrameHeader,
  writeUint32,
} from "../frames/frames.ts";
import type { WroteListener } from "./control-writer.ts";
import type { TransportLimits } from "../limits.ts";
import { MESSAGE_PREFIX_BYTES } from "../stream/message-reader.ts";
import type { OutputBuffer } from "./output-buffer.ts";
import { HEADERS_BYTES_MAX, OK_TRAILERS_BYTES_MAX, ResponseBlocks } from "../headers/response-blocks.ts";
import { SendQueue } from "../stream/send-queue.ts";
import { ANSWER_DROPPED, TOO_MANY_REQUESTS } from "../refusals.ts";
import { SendRoom } from "../stream/send-room.ts";
import type { SendTotals } from "../stream/send-room.ts";
import { SendRound } from "./send-round.ts";
import { OK, RESOURCE_EXHAUSTED } from "../../../proto/grpc-codes.ts";
import type { MessageParts, Status } from "../service.ts";
import type { Stream, StreamOutput } from "../stream/stream.ts";

/** Messages up to this, with their prefix, may pass those that queue. */
const SMALL_BYTES_MAX = 16 * 1024;
/** What one stream sends before the next has its turn. */
const STREAM_QUANTUM = 64 * 1024;
/** What one connection sends of its queues before the event loop goes on. */
const CONNECTION_QUANTUM = 256 * 1024;

/** The longest message that gRPC clients can be sent. */
const MESSAGE_BYTES_MAX = MAX_31;

const UNARY_OVERHEAD_MAX = HEADERS_BYTES_MAX + FRAME_HEADER_BYTES + MESSAGE_PREFIX_BYTES + OK_TRAILERS_BYTES_MAX;
const MESSAGE_OVERHEAD_MAX = HEADERS_BYTES_MAX + FRAME_HEADER_BYTES + MESSAGE_PREFIX_BYTES;

const STATUS_OK: Status = { code: OK, message: "" };

/** What the writer needs of its connection. */
export interface WriterHost extends WroteListener {
  readonly limits: TransportLimits;
  /** Writes out what may be written now. */
  flush(): void;
  /** The last frame of a stream is written. */
  streamEnded(stream: Stream, code: number): void;
  /** Ends a stream with RST_STREAM; `code` is the gRPC status it counts as. */
  resetStream(stream: Stream, errorCode: number, code: number): void;
}

export class StreamWriter implements StreamOutput {
  readonly blocks = new ResponseBlocks();
  /** What the client lets us send on the connection. */
  sendWindow = DEFAULT_WINDOW;
  /** The largest frame payload we send: the client's limit, but never more than a stream's quantum. */
  frameBytesMax = DEFAULT_FRAME_BYTES_MAX;
  /** HEADERS or DATA were written since this was last cleared. */
  answered = false;
  /** What is queued, and who waits to queue more. */
  readonly room: SendRoom;
  readonly #host: WriterHost;
  readonly #out: OutputBuffer;
  /** Streams that have queued bytes and an open window. */
  readonly #round = new SendRound<Stream>();
  #pumpScheduled = false;
  /** Something queued was written since the last sweep. */
  #progressed = false;

  constructor(host: WriterHost, out: OutputBuffer, totals: SendTotals) {
    this.#host = host;
    this.#out = out;
    this.room = new SendRoom(host.limits, totals);
  }

  get refusesCalls(): boolean {
    return this.room.refusesCalls;
  }

  writable(stream: Stream): boolean {
    return this.room.writable(stream);
  }

  // Answers.

  reply(stream: Stream, message: Uint8Array): void {
    const length = MESSAGE_PREFIX_BYTES + message.length;
    if (!this.#passes(stream, length)) {
      if (this.room.refusesCalls) {
        this.abort(stream, ANSWER_DROPPED);
      } else {
        this.#enqueueCopy(stream, message);
        this.end(stream, STATUS_OK);
      }
      return;
    }
    const out = this.#out;
    out.reserve(UNARY_OVERHEAD_MAX + message.length);
    const { bytes } = out;
    let at = this.blocks.writeHeaders(bytes, out.length, stream.id);
    at = this.#writeMessageStart(bytes, at, stream.id, message.length);
    bytes.set(message, at);
    at = this.blocks.writeOkTrailers(bytes, at + message.length, stream.id);
    out.length = at;
    this.sendWindow -= length;
    this.answered = true;
    stream.headersSent = true;
    this.#host.wrote();
    this.#host.streamEnded(stream, OK);
  }

  replyParts(stream: Stream, parts: MessageParts, length: number, onTaken: (() => void) | null): void {
    if (!this.#passes(stream, MESSAGE_PREFIX_BYTES + length) && this.room.refusesCalls) {
      this.abort(stream, ANSWER_DROPPED);
      onTaken?.();
      return;
    }
    this.sendParts(stream, parts, length, onTaken);
    if (!stream.closed) this.end(stream, STATUS_OK);
  }

  send(stream: Stream, message: Uint8Array): void {
    const length = MESSAGE_PREFIX_BYTES + message.length;
    if (this.#passes(stream, length) && !this.#out.blocked) {
      const at = this.#beginMessage(stream, message.length);
      this.#out.bytes.set(message, at);
      this.#out.length = at + message.length;
    } else if (this.room.refusesCopies) {
      this.end(stream, TOO_MANY_REQUESTS);
    } else {
      this.#enqueueCopy(stream, message);
    }
  }

  sendParts(stream: Stream, parts: MessageParts, length: number, onTaken: (() => void) | null): void {
    if (length > MESSAGE_BYTES_MAX) {
      this.end(stream, tooLarge(length));
      onTaken?.();
    } else if (this.#passes(stream, MESSAGE_PREFIX_BYTES + length) && !this.#out.blocked) {
      let at = this.#beginMessage(stream, length);
      for (const part of parts.flat()) {
        if (part instanceof Uint8Array) this.#out.bytes.set(part, at);
        else part.read(this.#out.bytes, at, part.length);
        at += part.length;
      }
      this.#out.length = at;
      onTaken?.();
    } else {
      const queue = (stream.queue ??= new SendQueue());
      queue.push(messagePrefix(length));
      queue.pushParts(parts, length);
      if (onTaken !== null) queue.whenTaken(onTaken);
      this.#queued(stream, queue);
    }
  }

  /** Sends the headers of a plain HTTP answer; its body follows with `sendPlain`. */
  sendPlainHeaders(stream: Stream, fields: readonly (readonly [string, string])[]): void {
    this.answered = true;
    stream.headersSent = true;
    this.#out.append(this.blocks.plainHeadersFrame(stream.id, fields));
    this.#host.wrote();
  }

  /** Queues bytes of a plain HTTP answer. They are kept by reference. */
  sendPlain(stream: Stream, body: Uint8Array): void {
    const queue = (stream.queue ??= new SendQueue());
    queue.push(body);
    this.#queued(stream, queue);
  }

  end(stream: Stream, status: Status): void {
    stream.closed = true;
    if (stream.queue !== null && stream.queue.bytes > 0) {
      stream.ending = status;
    } else {
      this.#finish(stream, status);
    }
  }

  abort(stream: Stream, status: Status): void {
    const isPlain = stream.head.plainFields !== null;
    const cut = stream.headersSent && (isPlain || (stream.queue !== null && stream.queue.bytes > 0));
    this.forget(stream);
    stream.closed = true;
    if (cut) {
      // A message may have been sent in part, and no status can follow it; a plain answer would pass for whole.
      this.#host.resetStream(stream, isPlain ? INTERNAL_ERROR : CANCEL, status.code);
    } else {
      this.#finish(stream, status);
    }
  }

  /** Answers with headers alone. */
  refuse(stream: Stream, httpStatus: number, status: Status): void {
    this.answered = true;
    stream.closed = true;
    stream.headersSent = true;
    this.#out.append(this.blocks.trailersOnlyFrame(stream.id, httpStatus, status));
    this.#host.wrote();
    this.#host.streamEnded(stream, status.code);
  }

  /** Drops what a stream has queued. */
  forget(stream: Stream): void {
    this.room.forget(stream);
    const { queue } = stream;
    stream.queue = null;
    stream.ending = null;
    if (stream.scheduled) this.#round.remove(stream);
    queue?.drop();
  }

  // Windows.

  /** Takes the client's SETTINGS_MAX_FRAME_SIZE. Larger frames than a quantum would gain nothing. */
  setFrameBytesMax(bytes: number): void {
    this.frameBytesMax = Math.min(bytes, STREAM_QUANTUM);
  }

  /** The client opened the stream's window, or changed the initial one. */
  openStreamWindow(stream: Stream, increment: number): void {
    stream.sendWindow += increment;
    if (stream.queue !== null && stream.queue.bytes > 0) {
      this.#schedule(stream);
    } else if (stream.choked) {
      this.room.windowOpened(stream);
      this.#host.wrote();
    }
  }

  /**
   * Looks for streams that wait for nothing any more.
   *
   * @returns whether anything queued was written since the last sweep
   */
  sweep(): boolean {
    this.room.sweep();
    const progressed = this.#progressed;
    this.#progressed = false;
    return progressed;
  }

  /** The client opened the connection's window. */
  openWindow(increment: number): void {
    this.sendWindow += increment;
    if (this.#round.first !== null) this.#host.wrote();
  }

  // Flushing.

  /** Writes out what windows and socket let through now. */
  flush(): void {
    if (this.#round.first !== null) this.#pump();
    const more = this.room.tell();
    this.#out.flush();
    const pending = this.#round.first !== null && this.sendWindow > 0 && !this.#out.blocked;
    if (more || pending) this.#pumpLater();
  }

  /** Whether a message of `length` bytes may go out at once, before what other streams have queued. */
  #passes(stream: Stream, length: number): boolean {
    return (
      length <= SMALL_BYTES_MAX &&
      length <= this.frameBytesMax &&
      length <= this.sendWindow &&
      length <= stream.sendWindow &&
      (stream.queue === null || stream.queue.bytes === 0) &&
      (!this.#out.blocked || this.#out.pendingBytes < this.#host.limits.pendingOutputBytesMax)
    );
  }

  /** Writes what precedes a message that passes, and accounts for it. Returns where the message goes. */
  #beginMessage(stream: Stream, messageLength: number): number {
    const out = this.#out;
    out.reserve(MESSAGE_OVERHEAD_MAX + messageLength);
    let at = out.length;
    if (!stream.headersSent) {
      stream.headersSent = true;
      at = this.blocks.writeHeaders(out.bytes, at, stream.id);
    }
    this.answered = true;
    this.sendWindow -= MESSAGE_PREFIX_BYTES + messageLength;
    stream.sendWindow -= MESSAGE_PREFIX_BYTES + messageLength;
    this.#host.wrote();
    return this.#writeMessageStart(out.bytes, at, stream.id, messageLength);
  }

  /** The DATA frame header and the prefix of a message that fills the frame. */
  #writeMessageStart(bytes: Buffer, offset: number, streamId: number, messageLength: number): number {
    const at = writeFrameHeader(bytes, offset, MESSAGE_PREFIX_BYTES + messageLength, DATA, 0, streamId);
    bytes[at] = 0;
    return writeUint32(bytes, at + 1, messageLength);
  }

  #enqueueCopy(stream: Stream, message: Uint8Array): void {
    const copy = Buffer.allocUnsafeSlow(MESSAGE_PREFIX_BYTES + message.length);
    copy[0] = 0;
    writeUint32(copy, 1, message.length);
    copy.set(message, MESSAGE_PREFIX_BYTES);
    const queue = (stream.queue ??= new SendQueue());
    queue.pushCopy(copy);
    this.#queued(stream, queue);
  }

  #queued(stream: Stream, queue: SendQueue): void {
    this.room.queued(stream, queue);
    this.#schedule(stream);
  }

  #schedule(stream: Stream): void {
    if (stream.sendWindow > 0) this.#round.add(stream);
    this.#host.wrote();
  }

  /** Lets the streams of the round send in turn. */
  #pump(): void {
    let budget = CONNECTION_QUANTUM;
    while (budget > 0 && this.sendWindow > 0 && !this.#out.blocked) {
      const stream = this.#round.first;
      if (stream === null) break;
      this.#round.remove(stream);
      const { queue } = stream;
      assert(queue !== null && queue.bytes > 0, "a stream of the round has something to send");
      const count = Math.min(queue.bytes, STREAM_QUANTUM, budget, this.sendWindow, stream.sendWindow);
      if (count > 0) {
        this.#writeQueued(stream, queue, count);
        budget -= count;
      }
      if (queue.bytes === 0) {
        if (stream.ending !== null) this.#finish(stream, stream.ending);
      } else if (stream.sendWindow > 0) {
        this.#round.add(stream);
      }
    }
  }

  #writeQueued(stream: Stream, queue: SendQueue, count: number): void {
    const out = this.#out;
    if (!stream.headersSent) {
      stream.headersSent = true;
      out.reserve(HEADERS_BYTES_MAX);
      out.length = this.blocks.writeHeaders(out.bytes, out.length, stream.id);
    }
    for (let left = count; left > 0;) {
      const length = Math.min(left, this.frameBytesMax);
      out.reserve(FRAME_HEADER_BYTES + length);
      const at = writeFrameHeader(out.bytes, out.length, length, DATA, 0, stream.id);
      queue.read(out.bytes, at, length);
      out.length = at + length;
      left -= length;
    }
    this.answered = true;
    this.sendWindow -= count;
    stream.sendWindow -= count;
    stream.idleSweeps = 0;
    this.#progressed = true;
    this.room.written(stream, queue);
  }

  /** Writes the last frame of a stream whose queue is empty. */
  #finish(stream: Stream, status: Status): void {
    const out = this.#out;
    this.answered = true;
    if (stream.head.plainFields !== null && stream.headersSent) {
      out.reserve(FRAME_HEADER_BYTES);
      out.length = writeFrameHeader(out.bytes, out.length, 0, DATA, END_STREAM, stream.id);
    } else if (!stream.headersSent) {
      out.append(this.blocks.trailersOnlyFrame(stream.id, 200, status));
    } else if (status === STATUS_OK) {
      out.reserve(OK_TRAILERS_BYTES_MAX);
      out.length = this.blocks.writeOkTrailers(out.bytes, out.length, stream.id);
    } else {
      out.append(this.blocks.trailersFrame(stream.id, status));
    }
    this.#host.wrote();
    this.#host.streamEnded(stream, status.code);
  }

  #pumpLater(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    setImmediate(() => {
      this.#pumpScheduled = false;
      this.#host.flush();
    });
  }
}

function tooLarge(length: number): Status {
  const message = `grpc: trying to send message larger than max (${length} vs. ${MESSAGE_BYTES_MAX})`;
  return { code: RESOURCE_EXHAUSTED, message };
}

function messagePrefix(length: number): Buffer {
  const prefix = Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES);
  prefix[0] = 0;
  writeUint32(prefix, 1, length);
  return prefix;
}
