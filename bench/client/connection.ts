/**
 * The HTTP/2 connection of the lean client: streams, windows and settings. It writes requests and reads responses; what
 * a message means and how a call is offered to the user is up to lean-client.ts.
 */

import type { ConnectionOptions } from "node:tls";

import * as frames from "../../server/transport/frames/frames.ts";
import { CallTable } from "./call-table.ts";
import { GrpcError, LeanCall, MESSAGE_PREFIX_BYTES, type ReplyHandler } from "./call.ts";
import type { RequestBlocks } from "./request-blocks.ts";
import { codeOfHttpStatus, codeOfReset, ResponseHeads } from "./response-heads.ts";
import { PeerFault, PIECE_BYTES_MAX, Wire, type WireListener } from "./wire.ts";

/** What a GOAWAY said. */
export interface Goaway {
  readonly lastStreamId: number;
  readonly errorCode: number;
  readonly text: string;
}

/** What we allow the server, in octets. */
export interface ReceiveLimits {
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly frameBytesMax: number;
  readonly messageBytesMax: number;
}

const CANCELLED = 1;
const UNKNOWN = 2;
const INTERNAL = 13;
const UNAVAILABLE = 14;

const POOL_MAX = 1024;
const NOTHING = Buffer.alloc(0);

export class LeanConnection implements WireListener {
  /** Resolves at the server's SETTINGS, and fails when the connection closes before. */
  readonly settled = Promise.withResolvers<void>();
  /** Resolves when the connection is gone. */
  readonly closed = Promise.withResolvers<void>();
  goaway: Goaway | null = null;
  closeReason = "";

  readonly wire: Wire;
  readonly #blocks: RequestBlocks;
  readonly #limits: ReceiveLimits;
  readonly #heads = new ResponseHeads();

  /** The unary call whose reply still lies in the read buffer. */
  #held: LeanCall | null = null;
  /** A header block that continues in CONTINUATION frames. */
  #blockParts: Buffer[] = [];
  #blockStreamId = 0;
  #blockFlags = 0;

  readonly #calls = new CallTable();
  #openCalls = 0;
  #nextStreamId = 1;
  /** Calls that wait for the server's SETTINGS_MAX_CONCURRENT_STREAMS. */
  #backlog: LeanCall[] = [];
  /** Calls that wait for a window. */
  readonly #blocked = new Set<LeanCall>();
  readonly #pool: LeanCall[] = [];
  readonly #pings: (() => void)[] = [];

  #sendWindow = frames.DEFAULT_WINDOW;
  #receiveWindow: number;
  #creditOwed = 0;
  #serverStreamWindow = frames.DEFAULT_WINDOW;
  #serverStreamsMax = Number.POSITIVE_INFINITY;
  #serverFrameBytesMax = frames.DEFAULT_FRAME_BYTES_MAX;

  /** Opens the socket and sends our settings; see Wire for `url`. */
  constructor(url: string, tlsOptions: ConnectionOptions, blocks: RequestBlocks, limits: ReceiveLimits) {
    this.#blocks = blocks;
    this.#limits = limits;
    this.#receiveWindow = limits.connectionWindow;
    this.wire = new Wire(url, limits.frameBytesMax, tlsOptions, this);
    const settings = frames.encodeSettings([
      [frames.SETTINGS_ENABLE_PUSH, 0],
      [frames.SETTINGS_INITIAL_WINDOW_SIZE, limits.streamWindow],
      [frames.SETTINGS_MAX_FRAME_SIZE, limits.frameBytesMax],
    ]);
    this.wire.append(frames.PREFACE);
    this.wire.append(frames.encodeFrame(frames.SETTINGS, 0, 0, settings));
    const more = limits.connectionWindow - frames.DEFAULT_WINDOW;
    if (more > 0) this.wire.numberFrame(frames.WINDOW_UPDATE, 0, more);
    this.wire.scheduleFlush();
  }

