/**
 * Three clients behind one function: send these messages, half-close, and tell all that came back. So one list of calls
 * serves every pair of client and server.
 */

import { once } from "node:events";
import * as http2 from "node:http2";

import { Client, credentials, Metadata } from "@grpc/grpc-js";

import { percentDecode } from "../../../bench/client/response-heads.ts";
import { LeanClient, type LeanClientOptions } from "../../../bench/client/lean-client.ts";

/** All that a client saw of a call. */
export interface Outcome {
  readonly code: number;
  /** Empty with code 0: some servers send a text with it, which means nothing. */
  readonly text: string;
  readonly replies: readonly Buffer[];
}

export interface TestCallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMilliseconds?: number;
}

export interface TestClient {
  readonly name: string;
  call(path: string, messages: readonly Buffer[], options?: TestCallOptions): Promise<Outcome>;
  close(): Promise<void>;
}

export async function leanTestClient(url: string, options: LeanClientOptions = {}): Promise<TestClient> {
  const client = await LeanClient.connect(url, options);
  return {
    name: "the lean client",
    call: (path, messages, { metadata = {}, timeoutMilliseconds } = {}) =>
      new Promise((resolve) => {
        const replies: Buffer[] = [];
        const stream = client.stream(
          path,
          {
            onMessage: (message) => replies.push(Buffer.from(message)),
            onEnd: (code, text) => resolve(outcome(code, text, replies)),
          },
          { metadata: Object.entries(metadata), ...(timeoutMilliseconds === undefined ? {} : { timeoutMilliseconds }) },
        );
        for (const message of messages) stream.send(message);
        stream.halfClose();
      }),
    close: () => client.close(),
  };
}

const NO_LIMIT = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };

/** A client of its own connection; `channelOptions` as grpc-js knows them. */
export function grpcJsClient(
  url: string,
  channelOptions: Record<string, number> = {},
  trust = credentials.createInsecure(),
): Client {
  const options = { ...NO_LIMIT, "grpc.use_local_subchannel_pool": 1, ...channelOptions };
  return new Client(new URL(url).host, trust, options);
}

export const asBytes = (bytes: Buffer): Buffer => bytes;

export function grpcJsTestClient(
  url: string,
  channelOptions: Record<string, number> = {},
  trust = credentials.createInsecure(),
): TestClient {
  const client = grpcJsClient(url, channelOptions, trust);
  return {
    name: "@grpc/grpc-js",
    call: (path, messages, { metadata = {}, timeoutMilliseconds } = {}) =>
      new Promise((resolve) => {
        const fields = new Metadata();
        for (const [name, value] of Object.entries(metadata)) fields.set(name, value);
        const deadline =
          timeoutMilliseconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMilliseconds;
        const call = client.makeBidiStreamRequest(path, asBytes, asBytes, fields, { deadline });
        const replies: Buffer[] = [];
        call.on("data", (message: Buffer) => replies.push(message));
        // 'status' tells the same and more.
        call.on("error", () => {});
        call.on("status", ({ code, details }) => resolve(outcome(code, details, replies)));
        for (const message of messages) call.write(message);
        call.end();
      }),
    close: async () => client.close(),
  };
}

export async function http2TestClient(url: string, settings: http2.Settings = {}): Promise<TestClient> {
  const session = http2.connect(url, { settings });
  // A call of the closed session sees the error too.
  session.on("error", () => {});
  await once(session, "remoteSettings");
  return {
    name: "node:http2",
    call: (path, messages, { metadata = {}, timeoutMilliseconds } = {}) =>
      new Promise((resolve, reject) => {
        const stream = session.request({
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc",
          te: "trailers",
          ...(timeoutMilliseconds === undefined ? {} : { "grpc-timeout": `${timeoutMilliseconds}m` }),
          ...metadata,
        });
        const chunks: Buffer[] = [];
        let last: http2.IncomingHttpHeaders = {};
        stream.on("response", (headers) => (last = headers));
        stream.on("trailers", (trailers) => (last = trailers));
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("error", reject);
        stream.on("close", () => {
          const code = Number(last["grpc-status"] ?? 2);
          resolve(outcome(code, percentDecode(String(last["grpc-message"] ?? "")), unframe(chunks)));
        });
        for (const message of messages) stream.write(frame(message));
        stream.end();
      }),
    close: async () => {
      session.destroy();
      if (!session.closed) await once(session, "close");
    },
  };
}

function outcome(code: number, text: string, replies: readonly Buffer[]): Outcome {
  return { code, text: code === 0 ? "" : text, replies };
}

export function frame(message: Buffer): Buffer {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, 5);
  return framed;
}

function unframe(chunks: readonly Buffer[]): Buffer[] {
  const bytes = Buffer.concat(chunks);
  const messages: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    messages.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return messages;
}
