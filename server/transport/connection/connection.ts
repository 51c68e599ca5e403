/**
 * One HTTP/2 connection of a client (RFC 9113, the server's half): which frames are legal when, the receive windows, and
 * the connection's end. Its streams are kept by ConnectionStreams; what it writes goes through its StreamWriter.
 */

import assert from "node:assert/strict";
import type { Socket } from "node:net";

import { ConnectionStreams } from "./connection-streams.ts";
import type { StreamsListener, StreamsHost } from "./connection-streams.ts";
import { ControlWriter } from "../sending/control-writer.ts";
import * as frames from "../frames/frames.ts";
import { FrameReader } from "../frames/frame-reader.ts";
import type { FrameHandler } from "../frames/frame-reader.ts";
import { HeadCache } from "../headers/head-cache.ts";
import { HeaderFrames } from "../headers/header-frames.ts";
import type { HeaderBlockSink } from "../headers/header-frames.ts";
import { HpackError } from "../headers/hpack.ts";
import type { TransportLimits } from "../limits.ts";
import type { MethodTable } from "../method-table.ts";
import { DEAD, Liveness, TO_PING } from "./liveness.ts";
import { OutputBuffer } from "../sending/output-buffer.ts";
import { PeerSettings } from "./peer-settings.ts";
import { PingPolicy } from "./ping-policy.ts";
import { RateLimit } from "./rate-limit.ts";
import { CANCELED } from "../../../proto/grpc-codes.ts";
import type { Status, Traffic } from "../service.ts";
import type { TurnShares } from "./turn-shares.ts";
import { StreamWriter } from "../sending/stream-writer.ts";
import type { WriterHost } from "../sending/stream-writer.ts";
import type { Stream } from "../stream/stream.ts";

/** What all connections of a server share. */
export interface ConnectionHost extends StreamsHost {
  readonly methods: MethodTable;
  readonly turnShares: TurnShares;
  /** Notes that `connection.flush()` must be called before this turn of the event loop ends. */
  markDirty(connection: Connection): void;
  /** A client broke a rule or a limit and loses its connection. Called before the socket is closed. */
  onConnectionError(socket: Socket, errorCode: number, reason: string): void;
  onConnectionClosed(connection: Connection): void;
  /** The client has seen that a shutdown began: streams it opened before are all here. */
  onShutdownSeen(connection: Connection): void;
}

export interface ConnectionOrigin {
  /** Whom the client's certificate makes it. */
  readonly certifiedUser: string | null;
  /** What is served where it was taken. */
  readonly traffic: Traffic;
}

/** Input that took longer is likely to be followed by more in the same turn of the event loop. */
const LONG_READ_MS = 0.5;

/** Recognises the answer to the PING of a shutdown. */
const SHUTDOWN_PING = Buffer.from("shutdown", "latin1");

/** Whatever it is answered with is a sign of life. */
const KEEP_ALIVE_PING = Buffer.from("are you?", "latin1");

export class Connection implements FrameHandler, HeaderBlockSink, StreamsListener, WriterHost {
  readonly limits: TransportLimits;
  readonly writer: StreamWriter;
  readonly streams: ConnectionStreams;
  /** Nothing more is read: the connection is about to end. */
  stopped = false;
  /** Whether the host has been told to flush. */
  dirty = false;

  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #out: OutputBuffer;
  readonly #frameReader: FrameReader;
  readonly #headerFrames: HeaderFrames;
  readonly #heads: HeadCache;
  readonly #resets: RateLimit;
  readonly #controlFrames: RateLimit;
  readonly #pings: PingPolicy;
  readonly #liveness: Liveness;
  readonly #control: ControlWriter;
  readonly #peerSettings: PeerSettings;
  readonly #openedAt = performance.now();
  /** What we let the client still send. */
  #receiveWindow: number;
  #emptyDataFrames = 0;
  #shutdownBegun = false;
  /** A read or a flush is going on, at the end of which everything is written. */
  #busy = false;
  /** Nothing is read until the socket has taken what it has. */
  #awaitsDrain = false;
  /** When a turn of the event loop last began to work on this connection's input. */
  #turnBegan = performance.now();
  /** How long that turn may be. */
  #turnMs = 0;
  /** Whether `#nextTurn` is to come: what arrives until then belongs to the current turn. */
  #inTurn = false;
  /** The turn is over: nothing is read until the next one. */
  #awaitsTurn = false;
  /** Calls that were refused for want of room since the last pause. */
  #refusals = 0;
  /** The pause that they bring, or null: nothing is read meanwhile. */
  #refusedPause: NodeJS.Timeout | null = null;
  /** A copy of the input that the turn left, from `#restAt` on; null when there is none. */
  #rest: Buffer | null = null;
  #restAt = 0;
  /** The stream that has not read all of its last frame: it goes on in the next turn, before the rest is read. */
  #interrupted: Stream | null = null;
  /** Whether the socket is paused. */
  #paused = false;
  /** The connection ends with its last stream. */
  #finishing = false;
  /** When the socket was ended, or 0. */
  #endedAt = 0;
  /** When, and up to which of our bytes, the socket last made progress. */
  #progressAt = performance.now();
  #progressBytes = 0;

