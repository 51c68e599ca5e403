/**
 * One stream: a call, unary or streaming. It knows how a method's handler is fed and what the handler may do; frames are
 * read by its connection and written by the connection's writer.
 */

import assert from "node:assert/strict";

import type { Deadline, Expirable } from "./deadline-wheel.ts";
import type { Inflater } from "./inflater.ts";
import { readUint32 } from "../frames/frames.ts";
import type { TransportLimits } from "../limits.ts";
import { MESSAGE_PREFIX_BYTES, MessageReader } from "./message-reader.ts";
import type { MessageSink } from "./message-reader.ts";
import type { RequestHead } from "../headers/request-head.ts";
import type { SendQueue } from "./send-queue.ts";
import { TOO_MANY_REQUESTS } from "../refusals.ts";
import { DEADLINE_EXCEEDED, INTERNAL } from "../../../proto/grpc-codes.ts";
import type { CallMetadata, MessageParts, Status, StreamCall, StreamListener, UnaryCall } from "../service.ts";

const NO_MESSAGE = "cardinality violation: received no request message from non-client-streaming RPC";
const SECOND_MESSAGE = "cardinality violation: received multiple request messages for non-client-streaming RPC";
const DEADLINE_PASSED: Status = { code: DEADLINE_EXCEEDED, message: "context deadline exceeded" };

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly limits: TransportLimits;
  /** Memory held for incomplete requests of all streams of the connection. */
  heldBytes: number;
  /** Whether that is more than allowed. */
  readonly holdsTooMuch: boolean;
  readonly writer: StreamOutput;
  readonly inflater: Inflater;
  /** Whom the client's certificate makes it, or null. */
  readonly certifiedUser: string | null;
  /** Whether other connections shall have their turn before more is read of this one. */
  turnOver(): boolean;
  /** The stream has not read all that it was given: its connection reads nothing more until `stream.goOn` was called. */
  interrupt(stream: Stream): void;
  /** A stream that had to wait before it can go on need not wait any more. */
  ready(stream: Stream): void;
  /** A call was refused for want of room. */
  refused(): void;
  /** The request does not follow HTTP/2: resets the stream with PROTOCOL_ERROR. */
  malformed(stream: Stream): void;
}

/** The writing half of a connection, as its streams see it. */
export interface StreamOutput {
  reply(stream: Stream, message: Uint8Array): void;
  /** @param onTaken null when nobody wants to know */
  replyParts(stream: Stream, parts: MessageParts, length: number, onTaken: (() => void) | null): void;
  send(stream: Stream, message: Uint8Array): void;
  /** @param onTaken null when nobody wants to know */
  sendParts(stream: Stream, parts: MessageParts, length: number, onTaken: (() => void) | null): void;
  /** Ends the stream behind what is queued. */
  end(stream: Stream, status: Status): void;
  /** Ends the stream at once; what is queued is dropped. */
  abort(stream: Stream, status: Status): void;
  /** Whether the stream may send; one that may not is told by `onDrain` when it may. */
  writable(stream: Stream): boolean;
  /** True while the client must take answers before it is given more. */
  readonly refusesCalls: boolean;
}

export class Stream implements UnaryCall, StreamCall, MessageSink, Expirable {
  readonly id: number;
  readonly host: StreamHost;
  readonly head: RequestHead;

  /** What the client lets us send on this stream; below zero when it shrank the window. */
  sendWindow: number;
  /** What we let the client still send on this stream. */
  receiveWindow: number;
  /** The status is decided, by the handler or by us, or the client went away: nothing more is taken from the handler. */
  closed = false;
  /** The client has sent END_STREAM. */
  remoteClosed = false;
  /** The stream has left its connection. */
  over = false;
  /** Response headers are written. */
  headersSent = false;

  /** Bytes to send that the windows or the socket held back; null when there never were any. */
  queue: SendQueue | null = null;
  /** The status that follows the queue. */
  ending: Status | null = null;
  /** Whether the writer has it in its round, and between whom. */
  scheduled = false;
  previousInRound: Stream | null = null;
  nextInRound: Stream | null = null;
  /** Not writable: the writer will tell when it is. */
  choked = false;

  /** Its place in the wheel of deadlines. */
  deadline: Deadline | null = null;
  /** Sweeps of the connection since the client last sent a part of the request, or took a part of the answer. */
  idleSweeps = 0;

