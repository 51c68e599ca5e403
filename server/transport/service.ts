/**
 * What a gRPC service sees of the transport: bytes in, bytes out, and a status. Nothing here knows HTTP/2, so the same
 * methods can be mounted on another gRPC server.
 *
 * Every call runs on the event loop's one thread. A handler gets the message as a view that is valid only until the
 * handler returns: what it keeps it copies.
 */

/** What an address serves. */
export type Traffic = "grpc+http" | "grpc" | "http";

/** A gRPC status: the numeric code and the text exactly as the client shall see it. */
export interface Status {
  readonly code: number;
  readonly message: string;
  /** Refused because there is no room now: who is told so many times asks faster than is good, and is read more slowly. */
  readonly isForWantOfRoom?: boolean;
}

/** The request headers that services read. Other names are checked by the transport and dropped. */
export interface CallMetadata {
  /** `client-api-version`, or null when absent. */
  readonly clientApiVersion: string | null;
  /** True when the client sent `hasleader: true`. */
  readonly hasLeader: boolean;
  /** The first `token` header, else the first `authorization` header, or null. */
  readonly token: string | null;
}

/** A piece of a message that is made while it is sent: its bytes are asked for once, from the first to the last. */
export interface MadePart {
  readonly length: number;
  /** Writes its next `count` bytes to `target` at `offset`. */
  read(target: Uint8Array, offset: number, count: number): void;
}

/**
 * The pieces of one message in order. A list of pieces among them costs the transport as much as one piece, however long
 * it is, and has no empty one.
 */
export type MessageParts = readonly (Uint8Array | readonly Uint8Array[] | MadePart)[];

/** One unary call. It is answered exactly once; an answer after the client went away is dropped silently. */
export interface UnaryCall {
  readonly metadata: CallMetadata;
  /** Whom the certificate of the client's connection makes it; null or absent for nobody. */
  readonly certifiedUser?: string | null;
  /** Stands for the client's connection: the same for all its calls. */
  readonly connection: unknown;
  /** True once the client cancelled, its deadline passed or its connection closed. */
  readonly closed: boolean;
  /** Answers OK with one message. The bytes are copied or written before this returns, so the caller may reuse them. */
  reply(message: Uint8Array): void;
  /**
   * Answers OK with one long message, the concatenation of `parts`. They are kept by reference and copied piece by piece
   * as the client's flow control windows allow, so they must not change before they are taken.
   *
   * @param length the sum of the parts' lengths, in bytes
   * @param onTaken called once, when the last byte has been copied, or when none will be any more since the call is gone;
   *   perhaps before this returns
   */
  replyParts(parts: MessageParts, length: number, onTaken?: () => void): void;
  /** Answers with an error status and no message. */
  fail(status: Status): void;
}

/** The server's half of a streaming call. */
export interface StreamCall {
  readonly metadata: CallMetadata;
  /** Whom the certificate of the client's connection makes it; null or absent for nobody. */
  readonly certifiedUser?: string | null;
  /** True once the stream has ended, whoever ended it. Sending is then dropped silently. */
  readonly closed: boolean;
  /** Bytes of messages accepted by `send` and `sendParts` that could not yet be written to the socket. */
  readonly queuedBytes: number;
  /**
   * False while this stream or its connection has too much queued, so ask before every message; who hears false is told
   * by `onDrain` when to ask again. A handler that sends all the same loses its call at some point.
   */
  readonly writable: boolean;
  /** Queues one message. The bytes are copied or written before this returns. */
  send(message: Uint8Array): void;
  /** Queues one message, the concatenation of `parts`, as `replyParts` does. */
  sendParts(parts: MessageParts, length: number, onTaken?: () => void): void;
  /** Ends the stream with a status once what was sent before is written. Later sends are dropped. */
  end(status: Status): void;
}

/** What a streaming handler gives the transport to call. */
export interface StreamListener {
  /** One whole message of the client; the view is valid only until this returns. */
  onMessage(message: Buffer): void;
  /** The client will send no more messages. The stream stays open for the server's half. */
  onHalfClose(): void;
  /** `writable` became true again after it had been false. */
  onDrain(): void;
  /** The stream is over: ended by us, cancelled by the client, or its connection closed. Called exactly once, last. */
  onClose(): void;
}

export interface UnaryMethod {
  readonly kind: "unary";
  /** As in the `:path` header: `/etcdserverpb.KV/Range`. */
  readonly path: string;
  handle(call: UnaryCall, message: Buffer): void;
}

/**
 * A unary method whose answer may be long in coming: a call that waits is ended when the server stops. Of the listener only
 * `onClose` is called, once the call is over, answered or not.
 */
export interface WaitingMethod {
  readonly kind: "waiting";
  readonly path: string;
  handle(call: UnaryCall, message: Buffer): StreamListener;
}

/** One request message, many responses. The listener's `onMessage` is not called. */
export interface ServerStreamMethod {
  readonly kind: "server-stream";
  readonly path: string;
  handle(call: StreamCall, message: Buffer): StreamListener;
}

export interface BidiMethod {
  readonly kind: "bidi";
  readonly path: string;
  open(call: StreamCall): StreamListener;
}

export type Method = UnaryMethod | WaitingMethod | ServerStreamMethod | BidiMethod;

/**
 * Told of every call's start and end, and of every connection that is closed because of its client, for metrics. `method`
 * is null for a path that is not registered. Called on the hot path: implementations only count.
 */
export interface CallObserver {
  onStarted(method: Method | null): void;
  onHandled(method: Method | null, code: number): void;
  onConnectionClosed(): void;
}