  /**
   * Takes over the socket; its owner calls `read` with what it delivers.
   *
   * @param origin where it comes from
   */
  constructor(socket: Socket, host: ConnectionHost, { certifiedUser, traffic }: ConnectionOrigin) {
    this.limits = host.limits;
    this.#host = host;
    this.#socket = socket;
    this.#out = new OutputBuffer(socket);
    this.writer = new StreamWriter(this, this.#out, host.sendTotals);
    this.#control = new ControlWriter(this, this.#out);
    this.streams = new ConnectionStreams(
      host,
      this.writer,
      this.#control,
      this,
      frames.DEFAULT_WINDOW,
      certifiedUser,
      socket,
    );
    this.#frameReader = new FrameReader(this, frames.DEFAULT_FRAME_BYTES_MAX);
    this.#headerFrames = new HeaderFrames(this, this.limits);
    this.#heads = new HeadCache(host.methods, this.limits.headerListBytesMax, traffic);
    this.#resets = new RateLimit(this.limits.resetsPerSecondMax);
    this.#controlFrames = new RateLimit(this.limits.controlFramesPerSecondMax);
    this.#pings = new PingPolicy(this.limits.pingIntervalMsMin);
    this.#liveness = new Liveness(this.limits.keepAliveIntervalMs, this.limits.keepAliveTimeoutMs);
    this.#peerSettings = new PeerSettings(this.#control, this.writer, this.streams, this.#controlFrames);
    this.#receiveWindow = this.limits.connectionWindowBytes;
    assert(this.#receiveWindow > frames.DEFAULT_WINDOW, "a connection's window cannot be announced smaller");
    socket.on("drain", () => this.#onDrain());
    socket.on("error", () => this.#socket.destroy());
    socket.on("close", () => this.#onClose());
    this.#control.settings([
      [frames.SETTINGS_MAX_CONCURRENT_STREAMS, this.limits.streamsAnnounced],
      [frames.SETTINGS_INITIAL_WINDOW_SIZE, this.limits.streamWindowBytes],
      [frames.SETTINGS_MAX_HEADER_LIST_SIZE, this.limits.headerListBytesMax],
    ]);
    this.#control.windowUpdate(0, this.#receiveWindow - frames.DEFAULT_WINDOW);
  }

  /** Takes [start, end) of what the socket delivered. The bytes are not kept. */
  read(chunk: Buffer, start: number, end: number): void {
    if (this.stopped) return;
    if (this.#rest === null && this.#interrupted === null && this.#refusedPause === null) {
      this.#read(chunk, start, end, false);
    } else {
      // Some sockets still deliver what they had read when they were paused.
      const rest = this.#rest === null ? NOTHING : this.#rest.subarray(this.#restAt);
      this.#rest = Buffer.concat([rest, chunk.subarray(start, end)]);
      this.#restAt = 0;
    }
  }

  /** @param owned whether the chunk's memory is ours; else it is valid only during the call */
  #read(chunk: Buffer, start: number, end: number, owned: boolean): void {
    if (!this.#inTurn) {
      this.#turnBegan = performance.now();
      this.#turnMs = this.#host.turnShares.shareMs;
    }
    this.#busy = true;
    const stream = this.#interrupted;
    if (stream !== null) {
      this.#interrupted = null;
      stream.goOn();
    }
    const at = this.#interrupted === null && !this.stopped ? this.#frameReader.read(chunk, start, end) : start;
    // Before the flush: the connection does not end while there is something to read.
    if (at < end && !this.stopped) {
      this.#rest = owned ? chunk : Buffer.from(chunk.subarray(at, end));
      this.#restAt = owned ? at : 0;
    }
    this.#busy = false;
    this.flush();
    if (this.stopped) return;
    const tookMs = performance.now() - this.#turnBegan;
    if (this.#isRefusedOften) {
      this.#pauseRefused();
    } else if (this.#rest !== null || this.#interrupted !== null || tookMs >= this.#turnMs) {
      this.#awaitTurn(true);
      this.#expectTurn();
    } else if (tookMs > LONG_READ_MS) {
      this.#expectTurn();
    }
    // A client that does not take answers gets none of its further requests read.
    if (this.#out.blocked && this.#out.pendingBytes > this.limits.pendingOutputBytesMax) this.#awaitsDrain = true;
    this.#pauseOrResume();
  }

  #awaitTurn(awaits: boolean): void {
    if (awaits === this.#awaitsTurn) return;
    this.#awaitsTurn = awaits;
    this.#host.turnShares.waiting += awaits ? 1 : -1;
  }

  #expectTurn(): void {
    // A stream that waits says when it is ready.
    if (this.#inTurn || this.#refusedPause !== null || this.#interrupted?.isWaiting === true) return;
    this.#inTurn = true;
    setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#inTurn = false;
    // Who goes on behind a pause expects a turn of its own.
    if (this.stopped || this.#refusedPause !== null || this.#interrupted?.isWaiting === true) return;
    this.#awaitTurn(false);
    const rest = this.#rest;
    if (rest === null && this.#interrupted === null) {
      this.#pauseOrResume();
    } else {
      this.#rest = null;
      if (rest === null) this.#read(NOTHING, 0, 0, true);
      else this.#read(rest, this.#restAt, rest.length, true);
    }
  }

  get #isRefusedOften(): boolean {
    return this.#refusals >= this.limits.refusalsPerReadMax;
  }

  #pauseRefused(): void {
    const { turnShares } = this.#host;
    const { refusedPauseMsMin, refusedPauseMsMax } = this.limits;
    this.#refusals = 0;
    this.#awaitTurn(false);
    // With more of them each has a smaller share.
    const pauseMs = Math.min(Math.max(++turnShares.refused, refusedPauseMsMin), refusedPauseMsMax);
    this.#refusedPause = setTimeout(() => {
      this.#endRefusedPause();
      this.#expectTurn();
    }, pauseMs);
  }

