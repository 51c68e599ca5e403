/**
 * One HTTP/2 connection of a client (RFC 9113, the server's half): which frames are legal when, the streams, the receive
 * windows and the connection's end. What it writes goes through its StreamWriter.
 */

import assert from "node:assert/strict";
import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";

import type { DeadlineWheel } from "./deadline-wheel.ts";
import * as frames from "./frames.ts";
import { FrameReader } from "./frame-reader.ts";
import type { FrameHandler } from "./frame-reader.ts";
import { HeadCache } from "./head-cache.ts";
import { HeaderBlock } from "./header-block.ts";
import { HpackError } from "./hpack.ts";
import type { TransportLimits } from "./limits.ts";
import type { MethodTable } from "./method-table.ts";
import { OutputBuffer } from "./output-buffer.ts";
import { readSettings } from "./peer-settings.ts";
import { PlainExchange } from "./plain-exchange.ts";
import { RateLimit } from "./rate-limit.ts";
import { RecentIds } from "./recent-ids.ts";
import type { RequestHead } from "./request-head.ts";
import { CANCELED, INTERNAL, RESOURCE_EXHAUSTED } from "./service.ts";
import type { CallObserver, Status } from "./service.ts";
import { StreamTable } from "./stream-table.ts";
import { StreamWriter } from "./stream-writer.ts";
import type { WriterHost } from "./stream-writer.ts";
import { Stream } from "./stream.ts";
import type { StreamHost } from "./stream.ts";

/** What all connections of a server share. */
export interface ConnectionHost {
  readonly limits: TransportLimits;
  readonly methods: MethodTable;
  readonly observer: CallObserver | null;
  readonly deadlines: DeadlineWheel;
  /** Answers plain HTTP requests. */
  readonly http: HttpServer;
  /** Notes that `connection.flush()` must be called before this turn of the event loop ends. */
  markDirty(connection: Connection): void;
  /** A client broke a rule or a limit and loses its connection. */
  onConnectionError(errorCode: number, text: string): void;
  onConnectionClosed(connection: Connection): void;
  /** The client has seen that a shutdown began: streams it opened before are all here. */
  onShutdownSeen(connection: Connection): void;
}

/** Recognises the answer to the PING of a shutdown. */
const SHUTDOWN_PING = Buffer.from("shutdown", "latin1");

const TOO_MANY_REQUESTS: Status = { code: RESOURCE_EXHAUSTED, message: "etcdserver: too many requests" };

export class Connection implements FrameHandler, StreamHost, WriterHost {
  readonly limits: TransportLimits;
  readonly writer: StreamWriter;
  heldBytes = 0;
  /** Nothing more is read: the connection is about to end. */
  stopped = false;
  /** Whether the host has been told to flush. */
  dirty = false;

  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #out: OutputBuffer;
  readonly #frameReader: FrameReader;
  readonly #heads: HeadCache;
  readonly #streams = new StreamTable<Stream>();
  readonly #recentlyEnded = new RecentIds();
  readonly #resets: RateLimit;
  readonly #controlFrames: RateLimit;
  readonly #openedAt = performance.now();
  /** The header block that CONTINUATION frames have yet to complete. */
  #block: HeaderBlock | null = null;
  /** The highest stream id seen, and the highest one that was taken on. */
  #lastStreamId = 0;
  #lastAcceptedId = 0;
  /** What we let the client still send. */
  #receiveWindow: number;
  /** SETTINGS_INITIAL_WINDOW_SIZE of the client. */
  #initialSendWindow = frames.DEFAULT_WINDOW;
  #emptyDataFrames = 0;
  #settingsReceived = false;
  #settingsAcked = false;
  /** A read or a flush is going on, at the end of which everything is written. */
  #busy = false;
  /** Nothing is read until the socket has taken what it has. */
  #paused = false;
  #acceptsStreams = true;
  /** The connection ends with its last stream. */
  #finishing = false;
  /** When the socket was ended, or 0. */
  #endedAt = 0;
  /** When, and up to which of our bytes, the socket last made progress. */
  #progressAt = performance.now();
  #progressBytes = 0;

