/** What all methods share: metadata checks and decoding at the edge, so that a service sees typed requests only. */
import { isUtf8 } from "node:buffer";
import { DecodeError } from "../../proto/decode-error.ts";
import type { CallMetadata, ServerStreamMethod, Status, StreamCall, StreamListener } from "../transport/service.ts";
import type { BidiMethod, UnaryCall, UnaryMethod, WaitingMethod } from "../transport/service.ts";
import { UNREAD_REPLIES_MAX } from "../limits.ts";
import type { CommandKind } from "../engine/command.ts";
import { messageOf, recordOf } from "../engine/record.ts";
import { INVALID_CLIENT_API_VERSION, REPLIES_UNREAD, undecodable } from "./statuses.ts";

const BEYOND_ASCII = /[\x80-\xff]/;

/** A client may call its version what it likes as long as it is UTF-8: etcd makes it a label of a metric. */
function checkMetadata(metadata: CallMetadata): Status | null {
  const version = metadata.clientApiVersion;
  if (version === null || !BEYOND_ASCII.test(version)) return null;
  return isUtf8(Buffer.from(version, "latin1")) ? null : INVALID_CLIENT_API_VERSION;
}

/** Decodes, or gives the status that tells the client what was wrong with its bytes. */
function decoded<Request>(decode: (message: Buffer) => Request, message: Buffer): Request | DecodeError {
  try {
    return decode(message);
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
}

/** A unary method that answers before it returns: the request's bytes are views into the transport's read buffer. */
export function readMethod<Request>(
  path: string,
  decode: (message: Buffer) => Request,
  handle: (call: UnaryCall, request: Request) => void,
): UnaryMethod {
  return {
    kind: "unary",
    path,
    handle(call, message): void {
      const refused = checkMetadata(call.metadata);
      if (refused !== null) return call.fail(refused);
      const request = decoded(decode, message);
      if (request instanceof DecodeError) return call.fail(undecodable(request));
      handle(call, request);
    },
  };
}

/**
 * A unary method whose message is a command as it stands. It is copied once, into what becomes the journal's record, and
 * the request views that copy.
 *
 * @param decode where a request has limits that its record need not keep to
 */
export function commandMethod<Request>(
  path: string,
  kind: CommandKind<Request, unknown>,
  handle: (call: UnaryCall, request: Request, record: Buffer) => void,
  decode: (message: Buffer) => Request = kind.decode,
): UnaryMethod {
  return {
    kind: "unary",
    path,
    handle(call, view): void {
      const refused = checkMetadata(call.metadata);
      if (refused !== null) return call.fail(refused);
      const record = recordOf(kind, view);
      const request = decoded(decode, messageOf(record));
      if (request instanceof DecodeError) return call.fail(undecodable(request));
      handle(call, request, record);
    },
  };
}

/** A unary method that outlives its turn of the event loop: the request views a copy of the message. */
export function lastingMethod<Request>(
  path: string,
  decode: (message: Buffer) => Request,
  handle: (call: UnaryCall, request: Request) => void,
): UnaryMethod {
  return readMethod(path, (view) => decode(Buffer.from(view)), handle);
}

/** The same for one whose answer may be long in coming. */
export function waitingMethod<Request>(
  path: string,
  decode: (message: Buffer) => Request,
  handle: (call: UnaryCall, request: Request) => StreamListener,
): WaitingMethod {
  return {
    kind: "waiting",
    path,
    handle(call, message): StreamListener {
      const refused = checkMetadata(call.metadata);
      if (refused !== null) return failed(call, refused);
      const request = decoded(decode, Buffer.from(message));
      if (request instanceof DecodeError) return failed(call, undecodable(request));
      return handle(call, request);
    },
  };
}

/** One request, many responses. The request has its own copy of the message. */
export function serverStreamMethod<Request>(
  path: string,
  decode: (message: Buffer) => Request,
  handle: (call: StreamCall, request: Request) => StreamListener,
): ServerStreamMethod {
  return {
    kind: "server-stream",
    path,
    handle(call, message): StreamListener {
      const refused = checkMetadata(call.metadata);
      if (refused !== null) return ended(call, refused);
      const request = decoded(decode, Buffer.from(message));
      if (request instanceof DecodeError) return ended(call, undecodable(request));
      return handle(call, request);
    },
  };
}

export function bidiMethod(path: string, open: (call: StreamCall) => StreamListener): BidiMethod {
  return {
    kind: "bidi",
    path,
    open(call): StreamListener {
      const refused = checkMetadata(call.metadata);
      return refused === null ? open(call) : ended(call, refused);
    },
  };
}

/** Fails a call that never began to wait. */
export function failed(call: UnaryCall, status: Status): StreamListener {
  call.fail(status);
  return SILENT;
}

/** Ends a stream that never began. */
export function ended(call: StreamCall, status: Status): StreamListener {
  call.end(status);
  return SILENT;
}

/** For a stream on which nothing the client does matters. */
export const SILENT: StreamListener = {
  onMessage(): void {},
  onHalfClose(): void {},
  onDrain(): void {},
  onClose(): void {},
};

/** Counts what a client asks for while it does not read the answers, which are small but many and must be kept. */
export class UnreadReplies {
  #count = 0;

  /** Called for every message of the stream. False when the client has gone too far and the stream was ended. */
  admit(call: StreamCall): boolean {
    this.#count = call.writable ? 0 : this.#count + 1;
    if (this.#count <= UNREAD_REPLIES_MAX) return true;
    call.end(REPLIES_UNREAD);
    return false;
  }
}

/** Decodes a message of an open stream; a bad one ends the stream, and null is given. */
export function decodeOnStream<Request>(
  call: StreamCall,
  decode: (message: Buffer) => Request,
  message: Buffer,
): Request | null {
  const request = decoded(decode, message);
  if (!(request instanceof DecodeError)) return request;
  call.end(undecodable(request));
  return null;
}
