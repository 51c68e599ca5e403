/**
 * The writing half of a connection: answers and messages, under the client's flow control windows.
 *
 * Small messages go to the output buffer at once when the windows allow. All others queue on their stream, and the
 * streams with queues take turns: 64 KiB each, 256 KiB of a connection per turn of the event loop, and none while the
 * socket's own queue is full. So a small answer overtakes a large one, and a large one does not keep other connections
 * waiting.
 */

import {
  DATA,
  DEFAULT_FRAME_BYTES_MAX,
  DEFAULT_WINDOW,
  END_STREAM,
  CANCEL,
  FRAME_HEADER_BYTES,
  writeFrameHeader,
  writeUint32,
} from "./frames.ts";
import type { WroteListener } from "./control-writer.ts";
import type { TransportLimits } from "./limits.ts";
import { MESSAGE_PREFIX_BYTES } from "./message-reader.ts";
import type { OutputBuffer } from "./output-buffer.ts";
import { HEADERS_BYTES_MAX, OK_TRAILERS_BYTES_MAX, ResponseBlocks } from "./response-blocks.ts";
import { SendQueue } from "./send-queue.ts";
import { OK } from "./service.ts";
import type { Status } from "./service.ts";
import type { Stream, StreamOutput } from "./stream.ts";

/** Messages up to this, with their prefix, may pass those that queue. */
const SMALL_BYTES_MAX = 16 * 1024;
/** What one stream sends before the next has its turn. */
const STREAM_QUANTUM = 64 * 1024;
/** What one connection sends of its queues before the event loop goes on. */
const CONNECTION_QUANTUM = 256 * 1024;

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
  /** Bytes queued by streaming calls. */
  queuedBytes = 0;
  /** Bytes of unary and plain answers that are queued. */
  owedBytes = 0;
  readonly #host: WriterHost;
  readonly #out: OutputBuffer;
  /** Streams that have queued bytes and an open window, in the order of their turns. */
  #round: Stream[] = [];
  readonly #choked = new Set<Stream>();
  #pumpScheduled = false;

  constructor(host: WriterHost, out: OutputBuffer) {
    this.#host = host;
    this.#out = out;
  }

  // Answers.

  reply(stream: Stream, message: Uint8Array): void {
    const length = MESSAGE_PREFIX_BYTES + message.length;
    if (!this.#passes(stream, length)) {
      this.#enqueueCopy(stream, message);
      this.end(stream, STATUS_OK);
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
    stream.headersSent = true;
    this.#host.wrote();
    this.#host.streamEnded(stream, OK);
  }

  replyParts(stream: Stream, parts: readonly Uint8Array[], length: number): void {
    this.sendParts(stream, parts, length);
    this.end(stream, STATUS_OK);
  }

  send(stream: Stream, message: Uint8Array): void {
    const length = MESSAGE_PREFIX_BYTES + message.length;
    if (this.#passes(stream, length) && !this.#out.blocked) {
      const at = this.#beginMessage(stream, message.length);
      this.#out.bytes.set(message, at);
      this.#out.length = at + message.length;
    } else {
      this.#enqueueCopy(stream, message);
    }
  }

  sendParts(stream: Stream, parts: readonly Uint8Array[], length: number): void {
    if (this.#passes(stream, MESSAGE_PREFIX_BYTES + length) && !this.#out.blocked) {
      let at = this.#beginMessage(stream, length);
      for (const part of parts) {
        this.#out.bytes.set(part, at);
        at += part.length;
      }
      this.#out.length = at;
    } else {
      this.#enqueue(stream, messagePrefix(length));
      for (const part of parts) this.#enqueue(stream, part);
      this.#schedule(stream);
    }
  }

  /** Sends the headers of a plain HTTP answer; its body follows with `sendPlain`. */
  sendPlainHeaders(stream: Stream, fields: readonly (readonly [string, string])[]): void {
    stream.headersSent = true;
    this.#out.append(this.blocks.plainHeadersFrame(stream.id, fields));
    this.#host.wrote();
  }

  /** Queues bytes of a plain HTTP answer. They are kept by reference. */
  sendPlain(stream: Stream, body: Uint8Array): void {
    this.#enqueue(stream, body);
    this.#schedule(stream);
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
    const cut = stream.queue !== null && stream.queue.bytes > 0 && stream.headersSent;
    this.forget(stream);
    stream.closed = true;
    if (cut) {
      // A message may have been sent in part: no status can follow it.
      this.#host.resetStream(stream, CANCEL, status.code);
    } else {
      this.#finish(stream, status);
    }
  }

  /** Answers with headers alone. */
  refuse(stream: Stream, httpStatus: number, status: Status): void {
    stream.closed = true;
    stream.headersSent = true;
    this.#out.append(this.blocks.trailersOnlyFrame(stream.id, httpStatus, status));
    this.#host.wrote();
    this.#host.streamEnded(stream, status.code);
  }

  /** Drops what a stream has queued. */
  forget(stream: Stream): void {
    if (stream.queue !== null) this.#account(stream, -stream.queue.bytes);
    stream.queue = null;
    stream.ending = null;
    if (stream.choked) this.#choked.delete(stream);
  }

  // Windows.

  /** Takes the client's SETTINGS_MAX_FRAME_SIZE. Larger frames than a quantum would gain nothing. */
  setFrameBytesMax(bytes: number): void {
    this.frameBytesMax = Math.min(bytes, STREAM_QUANTUM);
  }

  /** The client opened the stream's window, or changed the initial one. */
  openStreamWindow(stream: Stream, increment: number): void {
    stream.sendWindow += increment;
    if (stream.queue !== null && stream.queue.bytes > 0) this.#schedule(stream);
  }

  /** The client opened the connection's window. */
  openWindow(increment: number): void {
    this.sendWindow += increment;
    if (this.#round.length > 0) this.#host.wrote();
  }

  // Flushing.

  /** Writes out what windows and socket let through now. */
  flush(): void {
    if (this.#round.length > 0) this.#pump();
    if (this.#choked.size > 0) this.#unchoke();
    this.#out.flush();
    if (this.#round.length > 0 && this.sendWindow > 0 && !this.#out.blocked) this.#pumpLater();
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
    this.#enqueue(stream, copy);
    this.#schedule(stream);
  }

  #enqueue(stream: Stream, part: Uint8Array): void {
    stream.queue ??= new SendQueue();
    stream.queue.push(part);
    this.#account(stream, part.length);
    if (stream.choked) return;
    const { queuedBytesPerStreamMax, queuedBytesPerConnectionMax } = this.#host.limits;
    if (stream.queue.weight > queuedBytesPerStreamMax || this.queuedBytes > queuedBytesPerConnectionMax) {
      stream.choked = true;
      this.#choked.add(stream);
    }
  }

  #account(stream: Stream, bytes: number): void {
    const { method } = stream.head;
    if (method === null || method.kind === "unary") this.owedBytes += bytes;
    else this.queuedBytes += bytes;
  }

  #schedule(stream: Stream): void {
    if (!stream.scheduled && stream.sendWindow > 0) {
      stream.scheduled = true;
      this.#round.push(stream);
    }
    this.#host.wrote();
  }

  /** Lets the streams of the round send in turn. */
  #pump(): void {
    let budget = CONNECTION_QUANTUM;
    let turns = 0;
    const round = this.#round;
    while (turns < round.length && budget > 0 && this.sendWindow > 0 && !this.#out.blocked) {
      const stream = round[turns++];
      stream.scheduled = false;
      const { queue } = stream;
      // The stream may have been ended since it was scheduled.
      if (queue === null || queue.bytes === 0) continue;
      const count = Math.min(queue.bytes, STREAM_QUANTUM, budget, this.sendWindow, stream.sendWindow);
      if (count > 0) {
        this.#writeQueued(stream, queue, count);
        budget -= count;
      }
      if (queue.bytes === 0) {
        if (stream.ending !== null) this.#finish(stream, stream.ending);
      } else if (stream.sendWindow > 0) {
        stream.scheduled = true;
        round.push(stream);
      }
    }
    this.#round = round.slice(turns);
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
    this.sendWindow -= count;
    stream.sendWindow -= count;
    stream.idleSweeps = 0;
    this.#account(stream, -count);
  }

  /** Writes the last frame of a stream whose queue is empty. */
  #finish(stream: Stream, status: Status): void {
    const out = this.#out;
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

  /** Tells the streams that became writable. A stream with an empty queue always is. */
  #unchoke(): void {
    const { queuedBytesPerStreamMax, queuedBytesPerConnectionMax } = this.#host.limits;
    for (const stream of this.#choked) {
      const weight = stream.queue === null ? 0 : stream.queue.weight;
      const roomHere = weight <= queuedBytesPerStreamMax / 2;
      const roomInAll = this.queuedBytes <= queuedBytesPerConnectionMax / 2;
      if (weight > 0 && !(roomHere && roomInAll)) continue;
      stream.choked = false;
      this.#choked.delete(stream);
      if (!stream.closed) stream.listener?.onDrain();
    }
  }
}

function messagePrefix(length: number): Buffer {
  const prefix = Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES);
  prefix[0] = 0;
  writeUint32(prefix, 1, length);
  return prefix;
}