  /** Takes over the socket; its owner calls `read` with what it delivers. */
  constructor(socket: Socket, host: ConnectionHost) {
    this.limits = host.limits;
    this.#host = host;
    this.#socket = socket;
    this.#out = new OutputBuffer(socket);
    this.writer = new StreamWriter(this, this.#out);
    this.#frameReader = new FrameReader(this, frames.DEFAULT_FRAME_BYTES_MAX);
    this.#heads = new HeadCache(host.methods, this.limits.headerListBytesMax);
    this.#resets = new RateLimit(this.limits.resetsPerSecondMax);
    this.#controlFrames = new RateLimit(this.limits.controlFramesPerSecondMax);
    this.#receiveWindow = this.limits.connectionWindowBytes;
    assert(this.#receiveWindow > frames.DEFAULT_WINDOW, "a connection's window cannot be announced smaller");
    socket.on("drain", () => this.#onDrain());
    socket.on("error", () => this.#socket.destroy());
    socket.on("close", () => this.#onClose());
    this.writer.settings([
      [frames.SETTINGS_MAX_CONCURRENT_STREAMS, frames.MAX_31],
      [frames.SETTINGS_INITIAL_WINDOW_SIZE, this.limits.streamWindowBytes],
      [frames.SETTINGS_MAX_HEADER_LIST_SIZE, this.limits.headerListBytesMax],
    ]);
    this.writer.windowUpdate(0, this.#receiveWindow - frames.DEFAULT_WINDOW);
  }

  get streamCount(): number {
    return this.#streams.length;
  }

  /** Takes [start, end) of what the socket delivered. The bytes are not kept. */
  read(chunk: Buffer, start: number, end: number): void {
    if (this.stopped) return;
    this.#busy = true;
    this.#frameReader.read(chunk, start, end);
    this.#busy = false;
    this.flush();
    // A client that does not take answers gets none of its further requests read.
    if (this.#out.blocked && this.#out.pendingBytes > this.limits.pendingOutputBytesMax && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  flush(): void {
    this.dirty = false;
    const nested = this.#busy;
    this.#busy = true;
    this.writer.flush();
    this.#busy = nested;
    if (this.#finishing && this.#streams.length === 0 && !nested) this.#end();
  }

  wrote(): void {
    if (this.#busy || this.dirty) return;
    this.dirty = true;
    this.#host.markDirty(this);
  }

  // Frames.

  onFrame(bytes: Buffer, type: number, flags: number, streamId: number, start: number, end: number): void {
    if (this.#block !== null && type !== frames.CONTINUATION) {
      this.#fail(frames.PROTOCOL_ERROR, "frame within a header block");
      return;
    }
    if (!this.#settingsReceived && type !== frames.SETTINGS) {
      this.#fail(frames.PROTOCOL_ERROR, "first frame is not SETTINGS");
      return;
    }
    switch (type) {
      case frames.DATA:
        this.#onData(bytes, flags, streamId, start, end);
        break;
      case frames.HEADERS:
        this.#onHeaders(bytes, flags, streamId, start, end);
        break;
      case frames.CONTINUATION:
        this.#onContinuation(bytes, flags, streamId, start, end);
        break;
      case frames.WINDOW_UPDATE:
        this.#onWindowUpdate(bytes, streamId, start, end);
        break;
      case frames.RST_STREAM:
        this.#onResetStream(streamId, end - start);
        break;
      default:
        if (this.#controlFrames.exceeded()) this.#fail(frames.ENHANCE_YOUR_CALM, "too many control frames");
        else this.#onControlFrame(bytes, type, flags, streamId, start, end);
    }
  }

  onFrameTooLarge(type: number, length: number): void {
    this.#fail(frames.FRAME_SIZE_ERROR, `frame of type ${type} with ${length} bytes`);
  }

  onBadPreface(): void {
    this.#fail(frames.PROTOCOL_ERROR, "bad preface");
  }

  #onControlFrame(bytes: Buffer, type: number, flags: number, streamId: number, start: number, end: number): void {
    switch (type) {
      case frames.PING:
        this.#onPing(bytes, flags, streamId, start, end);
        break;
      case frames.SETTINGS:
        this.#onSettings(bytes, flags, streamId, start, end);
        break;
      case frames.PRIORITY:
        this.#onPriority(streamId, end - start);
        break;
      case frames.GOAWAY:
        if (streamId !== 0) this.#fail(frames.PROTOCOL_ERROR, "GOAWAY on a stream");
        else if (end - start < 8) this.#fail(frames.FRAME_SIZE_ERROR, "short GOAWAY");
        else this.#finishing = true;
        break;
      case frames.PUSH_PROMISE:
        this.#fail(frames.PROTOCOL_ERROR, "PUSH_PROMISE from a client");
        break;
      default:
      // Frames of unknown types are ignored.
    }
  }

  #onData(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    const length = end - start;
    if (streamId === 0) {
      this.#fail(frames.PROTOCOL_ERROR, "DATA on stream 0");
      return;
    }
    // What arrives is consumed or discarded at once, so credit is given back whatever becomes of it; and as it is given
    // back at half of a window that holds several frames, no frame finds it exhausted.
    const { connectionWindowBytes, streamWindowBytes } = this.limits;
    this.#receiveWindow -= length;
    if (this.#receiveWindow < connectionWindowBytes / 2) {
      this.writer.windowUpdate(0, connectionWindowBytes - this.#receiveWindow);
      this.#receiveWindow = connectionWindowBytes;
    }
    let from = start;
    let to = end;
    if ((flags & frames.PADDED) !== 0) {
      if (length === 0 || bytes[start] >= length) {
        this.#fail(frames.PROTOCOL_ERROR, "padding exceeds the frame");
        return;
      }
      from = start + 1;
      to = end - bytes[start];
    }
    const endStream = (flags & frames.END_STREAM) !== 0;
    if (to > from || endStream) {
      this.#emptyDataFrames = 0;
    } else if (++this.#emptyDataFrames > this.limits.emptyDataFramesMax) {
      this.#fail(frames.ENHANCE_YOUR_CALM, "too many empty DATA frames");
      return;
    }
    const stream = this.#streams.get(streamId);
    if (stream === null) {
      this.#onDataWithoutStream(streamId);
      return;
    }
    stream.receiveWindow -= length;
    if (stream.remoteClosed) {
      this.resetStream(stream, frames.STREAM_CLOSED, INTERNAL);
    } else if (stream.receiveWindow < 0) {
      this.resetStream(stream, frames.FLOW_CONTROL_ERROR, INTERNAL);
    } else {
      if (!endStream && stream.receiveWindow < streamWindowBytes / 2) {
        this.writer.windowUpdate(streamId, streamWindowBytes - stream.receiveWindow);
        stream.receiveWindow = streamWindowBytes;
      }
      stream.receive(bytes, from, to, endStream);
    }
  }

  #onDataWithoutStream(streamId: number): void {
    if (this.#isIdle(streamId)) this.#fail(frames.PROTOCOL_ERROR, "DATA on an idle stream");
    else if (!this.#recentlyEnded.has(streamId)) this.writer.resetStream(streamId, frames.STREAM_CLOSED);
  }

  #onHeaders(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    if ((streamId & 1) === 0) {
      this.#fail(frames.PROTOCOL_ERROR, "HEADERS on a stream that no client may open");
      return;
    }
    let from = start;
    let to = end;
    if ((flags & frames.PADDED) !== 0) {
      to = end - bytes[start];
      from++;
    }
    if ((flags & frames.PRIORITY_FLAG) !== 0) {
      if (from + 5 <= end && frames.readUint31(bytes, from) === streamId) {
        this.#fail(frames.PROTOCOL_ERROR, "stream depends on itself");
        return;
      }
      from += 5;
    }
    if (from > to || (end === start && from > start)) {
      this.#fail(frames.PROTOCOL_ERROR, "padding or priority exceeds the frame");
      return;
    }
    const endStream = (flags & frames.END_STREAM) !== 0;
    if ((flags & frames.END_HEADERS) !== 0) {
      this.#onHeaderBlock(bytes, from, to, streamId, endStream);
      return;
    }
    this.#block = new HeaderBlock(streamId, endStream);
    this.#block.append(bytes, from, to);
  }

  #onContinuation(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    const block = this.#block;
    if (block === null || block.streamId !== streamId) {
      this.#fail(frames.PROTOCOL_ERROR, "CONTINUATION without its HEADERS");
      return;
    }
    block.continuations++;
    block.append(bytes, start, end);
    if (
      block.continuations > this.limits.continuationFramesMax ||
      block.length > this.limits.headerBlockBytesMax
    ) {
      this.#fail(frames.ENHANCE_YOUR_CALM, "header block too large");
    } else if ((flags & frames.END_HEADERS) !== 0) {
      this.#block = null;
      this.#onHeaderBlock(block.whole(), 0, block.length, streamId, block.endStream);
    }
  }

  /** Every whole block is decoded, whatever becomes of its stream: the header table must stay in step. */
  #onHeaderBlock(bytes: Buffer, start: number, end: number, streamId: number, endStream: boolean): void {
    try {
      if (streamId > this.#lastStreamId) {
        const head = this.#heads.requestHead(bytes, start, end);
        this.#lastStreamId = streamId;
        this.#open(streamId, head, endStream);
      } else {
        this.#onTrailers(streamId, this.#heads.trailersValid(bytes, start, end), endStream);
      }
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      this.#fail(frames.COMPRESSION_ERROR, error.message);
    }
  }

  #open(streamId: number, head: RequestHead, endStream: boolean): void {
    if (!this.#acceptsStreams) {
      // The client learns from GOAWAY that this stream was not taken on.
      this.#recentlyEnded.add(streamId);
      return;
    }
    if (head.malformed || this.#streams.length >= this.limits.streamsPerConnectionMax) {
      this.#recentlyEnded.add(streamId);
      this.writer.resetStream(streamId, head.malformed ? frames.PROTOCOL_ERROR : frames.REFUSED_STREAM);
      return;
    }
    this.#lastAcceptedId = streamId;
    const stream = new Stream(streamId, this, head, this.#initialSendWindow, this.limits.streamWindowBytes);
    this.#streams.insert(stream);
    this.#host.observer?.onStarted(head.method);
    if (head.refusal !== null) {
      stream.remoteClosed = endStream;
      this.writer.refuse(stream, head.refusal.httpStatus, head.refusal.status);
      return;
    }
    if (this.writer.owedBytes > this.limits.owedBytesPerConnectionMax) {
      stream.remoteClosed = endStream;
      this.writer.refuse(stream, 200, TOO_MANY_REQUESTS);
      return;
    }
    if (head.timeoutMs >= 0) stream.deadline = this.#host.deadlines.add(stream, head.timeoutMs);
    if (head.plainFields === null) stream.open();
    else stream.listener = new PlainExchange(stream, head.plainFields, this.writer, this.#host.http);
    if (endStream && !stream.over) stream.receiveEnd();
  }

  #onTrailers(streamId: number, valid: boolean, endStream: boolean): void {
    const stream = this.#streams.get(streamId);
    if (stream === null) {
      if (!this.#recentlyEnded.has(streamId)) this.#fail(frames.STREAM_CLOSED, "HEADERS on a closed stream");
    } else if (stream.remoteClosed) {
      this.resetStream(stream, frames.STREAM_CLOSED, INTERNAL);
    } else if (!valid || !endStream) {
      this.resetStream(stream, frames.PROTOCOL_ERROR, INTERNAL);
    } else {
      stream.receiveEnd();
    }
  }

  #onResetStream(streamId: number, length: number): void {
    if (this.#isIdle(streamId)) {
      this.#fail(frames.PROTOCOL_ERROR, "RST_STREAM on an idle stream");
      return;
    }
    if (length !== 4) {
      this.#fail(frames.FRAME_SIZE_ERROR, "RST_STREAM of a wrong length");
      return;
    }
    if (this.#resets.exceeded()) {
      this.#fail(frames.ENHANCE_YOUR_CALM, "too many streams reset");
      return;
    }
    const stream = this.#streams.get(streamId);
    if (stream !== null) this.#remove(stream, CANCELED);
  }

  #onWindowUpdate(bytes: Buffer, streamId: number, start: number, end: number): void {
    if (end - start !== 4) {
      this.#fail(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong length");
      return;
    }
    const increment = frames.readUint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) this.#fail(frames.PROTOCOL_ERROR, "WINDOW_UPDATE by 0");
      else if (this.writer.sendWindow + increment > frames.MAX_31) {
        this.#fail(frames.FLOW_CONTROL_ERROR, "connection window above 2^31-1");
      } else this.writer.openWindow(increment);
      return;
    }
    if (this.#isIdle(streamId)) {
      this.#fail(frames.PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
      return;
    }
    const stream = this.#streams.get(streamId);
    // A stream that has ended may still be granted window.
    if (stream === null) return;
    if (increment === 0) this.resetStream(stream, frames.PROTOCOL_ERROR, INTERNAL);
    else if (stream.sendWindow + increment > frames.MAX_31) {
      this.resetStream(stream, frames.FLOW_CONTROL_ERROR, INTERNAL);
    } else this.writer.openStreamWindow(stream, increment);
  }

  #onPriority(streamId: number, length: number): void {
    if (streamId === 0) {
      this.#fail(frames.PROTOCOL_ERROR, "PRIORITY on stream 0");
    } else if (length !== 5) {
      const stream = this.#streams.get(streamId);
      if (stream === null) this.#fail(frames.FRAME_SIZE_ERROR, "PRIORITY of a wrong length");
      else this.resetStream(stream, frames.FRAME_SIZE_ERROR, INTERNAL);
    }
  }

  #onPing(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    if (streamId !== 0) this.#fail(frames.PROTOCOL_ERROR, "PING on a stream");
    else if (end - start !== 8) this.#fail(frames.FRAME_SIZE_ERROR, "PING of a wrong length");
    else if ((flags & frames.ACK) === 0) this.writer.pingAck(bytes, start);
    else if (SHUTDOWN_PING.equals(bytes.subarray(start, end))) this.#host.onShutdownSeen(this);
  }

  #onSettings(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    if (streamId !== 0) {
      this.#fail(frames.PROTOCOL_ERROR, "SETTINGS on a stream");
      return;
    }
    if ((flags & frames.ACK) !== 0) {
      if (end > start) this.#fail(frames.FRAME_SIZE_ERROR, "SETTINGS acknowledgement with a payload");
      else if (!this.#settingsReceived) this.#fail(frames.PROTOCOL_ERROR, "first frame is not SETTINGS");
      else this.#settingsAcked = true;
      return;
    }
    this.#settingsReceived = true;
    const failed = readSettings(bytes, start, end, (id, value) => this.#applySetting(id, value));
    if (failed === frames.NO_ERROR) this.writer.settingsAck();
    else this.#fail(failed, "illegal SETTINGS");
  }

  #applySetting(id: number, value: number): number {
    if (id === frames.SETTINGS_HEADER_TABLE_SIZE) {
      this.writer.blocks.setTableBytes(value);
    } else if (id === frames.SETTINGS_MAX_FRAME_SIZE) {
      this.writer.setFrameBytesMax(value);
    } else if (id === frames.SETTINGS_INITIAL_WINDOW_SIZE) {
      const change = value - this.#initialSendWindow;
      this.#initialSendWindow = value;
      if (change === 0) return frames.NO_ERROR;
      for (const stream of this.#streams.all()) {
        if (stream.sendWindow + change > frames.MAX_31) return frames.FLOW_CONTROL_ERROR;
        this.writer.openStreamWindow(stream, change);
      }
    }
    return frames.NO_ERROR;
  }