  #endRefusedPause(): void {
    if (this.#refusedPause === null) return;
    clearTimeout(this.#refusedPause);
    this.#refusedPause = null;
    this.#host.turnShares.refused--;
  }

  #pauseOrResume(): void {
    const pause = this.#awaitsDrain || this.#awaitsTurn || this.#refusedPause !== null;
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }

  flush(): void {
    this.dirty = false;
    const nested = this.#busy;
    this.#busy = true;
    this.writer.flush();
    this.#busy = nested;
    const ended = this.stopped || (this.streams.length === 0 && this.#rest === null);
    if (this.#finishing && ended && !nested) this.#end();
  }

  wrote(): void {
    if (this.#busy || this.dirty) return;
    this.dirty = true;
    this.#host.markDirty(this);
  }

  // Frames.

  turnOver(): boolean {
    return this.#isRefusedOften || performance.now() - this.#turnBegan >= this.#turnMs;
  }

  interrupt(stream: Stream): void {
    assert(this.#interrupted === null, "one stream is read at a time");
    this.#interrupted = stream;
  }

  onRefused(): void {
    this.#refusals++;
  }

  ready(stream: Stream): void {
    if (this.#interrupted === stream && !this.stopped) this.#expectTurn();
  }

  onFrame(bytes: Buffer, type: number, flags: number, streamId: number, start: number, end: number): boolean {
    this.#onFrame(bytes, type, flags, streamId, start, end);
    return this.#interrupted !== null;
  }

  #onFrame(bytes: Buffer, type: number, flags: number, streamId: number, start: number, end: number): void {
    if (this.#headerFrames.open && type !== frames.CONTINUATION) {
      this.fail(frames.PROTOCOL_ERROR, "frame within a header block");
      return;
    }
    if (!this.#peerSettings.received && type !== frames.SETTINGS) {
      this.fail(frames.PROTOCOL_ERROR, "first frame is not SETTINGS");
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
        this.#headerFrames.onContinuation(bytes, flags, streamId, start, end);
        break;
      case frames.WINDOW_UPDATE:
        this.#onWindowUpdate(bytes, streamId, start, end);
        break;
      case frames.RST_STREAM:
        this.#onResetStream(streamId, end - start);
        break;
      default:
        if (this.#controlFrames.exceeded()) this.fail(frames.ENHANCE_YOUR_CALM, "too many control frames");
        else this.#onControlFrame(bytes, type, flags, streamId, start, end);
    }
  }

  onFrameTooLarge(type: number, length: number): void {
    this.fail(frames.FRAME_SIZE_ERROR, `frame of type ${type} with ${length} bytes`);
  }

  onBadPreface(): void {
    this.fail(frames.PROTOCOL_ERROR, "bad preface");
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
        if (streamId !== 0) this.fail(frames.PROTOCOL_ERROR, "GOAWAY on a stream");
        else if (end - start < 8) this.fail(frames.FRAME_SIZE_ERROR, "short GOAWAY");
        else this.#finishing = true;
        break;
      case frames.PUSH_PROMISE:
        this.fail(frames.PROTOCOL_ERROR, "PUSH_PROMISE from a client");
        break;
      default:
      // Frames of unknown types are ignored.
    }
  }

  #onData(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    const length = end - start;
    if (streamId === 0) {
      this.fail(frames.PROTOCOL_ERROR, "DATA on stream 0");
      return;
    }
    // What arrives is consumed or discarded at once, so credit is given back whatever becomes of it; and as it is given
    // back at half of a window that holds several frames, no frame finds it exhausted.
    const { connectionWindowBytes, streamWindowBytes } = this.limits;
    this.#receiveWindow -= length;
    if (this.#receiveWindow < connectionWindowBytes / 2) {
      this.#control.windowUpdate(0, connectionWindowBytes - this.#receiveWindow);
      this.#receiveWindow = connectionWindowBytes;
    }
    let from = start;
    let to = end;
    if ((flags & frames.PADDED) !== 0) {
      if (length === 0 || bytes[start] >= length) {
        this.fail(frames.PROTOCOL_ERROR, "padding exceeds the frame");
        return;
      }
      from = start + 1;
      to = end - bytes[start];
    }
    const endStream = (flags & frames.END_STREAM) !== 0;
    if (to > from || endStream) {
      this.#emptyDataFrames = 0;
    } else if (++this.#emptyDataFrames > this.limits.emptyDataFramesMax) {
      this.fail(frames.ENHANCE_YOUR_CALM, "too many empty DATA frames");
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === null) {
      this.#onDataWithoutStream(streamId);
      return;
    }
    stream.receiveWindow -= length;
    if (stream.remoteClosed) {
      this.streams.resetForFault(stream, frames.STREAM_CLOSED);
    } else if (stream.receiveWindow < 0) {
      this.streams.resetForFault(stream, frames.FLOW_CONTROL_ERROR);
    } else {
      if (!endStream && stream.receiveWindow < streamWindowBytes / 2) {
        this.#control.windowUpdate(streamId, streamWindowBytes - stream.receiveWindow);
        stream.receiveWindow = streamWindowBytes;
      }
      stream.receive(bytes, from, to, endStream);
    }
  }

  #onDataWithoutStream(streamId: number): void {
    if (this.streams.isIdle(streamId)) this.fail(frames.PROTOCOL_ERROR, "DATA on an idle stream");
    else if (!this.streams.endedEarly(streamId)) this.streams.resetUnknown(streamId, frames.STREAM_CLOSED);
  }

  #onHeaders(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    if ((streamId & 1) === 0) this.fail(frames.PROTOCOL_ERROR, "HEADERS on a stream that no client may open");
    else this.#headerFrames.onHeaders(bytes, flags, streamId, start, end);
  }

  /** Every whole block is decoded, whatever becomes of its stream: the header table must stay in step. */
  onHeaderBlock(bytes: Buffer, start: number, end: number, streamId: number, endStream: boolean): void {
    try {
      if (streamId > this.streams.lastId) {
        this.streams.open(streamId, this.#heads.requestHead(bytes, start, end), endStream);
      } else {
        this.#onTrailers(streamId, this.#heads.trailersValid(bytes, start, end), endStream);
      }
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      this.fail(frames.COMPRESSION_ERROR, error.message);
    }
  }

  #onTrailers(streamId: number, valid: boolean, endStream: boolean): void {
    const stream = this.streams.get(streamId);
    if (stream === null) {
      if (!this.streams.endedEarly(streamId)) this.fail(frames.STREAM_CLOSED, "HEADERS on a closed stream");
    } else if (stream.remoteClosed) {
      this.streams.resetForFault(stream, frames.STREAM_CLOSED);
    } else if (!valid || !endStream) {
      this.streams.resetForFault(stream, frames.PROTOCOL_ERROR);
    } else {
      stream.receiveEnd();
    }
  }

  #onResetStream(streamId: number, length: number): void {
    if (this.streams.isIdle(streamId)) {
      this.fail(frames.PROTOCOL_ERROR, "RST_STREAM on an idle stream");
      return;
    }
    if (length !== 4) {
      this.fail(frames.FRAME_SIZE_ERROR, "RST_STREAM of a wrong length");
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream !== null) this.streams.remove(stream, CANCELED);
    this.onReset();
  }