  /** Takes what the client sends: the messages of a streaming call, or the body of a plain HTTP request in pieces. */
  listener: StreamListener | null = null;
  /** The handler has decided the answer. */
  answered = false;
  /** Set while a handler runs that will return the listener: `onClose` must wait for it. */
  #opening = false;
  /** Bytes of DATA so far; counted only when the request has a content-length. */
  #bodyBytes = 0;
  #reader: MessageReader | null = null;
  /** The one message of a request whose END_STREAM has not come yet. */
  #message: Buffer | null = null;
  /** This stream's share of the host's `heldBytes`. */
  #heldBytes = 0;

  constructor(id: number, host: StreamHost, head: RequestHead, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.host = host;
    this.head = head;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  // What handlers use.

  get metadata(): CallMetadata {
    return this.head.metadata;
  }

  get certifiedUser(): string | null {
    return this.host.certifiedUser;
  }

  get connection(): unknown {
    return this.host;
  }

  get queuedBytes(): number {
    return this.queue === null ? 0 : this.queue.bytes;
  }

  get writable(): boolean {
    return this.host.writer.writable(this);
  }

  reply(message: Uint8Array): void {
    this.#answer();
    if (!this.closed) this.host.writer.reply(this, message);
  }

  replyParts(parts: MessageParts, length: number, onTaken: (() => void) | null = null): void {
    this.#answer();
    if (!this.closed) this.host.writer.replyParts(this, parts, length, onTaken);
    else if (onTaken !== null) onTaken();
  }

  fail(status: Status): void {
    this.#answer();
    if (status.isForWantOfRoom === true) this.host.refused();
    if (!this.closed) this.host.writer.end(this, status);
  }

  send(message: Uint8Array): void {
    if (!this.closed) this.host.writer.send(this, message);
  }

  sendParts(parts: MessageParts, length: number, onTaken: (() => void) | null = null): void {
    if (!this.closed) this.host.writer.sendParts(this, parts, length, onTaken);
    else if (onTaken !== null) onTaken();
  }

  end(status: Status): void {
    if (this.closed) return;
    this.answered = true;
    this.host.writer.end(this, status);
  }

  // What the connection uses.

  /** True while a request that should have one message, or a plain HTTP request, lacks it, or its end. */
  get awaitsBody(): boolean {
    if (this.remoteClosed || this.closed) return false;
    // Who is being answered says what it wants when it wants.
    return this.head.method === null ? !this.headersSent : this.head.method.kind !== "bidi";
  }

  /**
   * True while it is the client's turn to take what we have to send. A watch may be left waiting, but not a call that
   * ends with its answer, nor a plain HTTP request.
   */
  get awaitsReader(): boolean {
    // A stream that is closed but not over has an answer queued.
    if (this.closed) return true;
    if (this.head.method !== null && this.head.method.kind !== "server-stream") return false;
    return this.queuedBytes > 0 || (this.choked && this.sendWindow <= 0);
  }

  /** Starts the call: its headers are read. */
  open(): void {
    const { method } = this.head;
    if (method === null || method.kind !== "bidi") return;
    this.#opening = true;
    this.#adopt(method.open(this));
  }

  /** Takes the payload [start, end) of a DATA frame. */
  receive(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (endStream) this.remoteClosed = true;
    const { method } = this.head;
    if (this.head.contentLength >= 0 && !this.#countBody(end - start, endStream)) {
      this.host.malformed(this);
      return;
    }
    // The answer is decided: what else the client has to say is not of interest.
    if (this.closed) return;
    if (method === null) {
      this.#receivePlain(bytes, start, end, endStream);
      return;
    }
    // Nearly every request is one message in one frame.
    if (endStream && this.#reader === null && method.kind !== "bidi" && this.#isWholeMessage(bytes, start, end)) {
      this.#call(bytes.subarray(start + MESSAGE_PREFIX_BYTES, end));
      return;
    }
    if (end > start) this.idleSweeps = 0;
    this.#reader ??= new MessageReader(this.head.encoding, this.host.limits.receiveMessageBytesMax);
    this.#reader.read(bytes, start, end, this);
    this.#afterRead();
  }

  /** Goes on where it was interrupted. Not while it is waiting. */
  goOn(): void {
    if (this.closed || this.#reader === null) return;
    this.#reader.goOn(this);
    this.#afterRead();
  }

  /** True while an interrupted stream cannot go on. */
  get isWaiting(): boolean {
    return this.#reader !== null && this.#reader.isWaiting;
  }

  #afterRead(): void {
    // The call has ended meanwhile, and what else was read does not matter.
    if (this.closed || this.#reader === null) return;
    this.#hold(this.#reader.heldBytes + (this.#message === null ? 0 : this.#message.length));
    if (this.host.holdsTooMuch) this.host.writer.abort(this, TOO_MANY_REQUESTS);
    else if (this.#reader.isInterrupted) this.host.interrupt(this);
    else if (this.remoteClosed) this.#halfClose();
  }

  /** Takes the end of the request where it comes without DATA: on HEADERS, or on trailers. */
  receiveEnd(): void {
    this.receive(NOTHING, 0, 0, true);
  }

  /** One message of the request: called by the reader. */
  onMessage(message: Buffer, owned: boolean): void {
    if (this.listener !== null) {
      this.listener.onMessage(message);
    } else if (this.#message === null) {
      this.#message = owned ? message : Buffer.from(message);
    } else {
      this.host.writer.abort(this, { code: INTERNAL, message: SECOND_MESSAGE });
    }
  }

  onIllegal(status: Status): void {
    this.host.writer.abort(this, status);
  }

  turnOver(): boolean {
    return this.host.turnOver();
  }

  inflate(message: Buffer, bytesMax: number): void {
    const reader = this.#reader;
    this.host.inflater.add({
      message,
      bytesMax,
      isWanted: () => !this.closed,
      onInflated: (inflated) => {
        reader?.inflated(inflated);
        this.host.ready(this);
      },
    });
  }

  onDeadline(): void {
    this.deadline = null;
    this.host.writer.abort(this, DEADLINE_PASSED);
  }

  /** Lets go of everything: the stream has left its connection. */
  release(): void {
    assert(!this.over, "a stream ends once");
    this.over = true;
    this.closed = true;
    this.queue = null;
    this.#reader = null;
    this.#message = null;
    this.#hold(0);
    if (!this.#opening && this.listener !== null) this.listener.onClose();
  }

  /** Whether DATA so far fits the announced content-length. */
  #countBody(count: number, endStream: boolean): boolean {
    this.#bodyBytes += count;
    return endStream ? this.#bodyBytes === this.head.contentLength : this.#bodyBytes <= this.head.contentLength;
  }

  #isWholeMessage(bytes: Buffer, start: number, end: number): boolean {
    const length = end - start - MESSAGE_PREFIX_BYTES;
    return (
      length >= 0 &&
      bytes[start] === 0 &&
      readUint32(bytes, start + 1) === length &&
      length <= this.host.limits.receiveMessageBytesMax
    );
  }

  #receivePlain(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    if (end > start) {
      this.idleSweeps = 0;
      this.listener?.onMessage(bytes.subarray(start, end));
    }
    if (endStream && !this.closed) this.listener?.onHalfClose();
  }

