/**
 * The streams of one connection: which ids may be opened, how streams come and go, and what is remembered of those that
 * are gone. Which frames are legal on them is the connection's affair.
 */

import type { Server as HttpServer } from "node:http";

import type { ControlWriter } from "../sending/control-writer.ts";
import type { DeadlineWheel } from "../stream/deadline-wheel.ts";
import { CANCEL, MAX_31, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM } from "../frames/frames.ts";
import type { HeaderField } from "../headers/header-field.ts";
import type { TransportLimits } from "../limits.ts";
import { PlainExchange, type PlainOrigin } from "./plain-exchange.ts";
import type { Releases } from "./releases.ts";
import { RecentIds } from "./recent-ids.ts";
import type { RequestHead } from "../headers/request-head.ts";
import { TOO_MANY_REQUESTS } from "../refusals.ts";
import type { SendTotals } from "../stream/send-room.ts";
import { CANCELED, INTERNAL } from "../../../proto/grpc-codes.ts";
import type { CallObserver, Status } from "../service.ts";
import { StreamTable } from "./stream-table.ts";
import type { StreamWriter } from "../sending/stream-writer.ts";
import type { Inflater } from "../stream/inflater.ts";
import { Stream } from "../stream/stream.ts";
import type { StreamHost } from "../stream/stream.ts";

/** What the streams of all connections share. */
export interface StreamsHost {
  readonly limits: TransportLimits;
  readonly observer: CallObserver | null;
  readonly deadlines: DeadlineWheel;
  /** Answers plain HTTP requests. */
  readonly http: HttpServer;
  /** Memory held for incomplete requests of all connections. */
  heldBytes: number;
  /** What all connections together have to send. */
  readonly sendTotals: SendTotals;
  readonly inflater: Inflater;
  readonly releases: Releases;
}

/** What streams ask and tell the connection that is read. */
export interface StreamsListener {
  /** A stream is reset for a fault of the client. This may end the connection from within. */
  onReset(): void;
  turnOver(): boolean;
  /** Nothing more is to be read until the stream has gone on. */
  interrupt(stream: Stream): void;
  /** The stream can go on. */
  ready(stream: Stream): void;
  /** A call was refused for want of room. */
  onRefused(): void;
}

export class ConnectionStreams implements StreamHost {
  readonly limits: TransportLimits;
  readonly writer: StreamWriter;
  readonly inflater: Inflater;
  readonly certifiedUser: string | null;
  /** The highest stream id seen, and the highest one that was taken on. */
  lastId = 0;
  lastAcceptedId = 0;
  /** When false, streams that the client opens are ignored. */
  accepts = true;
  /** What the client's settings let us send on a new stream. */
  #sendWindow: number;
  readonly #host: StreamsHost;
  readonly #control: ControlWriter;
  readonly #listener: StreamsListener;
  #heldBytes = 0;
  #abandoned = false;
  readonly #origin: PlainOrigin;
  /** Plain HTTP requests among the streams. */
  #plainRequests = 0;
  readonly #table = new StreamTable<Stream>();
  readonly #endedEarly = new RecentIds();

  /** @param sendWindow the client's SETTINGS_INITIAL_WINDOW_SIZE, as long as it has sent none */
  constructor(
    host: StreamsHost,
    writer: StreamWriter,
    control: ControlWriter,
    listener: StreamsListener,
    sendWindow: number,
    certifiedUser: string | null,
    origin: PlainOrigin,
  ) {
    this.limits = host.limits;
    this.certifiedUser = certifiedUser;
    this.#origin = origin;
    this.writer = writer;
    this.inflater = host.inflater;
    this.#host = host;
    this.#control = control;
    this.#listener = listener;
    this.#sendWindow = sendWindow;
  }

  get length(): number {
    return this.#table.length;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  set heldBytes(bytes: number) {
    this.#host.heldBytes += bytes - this.#heldBytes;
    this.#heldBytes = bytes;
  }

  get holdsTooMuch(): boolean {
    return (
      this.#heldBytes > this.limits.partialMessageBytesMax ||
      this.#host.heldBytes > this.limits.partialMessageBytesTotalMax
    );
  }

  get(id: number): Stream | null {
    return this.#table.get(id);
  }

  /** True for ids that neither side has opened; a client never sees us open one. */
  isIdle(id: number): boolean {
    return id > this.lastId || (id & 1) === 0;
  }

  /** True when we ended the stream before the client did, and not long ago: frames on it are no fault. */
  endedEarly(id: number): boolean {
    return this.#endedEarly.has(id);
  }