  /** True for streams that neither side has opened; a client never sees us open one. */
  #isIdle(streamId: number): boolean {
    return streamId > this.#lastStreamId || (streamId & 1) === 0;
  }

  // The end of streams.

  streamEnded(stream: Stream, code: number): void {
    this.#resets.forgive();
    if (!stream.remoteClosed) {
      // The answer came before the request's end: the client need not send the rest.
      this.#recentlyEnded.add(stream.id);
      this.writer.resetStream(stream.id, frames.NO_ERROR);
    }
    this.#remove(stream, code);
  }

  resetStream(stream: Stream, errorCode: number, code: number): void {
    this.#recentlyEnded.add(stream.id);
    this.writer.resetStream(stream.id, errorCode);
    this.#remove(stream, code);
  }

  malformed(stream: Stream): void {
    this.resetStream(stream, frames.PROTOCOL_ERROR, INTERNAL);
  }

  #remove(stream: Stream, code: number): void {
    this.#streams.delete(stream);
    this.writer.forget(stream);
    if (stream.deadline !== null) {
      this.#host.deadlines.remove(stream.deadline);
      stream.deadline = null;
    }
    this.#host.observer?.onHandled(stream.head.method, code);
    stream.release();
  }

  #removeAll(code: number): void {
    for (const stream of this.#streams.all()) if (!stream.over) this.#remove(stream, code);
  }

  // The end of the connection.

  /** First step of a shutdown: asks the client to open no more streams. Those it opens meanwhile are still served. */
  beginShutdown(): void {
    if (this.stopped) return;
    this.writer.goaway(frames.MAX_31, frames.NO_ERROR, "");
    this.writer.ping(SHUTDOWN_PING);
  }

  /** Second step: takes no more streams, ends streaming calls with `status`, and ends the connection with its last stream. */
  stopAccepting(status: Status): void {
    if (this.stopped || !this.#acceptsStreams) return;
    this.#acceptsStreams = false;
    this.writer.goaway(this.#lastAcceptedId, frames.NO_ERROR, "");
    for (const stream of this.#streams.all()) {
      const { method } = stream.head;
      if (!stream.closed && method !== null && method.kind !== "unary") this.writer.end(stream, status);
    }
    this.#finishing = true;
    this.wrote();
  }

  /** Last step: ends what still runs with `status`. */
  abortAll(status: Status): void {
    this.stopAccepting(status);
    if (this.stopped) return;
    for (const stream of this.#streams.all()) if (!stream.over) this.writer.abort(stream, status);
    this.wrote();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Checks the timeouts. @param now of the monotonic clock, in milliseconds */
  sweep(now: number): void {
    const { limits } = this;
    if (this.#endedAt > 0) {
      if (now - this.#endedAt > limits.lingerMs) this.#socket.destroy();
      return;
    }
    if (!this.#settingsAcked && now - this.#openedAt > limits.settingsTimeoutMs) {
      this.#fail(frames.SETTINGS_TIMEOUT, "SETTINGS missing or not acknowledged");
      return;
    }
    const taken = this.#socket.bytesWritten - this.#socket.writableLength;
    if (this.#socket.writableLength === 0 || taken !== this.#progressBytes) {
      this.#progressBytes = taken;
      this.#progressAt = now;
    } else if (now - this.#progressAt > limits.writeStallTimeoutMs) {
      this.#host.onConnectionError(frames.NO_ERROR, "client takes no output");
      this.#socket.destroy();
      return;
    }
    this.#sweepStreams();
    this.flush();
  }

  #sweepStreams(): void {
    const { limits } = this;
    for (const stream of this.#streams.all()) {
      // A stream that is closed but not over has an answer queued.
      if (!stream.awaitsBody && !stream.closed) continue;
      const timeoutMs = stream.closed ? limits.writeStallTimeoutMs : limits.requestBodyTimeoutMs;
      stream.idleSweeps++;
      if (stream.idleSweeps * limits.sweepIntervalMs > timeoutMs) this.resetStream(stream, frames.CANCEL, CANCELED);
    }
  }

  /** Ends the connection because of a fault of the client. */
  #fail(errorCode: number, text: string): void {
    if (this.stopped) return;
    this.#host.onConnectionError(errorCode, text);
    this.#removeAll(CANCELED);
    this.writer.goaway(this.#lastAcceptedId, errorCode, text);
    this.stopped = true;
    this.#finishing = true;
    this.wrote();
  }

  #end(): void {
    this.stopped = true;
    if (this.#endedAt > 0) return;
    this.#endedAt = performance.now();
    if (this.#paused) this.#socket.resume();
    // Reading goes on, into nothing: closing with unread input would make the kernel drop what we wrote last.
    this.#socket.end();
  }

  #onDrain(): void {
    this.#out.drained();
    this.flush();
    if (this.#paused && this.#out.pendingBytes <= this.limits.pendingOutputBytesMax) {
      this.#paused = false;
      this.#socket.resume();
    }
  }

  #onClose(): void {
    this.stopped = true;
    this.#removeAll(CANCELED);
    this.#host.onConnectionClosed(this);
  }
}
