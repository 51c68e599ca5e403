/** Mounts our methods on @grpc/grpc-js's server: the same services behind another transport. */

import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  type sendUnaryData,
} from "@grpc/grpc-js";

import type {
  CallMetadata,
  MessageParts,
  Method,
  Status,
  StreamCall,
  StreamListener,
  UnaryCall,
} from "../../../server/transport/service.ts";
import { wholeOf } from "../../../server/api/whole-message.ts";
import { asBytes } from "./support-clients.ts";

type WritableCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

const NO_LIMIT = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };

/** Serves the methods on a free port of the loopback interface. */
export async function serveOnGrpcJs(methods: readonly Method[]): Promise<{ url: string; stop(): void }> {
  const server = new Server(NO_LIMIT);
  for (const method of methods) {
    const definition = {
      path: method.path,
      requestStream: method.kind === "bidi",
      responseStream: method.kind === "server-stream" || method.kind === "bidi",
      requestSerialize: asBytes,
      requestDeserialize: asBytes,
      responseSerialize: asBytes,
      responseDeserialize: asBytes,
    };
    server.addService({ method: definition }, { method: implementation(method) });
  }
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
    error === null ? resolve(port) : reject(error),
  );
  return { url: `http://127.0.0.1:${await promise}`, stop: () => server.forceShutdown() };
}

function implementation(method: Method) {
  switch (method.kind) {
    case "unary":
      return (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) =>
        method.handle(mountUnary(call, callback), call.request);
    case "waiting":
      return (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        const listener = method.handle(mountUnary(call, callback), call.request);
        call.on("cancelled", () => listener.onClose());
      };
    case "server-stream":
      return (call: ServerWritableStream<Buffer, Buffer>) => {
        const mounted = new MountedStream(call);
        mounted.listen(method.handle(mounted, call.request));
      };
    case "bidi":
      return (call: ServerDuplexStream<Buffer, Buffer>) => {
        const mounted = new MountedStream(call);
        const listener = method.open(mounted);
        mounted.listen(listener);
        call.on("data", (message: Buffer) => {
          if (!mounted.closed) listener.onMessage(message);
        });
        call.on("end", () => {
          if (!mounted.closed) listener.onHalfClose();
        });
      };
  }
}

function mountUnary(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): UnaryCall {
  return {
    metadata: metadataOf(call.metadata),
    // Its address and port.
    connection: call.getPeer(),
    get closed() {
      return call.cancelled;
    },
    reply: (message) => callback(null, Buffer.from(message)),
    replyParts: (parts, length, onTaken) => {
      callback(null, wholeOf(parts, length));
      onTaken?.();
    },
    fail: (status) => callback(statusObject(status)),
  };
}

class MountedStream implements StreamCall {
  readonly metadata: CallMetadata;
  readonly #call: WritableCall;
  #closed = false;
  #writable = true;

  constructor(call: WritableCall) {
    this.#call = call;
    this.metadata = metadataOf(call.metadata);
  }

  listen(listener: StreamListener): void {
    const call = this.#call;
    const close = (): void => {
      if (this.#closed) return;
      this.#closed = true;
      listener.onClose();
    };
    call.on("drain", () => {
      this.#writable = true;
      if (!this.#closed) listener.onDrain();
    });
    call.on("cancelled", close);
    call.on("finish", close);
    call.on("error", close);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get queuedBytes(): number {
    return this.#call.writableLength;
  }

  get writable(): boolean {
    return this.#writable;
  }

  send(message: Uint8Array): void {
    if (!this.#closed) this.#writable = this.#call.write(Buffer.from(message));
  }

  sendParts(parts: MessageParts, length: number, onTaken?: () => void): void {
    this.send(wholeOf(parts, length));
    onTaken?.();
  }

  end(status: Status): void {
    if (this.#closed) return;
    if (status.code === 0) this.#call.end();
    else this.#call.emit("error", statusObject(status));
  }
}

function statusObject({ code, message }: Status): StatusObject & Error {
  return Object.assign(new Error(message), { code, details: message, metadata: new Metadata() });
}

function metadataOf(metadata: Metadata): CallMetadata {
  const first = (name: string): string | null => {
    const [value] = metadata.get(name);
    return value === undefined ? null : value.toString();
  };
  return {
    clientApiVersion: first("client-api-version"),
    hasLeader: first("hasleader") === "true",
    token: first("token") ?? first("authorization"),
  };
}