  /** Takes on a stream that the client opens, or refuses it. `id` is above all before. */
  open(id: number, head: RequestHead, endStream: boolean): void {
    this.lastId = id;
    if (!this.accepts) {
      // The client learns from GOAWAY that this stream was not taken on.
      this.#endedEarly.add(id);
      return;
    }
    const tooMany =
      this.#table.length >= this.limits.streamsPerConnectionMax ||
      (head.plainFields !== null && this.#plainRequests >= this.limits.plainRequestsPerConnectionMax);
    if (head.malformed || tooMany) {
      this.#endedEarly.add(id);
      this.resetUnknown(id, head.malformed ? PROTOCOL_ERROR : REFUSED_STREAM);
      return;
    }
    this.lastAcceptedId = id;
    const stream = new Stream(id, this, head, this.#sendWindow, this.limits.streamWindowBytes);
    this.#table.insert(stream);
    this.#host.observer?.onStarted(head.method);
    if (head.refusal !== null) {
      stream.remoteClosed = endStream;
      this.writer.refuse(stream, head.refusal.httpStatus, head.refusal.status);
      return;
    }
    if (this.writer.refusesCalls) {
      stream.remoteClosed = endStream;
      this.writer.refuse(stream, 200, TOO_MANY_REQUESTS);
      return;
    }
    if (head.timeoutMs >= 0) stream.deadline = this.#host.deadlines.add(stream, head.timeoutMs);
    if (head.plainFields === null) stream.open();
    else this.#openPlain(stream, head.plainFields);
    if (endStream && !stream.over) stream.receiveEnd();
  }

  #openPlain(stream: Stream, fields: readonly HeaderField[]): void {
    const exchange = new PlainExchange(stream, fields, this.writer, this.#host.http, this.#origin);
    // A request that HTTP/1.1 cannot say is answered by now.
    if (stream.over) return;
    stream.listener = exchange;
    this.#plainRequests++;
  }

  /** The last frame of a stream was written. */
  ended(stream: Stream, code: number): void {
    if (!stream.remoteClosed) {
      // The answer came before the request's end: the client need not send the rest.
      this.#endedEarly.add(stream.id);
      this.#control.resetStream(stream.id, NO_ERROR);
    }
    this.remove(stream, code);
  }

  /** Ends a stream with RST_STREAM; `code` is the gRPC status it counts as. */
  reset(stream: Stream, errorCode: number, code: number): void {
    this.#endedEarly.add(stream.id);
    this.#control.resetStream(stream.id, errorCode);
    this.remove(stream, code);
  }

  /** Resets a stream on which the client broke a rule. */
  resetForFault(stream: Stream, errorCode: number): void {
    this.reset(stream, errorCode, INTERNAL);
    this.#listener.onReset();
  }

  /** Sends RST_STREAM for a fault of the client on a stream that is not open. */
  resetUnknown(id: number, errorCode: number): void {
    this.#control.resetStream(id, errorCode);
    this.#listener.onReset();
  }

  turnOver(): boolean {
    return this.#listener.turnOver();
  }

  refused(): void {
    this.#listener.onRefused();
  }

  interrupt(stream: Stream): void {
    this.#listener.interrupt(stream);
  }

  ready(stream: Stream): void {
    this.#listener.ready(stream);
  }

  malformed(stream: Stream): void {
    this.resetForFault(stream, PROTOCOL_ERROR);
  }

  /** Takes out a stream that has ended, or of which nobody wants to hear any more. */
  remove(stream: Stream, code: number): void {
    this.#table.delete(stream);
    this.writer.forget(stream);
    if (stream.head.plainFields !== null && stream.listener !== null) this.#plainRequests--;
    if (stream.deadline !== null) {
      this.#host.deadlines.remove(stream.deadline);
      stream.deadline = null;
    }
    this.#host.observer?.onHandled(stream.head.method, code);
    stream.release();
  }

  /** Takes out every stream, because the connection is gone. Nothing more is sent; their handlers learn of it by and by. */
  abandon(code: number): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    const streams = this.#table.all();
    for (const stream of streams) {
      stream.closed = true;
      this.writer.forget(stream);
    }
    const release = (count: number): void => {
      for (const stream of streams.splice(-count)) if (!stream.over) this.remove(stream, code);
    };
    this.#host.releases.add({
      get length() {
        return streams.length;
      },
      release,
    });
  }

  /**
   * Takes the client's SETTINGS_INITIAL_WINDOW_SIZE, which changes the windows of open streams too.
   *
   * @returns false when a window would exceed what is legal
   */
  setSendWindow(window: number): boolean {
    const change = window - this.#sendWindow;
    this.#sendWindow = window;
    if (change === 0) return true;
    for (const stream of this.#table.all()) {
      if (stream.sendWindow + change > MAX_31) return false;
      this.writer.openStreamWindow(stream, change);
    }
    return true;
  }

  /** Ends the streaming calls behind what they have sent, and those that wait. */
  endStreaming(status: Status): void {
    for (const stream of this.#table.all()) {
      const { method } = stream.head;
      if (!stream.closed && method !== null && method.kind !== "unary") this.writer.end(stream, status);
    }
  }

  /** Ends every stream now. */
  abortAll(status: Status): void {
    for (const stream of this.#table.all()) if (!stream.over) this.writer.abort(stream, status);
  }

  /** Resets streams that wait too long for the client: for the rest of a request, or to take an answer. */
  sweep(): void {
    const progressed = this.writer.sweep();
    const { limits } = this;
    for (const stream of this.#table.all()) {
      const { awaitsReader } = stream;
      if (!stream.awaitsBody && !awaitsReader) {
        stream.idleSweeps = 0;
        continue;
      }
      // Its turn will come.
      if (awaitsReader && progressed && stream.sendWindow > 0) continue;
      const timeoutMs = awaitsReader ? limits.writeStallTimeoutMs : limits.requestBodyTimeoutMs;
      stream.idleSweeps++;
      if (stream.idleSweeps * limits.sweepIntervalMs > timeoutMs) this.reset(stream, CANCEL, CANCELED);
    }
  }
}
