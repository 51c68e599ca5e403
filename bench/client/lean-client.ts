/**
 * A gRPC client for load and for tests: HTTP/2 with prior knowledge over TCP, a Unix socket or TLS, hand-written so that
 * it costs about as little as the server it loads. Correct with any server; strict about flow control, so that a test
 * that uses it also checks the server's.
 */

import assert from "node:assert/strict";
import type { ConnectionOptions } from "node:tls";

import * as frames from "../../server/transport/frames/frames.ts";
import { literalBlock } from "../../server/transport/headers/hpack.ts";
import { GrpcError, LeanCall, type ReplyHandler, type StreamHandler } from "./call.ts";
import { type Goaway, LeanConnection } from "./connection.ts";
import { type Field, RequestBlocks } from "./request-blocks.ts";

export { GrpcError, type ReplyHandler, type StreamHandler } from "./call.ts";
export type { Goaway } from "./connection.ts";
export type { Field } from "./request-blocks.ts";

export interface LeanClientOptions {
  /** What the server may send on one stream before we give credit, in octets. */
  readonly streamWindow?: number;
  /** The same for the whole connection; not below 65,535, where HTTP/2 starts. */
  readonly connectionWindow?: number;
  /** The largest frame that the server may send; not below 16,384. */
  readonly frameBytesMax?: number;
  /** The largest message taken, in octets. */
  readonly messageBytesMax?: number;
  /** Fields that every request carries. */
  readonly metadata?: readonly Field[];
  /** For `https:` URLs: trust, client certificate, server name. */
  readonly tls?: ConnectionOptions;
}

export interface CallOptions {
  readonly metadata?: readonly Field[];
  /** Sent as `grpc-timeout`. It is the server that enforces it: the client itself never gives up. */
  readonly timeoutMilliseconds?: number;
}

/** The client's half of a stream. */
export interface LeanStream {
  /** Octets of messages that wait for the server's windows. */
  readonly queuedBytes: number;
  /** Sends one message, copying it. */
  send(message: Uint8Array): void;
  halfClose(): void;
  /** Resets the stream; `onEnd` hears CANCELLED (1) before this returns. */
  cancel(): void;
  /** Gives the server no more credit for this stream: it can send one window more, and then must wait. */
  pause(): void;
  resume(): void;
}

const STREAM_WINDOW = 16 * 1024 * 1024;
const CONNECTION_WINDOW = 64 * 1024 * 1024;
const MESSAGE_BYTES_MAX = 2 ** 30;
const NOTHING = Buffer.alloc(0);

export class LeanClient {
  /** Resolves when the connection is gone, whoever closed it. */
  readonly closed: Promise<void>;
  readonly #connection: LeanConnection;

  /**
   * Connects and waits for the server's SETTINGS.
   *
   * @param url `http://host:port`, `https://host:port` or `unix:/path`
   * @throws GrpcError UNAVAILABLE when there is no HTTP/2 server
   */
  static async connect(url: string, options: LeanClientOptions = {}): Promise<LeanClient> {
    const limits = {
      streamWindow: options.streamWindow ?? STREAM_WINDOW,
      connectionWindow: options.connectionWindow ?? CONNECTION_WINDOW,
      frameBytesMax: options.frameBytesMax ?? frames.DEFAULT_FRAME_BYTES_MAX,
      messageBytesMax: options.messageBytesMax ?? MESSAGE_BYTES_MAX,
    };
    assert(limits.connectionWindow >= frames.DEFAULT_WINDOW, "the connection's window is not below its initial value");
    assert(limits.frameBytesMax >= frames.DEFAULT_FRAME_BYTES_MAX, "the frame limit is not below HTTP/2's");
    const authority = url.startsWith("unix:") ? "localhost" : new URL(url).host;
    const blocks = new RequestBlocks(url.startsWith("https:"), authority, options.metadata ?? []);
    const connection = new LeanConnection(url, options.tls ?? {}, blocks, limits);
    await connection.settled.promise;
    return new LeanClient(connection);
  }

  private constructor(connection: LeanConnection) {
    this.#connection = connection;
    this.closed = connection.closed.promise;
  }

  /** What the server said when it began to close the connection, or null. */
  get goaway(): Goaway | null {
    return this.#connection.goaway;
  }

  /** Why the connection is closed, or what the server did wrong. Empty while it is open. */
  get closeReason(): string {
    return this.#connection.closeReason;
  }

  /** Calls whose end has not come. */
  get openCalls(): number {
    return this.#connection.openCalls;
  }

  /**
   * Starts a unary call. The message is copied or written before this returns.
   *
   * @param onReply is called exactly once, never from inside this function
   */
  unary(path: string, message: Uint8Array, onReply: ReplyHandler): void {
    this.#connection.unary(path, message, onReply);
  }

  /**
   * A unary call as a promise of the reply, in bytes of its own.
   *
   * @throws GrpcError when the status is not OK
   */
  call(path: string, message: Uint8Array, options: CallOptions = {}): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const call = new LeanCall();
    call.reset((status, reply, text) => {
      if (status === 0) resolve(Buffer.from(reply));
      else reject(new GrpcError(status, text));
    });
    call.path = path;
    call.extraHeaders = encodeOptions(options);
    call.enqueue(message);
    this.#connection.start(call);
    return promise;
  }

  /** Opens a stream, in both directions. For one request message: `send` it and `halfClose`. */
  stream(path: string, handler: StreamHandler, options: CallOptions = {}): LeanStream {
    const connection = this.#connection;
    const call = new LeanCall();
    call.handler = handler;
    call.path = path;
    call.extraHeaders = encodeOptions(options);
    connection.start(call);
    return {
      get queuedBytes() {
        return call.queuedBytes;
      },
      send(message) {
        if (call.ended || call.endRequested) return;
        call.enqueue(message);
        connection.push(call);
      },
      halfClose() {
        if (call.ended || call.endRequested) return;
        call.endRequested = true;
        connection.push(call);
      },
      cancel: () => connection.cancel(call),
      pause: () => connection.pauseCredit(call, true),
      resume: () => connection.pauseCredit(call, false),
    };
  }

  /** Resolves when the server has answered a PING. Never, when the connection closes before. */
  ping(): Promise<void> {
    return new Promise((resolve) => this.#connection.ping(resolve));
  }

  /** Reads nothing from the socket any more: the server's writes fill the kernel's buffers and then wait. */
  pauseReading(): void {
    this.#connection.wire.pauseReading();
  }

  resumeReading(): void {
    this.#connection.wire.resumeReading();
  }

  /** Ends the connection; open calls fail with UNAVAILABLE. Resolves when it is closed. */
  async close(): Promise<void> {
    this.#connection.end();
    await this.closed;
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#connection.wire.destroy();
  }
}

function encodeOptions(options: CallOptions): Buffer {
  const fields = [...(options.metadata ?? [])];
  if (options.timeoutMilliseconds !== undefined) fields.push(["grpc-timeout", `${options.timeoutMilliseconds}m`]);
  return fields.length === 0 ? NOTHING : literalBlock(fields);
}