  #halfClose(): void {
    assert(this.#reader !== null, "a body without a message in one frame has a reader");
    if (this.#reader.incomplete) {
      this.host.writer.abort(this, { code: INTERNAL, message: "unexpected EOF" });
    } else if (this.listener !== null) {
      this.listener.onHalfClose();
    } else if (this.#message === null) {
      this.host.writer.abort(this, { code: INTERNAL, message: NO_MESSAGE });
    } else {
      const message = this.#message;
      this.#message = null;
      this.#hold(0);
      this.#call(message);
    }
  }

  #call(message: Buffer): void {
    const { method } = this.head;
    assert(method !== null && method.kind !== "bidi", "methods with one request message are called");
    // The client may have opened many streams before it owed the first answer.
    if (this.host.writer.refusesCalls) {
      this.host.writer.abort(this, TOO_MANY_REQUESTS);
      return;
    }
    this.idleSweeps = 0;
    if (method.kind === "unary") {
      method.handle(this, message);
    } else {
      this.#opening = true;
      this.#adopt(method.handle(this, message));
    }
  }

  #adopt(listener: StreamListener): void {
    this.#opening = false;
    this.listener = listener;
    if (this.over) listener.onClose();
  }

  #answer(): void {
    assert(!this.answered, "a unary call is answered once");
    this.answered = true;
  }

  #hold(bytes: number): void {
    this.host.heldBytes += bytes - this.#heldBytes;
    this.#heldBytes = bytes;
  }
}

const NOTHING = Buffer.alloc(0);