  get openCalls(): number {
    return this.#openCalls + this.#backlog.length;
  }

  get #usable(): boolean {
    return !this.wire.dead && this.goaway === null && this.#nextStreamId < frames.MAX_31;
  }

  /** Starts a unary call; see LeanClient.unary. */
  unary(path: string, message: Uint8Array, onReply: ReplyHandler): void {
    const length = MESSAGE_PREFIX_BYTES + message.length;
    const call = this.#pool.pop() ?? new LeanCall();
    call.reset(onReply);
    const direct =
      length <= PIECE_BYTES_MAX &&
      length <= this.#sendWindow &&
      length <= this.#serverStreamWindow &&
      this.#openCalls < this.#serverStreamsMax &&
      this.#usable;
    if (direct) {
      this.#writeHeaders(call, this.#blocks.take(path));
      this.wire.unaryData(call.id, message);
      this.#sendWindow -= length;
      call.sendWindow -= length;
      call.endSent = true;
      this.wire.scheduleFlush();
    } else {
      call.path = path;
      call.enqueue(message);
      this.start(call);
    }
  }

  /** Starts a call, now or when the server allows another one. */
  start(call: LeanCall): void {
    if (!this.#usable) {
      // Nobody expects to be answered inside the function that asks.
      this.#openCalls++;
      process.nextTick(() => this.#finish(call, UNAVAILABLE, this.closeReason));
    } else if (this.#openCalls >= this.#serverStreamsMax) {
      this.#backlog.push(call);
    } else {
      this.#open(call);
    }
  }

  /** Sends what was added to the call's queue, as far as the windows allow. */
  push(call: LeanCall): void {
    if (call.id === 0) return;
    this.#pump(call);
    this.wire.scheduleFlush();
  }

  cancel(call: LeanCall): void {
    if (call.ended) return;
    if (call.id === 0) {
      // It waits in the backlog, or to hear that the connection cannot be used.
      if (!this.#backlog.includes(call)) return;
      this.#backlog = this.#backlog.filter((waiting) => waiting !== call);
      this.#openCalls++;
    } else {
      this.wire.numberFrame(frames.RST_STREAM, call.id, frames.CANCEL);
      this.wire.scheduleFlush();
    }
    this.#finish(call, CANCELLED, "cancelled by the client");
  }

  /** Stops or resumes to give the server credit for this call. */
  pauseCredit(call: LeanCall, paused: boolean): void {
    call.creditPaused = paused;
    if (paused || call.ended || call.id === 0) return;
    this.#giveCredit(call);
    this.wire.scheduleFlush();
  }

  ping(onAnswer: () => void): void {
    this.#pings.push(onAnswer);
    this.wire.append(frames.encodeFrame(frames.PING, 0, 0, Buffer.alloc(8)));
    this.wire.scheduleFlush();
  }

  /** Says farewell and closes. */
  end(): void {
    if (this.wire.dead) return;
    this.wire.append(frames.encodeFrame(frames.GOAWAY, 0, 0, frames.encodeGoaway(0, frames.NO_ERROR, "")));
    this.wire.end();
  }

  // Requests.

  #open(call: LeanCall): void {
    const block = this.#blocks.take(call.path);
    this.#writeHeaders(call, call.extraHeaders.length === 0 ? block : Buffer.concat([block, call.extraHeaders]));
    this.#pump(call);
    this.wire.scheduleFlush();
  }

  #writeHeaders(call: LeanCall, block: Buffer): void {
    call.id = this.#nextStreamId;
    call.sendWindow = this.#serverStreamWindow;
    call.receiveWindow = this.#limits.streamWindow;
    this.#nextStreamId += 2;
    this.#openCalls++;
    this.#calls.insert(call);
    let type = frames.HEADERS;
    let at = 0;
    do {
      const next = Math.min(block.length, at + frames.DEFAULT_FRAME_BYTES_MAX);
      this.wire.frame(type, next === block.length ? frames.END_HEADERS : 0, call.id, block, at, next);
      at = next;
      type = frames.CONTINUATION;
    } while (at < block.length);
  }

  /** Sends as much of the call's queue as the windows allow. */
  #pump(call: LeanCall): void {
    while (call.queue.length > 0) {
      const message = call.queue[0];
      const windows = Math.min(this.#sendWindow, call.sendWindow, this.#serverFrameBytesMax, PIECE_BYTES_MAX);
      const length = Math.min(message.length - call.queueOffset, windows);
      if (length <= 0) {
        this.#blocked.add(call);
        return;
      }
      const next = call.queueOffset + length;
      const lastOfMessage = next === message.length;
      const lastOfCall = lastOfMessage && call.queue.length === 1 && call.endRequested;
      this.wire.frame(frames.DATA, lastOfCall ? frames.END_STREAM : 0, call.id, message, call.queueOffset, next);
      this.#sendWindow -= length;
      call.sent(length, lastOfMessage);
      if (lastOfCall) call.endSent = true;
    }
    this.#blocked.delete(call);
    if (call.endRequested && !call.endSent) {
      this.wire.frame(frames.DATA, frames.END_STREAM, call.id, NOTHING, 0, 0);
      call.endSent = true;
    }
  }

  #pumpBlocked(): void {
    if (this.#blocked.size === 0) return;
    for (const call of Array.from(this.#blocked)) this.#pump(call);
  }

  #finish(call: LeanCall, status: number, text: string): void {
    if (call.ended) return;
    call.ended = true;
    this.#openCalls--;
    if (call.id !== 0) this.#calls.remove(call);
    if (!call.endSent) {
      this.#blocked.delete(call);
      call.dropQueue();
    }
    if (this.#held === call) this.#held = null;
    const { onReply, handler } = call;
    if (handler !== null) {
      handler.onEnd(status, text);
    } else if (onReply !== null) {
      onReply(status, status === 0 ? call.reply.subarray(call.replyStart, call.replyEnd) : NOTHING, text);
      if (this.#pool.length < POOL_MAX && call.extraHeaders.length === 0) this.#pool.push(call);
    }
    while (this.#backlog.length > 0 && this.#openCalls < this.#serverStreamsMax && this.#usable) {
      this.#open(this.#backlog.shift() as LeanCall);
    }
  }

  // Responses.

  onReadEnd(): void {
    if (this.#held === null) return;
    this.#held.settle();
    this.#held = null;
  }

  onClosed(reason: string): void {
    if (this.closeReason === "") this.closeReason = reason;
    this.settled.reject(new GrpcError(UNAVAILABLE, this.closeReason));
    this.#failBacklog();
    for (const call of this.#calls.list()) this.#finish(call, UNAVAILABLE, this.closeReason);
    this.closed.resolve();
  }

  onFrame(bytes: Buffer, at: number, length: number): void {
    const type = bytes[at + 3];
    const flags = bytes[at + 4];
    const id = frames.readUint31(bytes, at + 5);
    const start = at + frames.FRAME_HEADER_BYTES;
    const end = start + length;
    if (this.#blockStreamId !== 0 && (type !== frames.CONTINUATION || id !== this.#blockStreamId)) {
      throw new PeerFault("frame inside a header block");
    }
    switch (type) {
      case frames.DATA:
        return this.#onData(bytes, start, end, flags, id);
      case frames.HEADERS:
        return this.#onHeaders(bytes, start, end, flags, id);
      case frames.CONTINUATION:
        return this.#onContinuation(bytes, start, end, flags, id);
      case frames.RST_STREAM:
        return this.#onReset(id, frames.readUint32(bytes, start));
      case frames.SETTINGS:
        return this.#onSettings(bytes, start, end, flags);
      case frames.PING:
        return this.#onPing(bytes, start, end, flags);
      case frames.GOAWAY:
        return this.#onGoaway(bytes, start, end);
      case frames.WINDOW_UPDATE:
        return this.#onWindowUpdate(id, frames.readUint31(bytes, start));
      case frames.PUSH_PROMISE:
        throw new PeerFault("PUSH_PROMISE though push is disabled");
      default:
      // PRIORITY and frames unknown to us are ignored.
    }
  }

  #onData(bytes: Buffer, start: number, end: number, flags: number, id: number): void {
    const length = end - start;
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) throw new PeerFault("DATA beyond the connection's window");
    this.#creditOwed += length;
    if (this.#creditOwed * 2 >= this.#limits.connectionWindow) {
      this.wire.numberFrame(frames.WINDOW_UPDATE, 0, this.#creditOwed);
      this.#receiveWindow += this.#creditOwed;
      this.#creditOwed = 0;
    }
    const call = this.#calls.find(id);
    // A stream that we have reset: its data may still be on the way.
    if (call === null) return;
    call.receiveWindow -= length;
    if (call.receiveWindow < 0) throw new PeerFault("DATA beyond the stream's window");
    if (call.head === null) throw new PeerFault("DATA before HEADERS");
    const padded = (flags & frames.PADDED) !== 0;
    const from = padded ? start + 1 : start;
    const to = padded ? end - bytes[start] : end;
    if (call.handler === null && this.#held !== call) {
      this.#held?.settle();
      this.#held = call;
    }
    const wrong = call.receive(bytes, from, to, this.#limits.messageBytesMax);
    if (call.ended) return;
    if (wrong !== null) {
      this.wire.numberFrame(frames.RST_STREAM, id, frames.CANCEL);
      this.#finish(call, INTERNAL, wrong);
    } else if ((flags & frames.END_STREAM) === 0) {
      call.creditOwed += length;
      if (!call.creditPaused && call.creditOwed * 2 >= this.#limits.streamWindow) this.#giveCredit(call);
    } else {
      this.#finish(call, INTERNAL, "the stream ended without trailers");
    }
  }

  #giveCredit(call: LeanCall): void {
    if (call.creditOwed === 0) return;
    this.wire.numberFrame(frames.WINDOW_UPDATE, call.id, call.creditOwed);
    call.receiveWindow += call.creditOwed;
    call.creditOwed = 0;
  }

  #onHeaders(bytes: Buffer, start: number, end: number, flags: number, id: number): void {
    let from = start;
    let to = end;
    if ((flags & frames.PADDED) !== 0) {
      to -= bytes[start];
      from++;
    }
    if ((flags & frames.PRIORITY_FLAG) !== 0) from += 5;
    if ((flags & frames.END_HEADERS) !== 0) return this.#onBlock(bytes, from, to, flags, id);
    this.#blockParts = [Buffer.from(bytes.subarray(from, to))];
    this.#blockStreamId = id;
    this.#blockFlags = flags;
  }

  #onContinuation(bytes: Buffer, start: number, end: number, flags: number, id: number): void {
    if (this.#blockStreamId === 0) throw new PeerFault("CONTINUATION without HEADERS");
    this.#blockParts.push(Buffer.from(bytes.subarray(start, end)));
    if ((flags & frames.END_HEADERS) === 0) return;
    const block = Buffer.concat(this.#blockParts);
    this.#blockParts = [];
    this.#blockStreamId = 0;
    this.#onBlock(block, 0, block.length, this.#blockFlags, id);
  }

  #onBlock(bytes: Buffer, start: number, end: number, flags: number, id: number): void {
    const head = this.#heads.decode(bytes, start, end);
    const call = this.#calls.find(id);
    // A stream that we have reset: decoding kept the table in step.
    if (call === null) return;
    const first = call.head === null;
    if (first) call.head = head;
    if ((flags & frames.END_STREAM) === 0) {
      if (!first) throw new PeerFault("trailers without the end of the stream");
      if (head.httpStatus >= 100 && head.httpStatus < 200) call.head = null;
      return;
    }
    if (!call.endSent) this.wire.numberFrame(frames.RST_STREAM, id, frames.NO_ERROR);
    if (first && head.httpStatus !== 200 && head.grpcStatus < 0) {
      this.#finish(call, codeOfHttpStatus(head.httpStatus), `HTTP status ${head.httpStatus}`);
    } else if (head.grpcStatus < 0) {
      this.#finish(call, UNKNOWN, "no grpc-status in the trailers");
    } else if (head.grpcStatus > 0) {
      this.#finish(call, head.grpcStatus, head.grpcMessage);
    } else if (call.incomplete || (call.handler === null && call.messages !== 1)) {
      this.#finish(call, INTERNAL, `status OK after ${call.messages} whole messages`);
    } else {
      this.#finish(call, 0, head.grpcMessage);
    }
  }

  #onReset(id: number, errorCode: number): void {
    const call = this.#calls.find(id);
    if (call === null) return;
    // The other half of the stream is closed too, and nothing need be said of it.
    call.endSent = true;
    this.#blocked.delete(call);
    call.dropQueue();
    this.#finish(call, codeOfReset(errorCode), `stream reset by the server, error code ${errorCode}`);
  }

  #onSettings(bytes: Buffer, start: number, end: number, flags: number): void {
    if ((flags & frames.ACK) !== 0) return;
    for (let at = start; at + 6 <= end; at += 6) {
      const value = frames.readUint32(bytes, at + 2);
      switch ((bytes[at] << 8) | bytes[at + 1]) {
        case frames.SETTINGS_HEADER_TABLE_SIZE:
          this.#blocks.limitTable(value);
          break;
        case frames.SETTINGS_MAX_CONCURRENT_STREAMS:
          this.#serverStreamsMax = value;
          break;
        case frames.SETTINGS_INITIAL_WINDOW_SIZE:
          for (const call of this.#calls.list()) call.sendWindow += value - this.#serverStreamWindow;
          this.#serverStreamWindow = value;
          break;
        case frames.SETTINGS_MAX_FRAME_SIZE:
          this.#serverFrameBytesMax = value;
          break;
        default:
        // Settings unknown to us are ignored.
      }
    }
    this.wire.append(frames.encodeFrame(frames.SETTINGS, frames.ACK, 0, NOTHING));
    this.#pumpBlocked();
    this.settled.resolve();
  }

  #onPing(bytes: Buffer, start: number, end: number, flags: number): void {
    if ((flags & frames.ACK) === 0) {
      this.wire.append(frames.encodeFrame(frames.PING, frames.ACK, 0, bytes.subarray(start, end)));
    } else {
      this.#pings.shift()?.();
    }
  }

  #onGoaway(bytes: Buffer, start: number, end: number): void {
    const lastStreamId = frames.readUint31(bytes, start);
    const errorCode = frames.readUint32(bytes, start + 4);
    this.goaway = { lastStreamId, errorCode, text: bytes.toString("utf8", start + 8, end) };
    this.closeReason = `the server is going away, error code ${errorCode} ${this.goaway.text}`.trimEnd();
    this.#failBacklog();
    for (const call of this.#calls.list()) {
      if (call.id > lastStreamId) this.#finish(call, UNAVAILABLE, this.closeReason);
    }
  }

  #onWindowUpdate(id: number, increment: number): void {
    if (id === 0) {
      this.#sendWindow += increment;
      this.#pumpBlocked();
    } else {
      const call = this.#calls.find(id);
      if (call === null) return;
      call.sendWindow += increment;
      this.#pump(call);
    }
  }

  #failBacklog(): void {
    const waiting = this.#backlog;
    this.#backlog = [];
    for (const call of waiting) {
      this.#openCalls++;
      this.#finish(call, UNAVAILABLE, this.closeReason);
    }
  }
}