  /** A stream was reset, by the client or for a fault of its. */
  onReset(): void {
    if (this.#resets.exceeded()) this.fail(frames.ENHANCE_YOUR_CALM, "too many streams reset");
  }

  #onWindowUpdate(bytes: Buffer, streamId: number, start: number, end: number): void {
    if (end - start !== 4) {
      this.fail(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong length");
      return;
    }
    const increment = frames.readUint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) this.fail(frames.PROTOCOL_ERROR, "WINDOW_UPDATE by 0");
      else if (this.writer.sendWindow + increment > frames.MAX_31) {
        this.fail(frames.FLOW_CONTROL_ERROR, "connection window above 2^31-1");
      } else this.writer.openWindow(increment);
      return;
    }
    if (this.streams.isIdle(streamId)) {
      this.fail(frames.PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
      return;
    }
    const stream = this.streams.get(streamId);
    // A stream that has ended may still be granted window.
    if (stream === null) return;
    if (increment === 0) this.streams.resetForFault(stream, frames.PROTOCOL_ERROR);
    else if (stream.sendWindow + increment > frames.MAX_31) {
      this.streams.resetForFault(stream, frames.FLOW_CONTROL_ERROR);
    } else this.writer.openStreamWindow(stream, increment);
  }

  #onSettings(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    const failed = this.#peerSettings.onFrame(bytes, flags, streamId, start, end);
    if (failed !== frames.NO_ERROR) this.fail(failed, "illegal SETTINGS");
  }

  #onPriority(streamId: number, length: number): void {
    if (streamId === 0) {
      this.fail(frames.PROTOCOL_ERROR, "PRIORITY on stream 0");
    } else if (length !== 5) {
      const stream = this.streams.get(streamId);
      if (stream === null) this.fail(frames.FRAME_SIZE_ERROR, "PRIORITY of a wrong length");
      else this.streams.resetForFault(stream, frames.FRAME_SIZE_ERROR);
    }
  }

  #onPing(bytes: Buffer, flags: number, streamId: number, start: number, end: number): void {
    if (streamId !== 0) this.fail(frames.PROTOCOL_ERROR, "PING on a stream");
    else if (end - start !== 8) this.fail(frames.FRAME_SIZE_ERROR, "PING of a wrong length");
    else if ((flags & frames.ACK) === 0) this.#answerPing(bytes, start);
    else if (this.#shutdownBegun && SHUTDOWN_PING.equals(bytes.subarray(start, end))) this.#host.onShutdownSeen(this);
  }

  #answerPing(bytes: Buffer, start: number): void {
    this.#control.pingAck(bytes, start);
    const { answered } = this.writer;
    this.writer.answered = false;
    if (this.#pings.exceededBy(performance.now(), this.streams.length === 0, answered)) {
      this.fail(frames.ENHANCE_YOUR_CALM, "too_many_pings");
    }
  }

  streamEnded(stream: Stream, code: number): void {
    // What was refused without its handler cost the client nothing, and buys nothing back.
    if (stream.answered) this.#resets.forgive();
    this.streams.ended(stream, code);
  }

  resetStream(stream: Stream, errorCode: number, code: number): void {
    this.streams.reset(stream, errorCode, code);
  }

  // The end of the connection.

  /** First step of a shutdown: asks the client to open no more streams. Those it opens meanwhile are still served. */
  beginShutdown(): void {
    if (this.stopped) return;
    this.#shutdownBegun = true;
    this.#control.goaway(frames.MAX_31, frames.NO_ERROR, "");
    this.#control.ping(SHUTDOWN_PING);
  }

  /** Second step: takes no more streams, ends streaming calls with `status`, and ends the connection with its last stream. */
  stopAccepting(status: Status): void {
    if (this.stopped || !this.streams.accepts) return;
    this.streams.accepts = false;
    this.#control.goaway(this.streams.lastAcceptedId, frames.NO_ERROR, "");
    this.streams.endStreaming(status);
    this.#finishing = true;
    this.wrote();
  }

  /** Last step: ends what still runs with `status`. */
  abortAll(status: Status): void {
    this.stopAccepting(status);
    if (this.stopped) return;
    this.streams.abortAll(status);
    this.wrote();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Checks the timeouts. @param now of the monotonic clock, in milliseconds */
  sweep(now: number): void {
    const { limits } = this;
    const taken = this.#socket.bytesWritten - this.#socket.writableLength;
    if (this.#socket.writableLength === 0 || taken !== this.#progressBytes) {
      this.#progressBytes = taken;
      this.#progressAt = now;
    } else if (now - this.#progressAt > limits.writeStallTimeoutMs) {
      this.#host.onConnectionError(this.#socket, frames.NO_ERROR, "client takes no output");
      this.#socket.destroy();
      return;
    }
    if (this.#endedAt > 0) {
      // What was written last is still taken by a slow client; only then it has to close.
      if (this.#socket.writableLength === 0 && now - this.#endedAt > limits.lingerMs) this.#socket.destroy();
      return;
    }
    if (!this.#peerSettings.acknowledged && now - this.#openedAt > limits.settingsTimeoutMs) {
      this.fail(frames.SETTINGS_TIMEOUT, "SETTINGS missing or not acknowledged");
      return;
    }
    if (this.#isDead(now)) {
      this.#host.onConnectionError(this.#socket, frames.NO_ERROR, "client does not answer a PING");
      this.#socket.destroy();
      return;
    }
    this.streams.sweep();
    this.flush();
  }

  /** Asks a silent client for a sign of life, and tells when it gave none. */
  #isDead(now: number): boolean {
    // What we do not read may be full of them.
    const heardAt = this.#paused ? now : this.#turnBegan;
    const found = this.#liveness.look(now, heardAt);
    if (found === TO_PING) this.#control.ping(KEEP_ALIVE_PING);
    return found === DEAD;
  }

  /** Ends the connection because of a fault of the client. */
  fail(errorCode: number, text: string): void {
    if (this.stopped) return;
    this.#host.onConnectionError(this.#socket, errorCode, text);
    this.streams.abandon(CANCELED);
    this.#control.goaway(this.streams.lastAcceptedId, errorCode, text);
    this.stopped = true;
    this.#rest = null;
    this.#interrupted = null;
    this.#finishing = true;
    this.wrote();
  }

  #end(): void {
    this.stopped = true;
    if (this.#endedAt > 0) return;
    this.#endedAt = performance.now();
    this.#awaitsDrain = false;
    this.#awaitTurn(false);
    this.#pauseOrResume();
    // Reading goes on, into nothing: closing with unread input would make the kernel drop what we wrote last.
    this.#socket.end();
  }

  #onDrain(): void {
    this.#out.drained();
    this.flush();
    if (this.#out.pendingBytes <= this.limits.pendingOutputBytesMax) this.#awaitsDrain = false;
    this.#pauseOrResume();
  }

  #onClose(): void {
    this.stopped = true;
    this.#awaitTurn(false);
    this.#endRefusedPause();
    this.#rest = null;
    this.#interrupted = null;
    this.streams.abandon(CANCELED);
    this.#host.onConnectionClosed(this);
  }
}

const NOTHING = Buffer.alloc(0);
