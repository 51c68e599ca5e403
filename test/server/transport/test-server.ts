/** A server with methods for tests, each of which shows one behaviour. Every read is poisoned after it was parsed. */

import { afterEach } from "vitest";

import { GrpcServer } from "../../../server/transport/grpc-server.ts";
import type { GrpcServerOptions } from "../../../server/transport/grpc-server.ts";
import { DEFAULT_LIMITS } from "../../../server/transport/limits.ts";
import type { CallObserver, Method, StreamCall, UnaryCall } from "../../../server/transport/service.ts";

/** A streaming call that a test drives, and what its listener was told. */
export interface HeldStream {
  readonly call: StreamCall;
  readonly messages: Buffer[];
  halfClosed: boolean;
  drains: number;
  closes: number;
}

export interface TestServer {
  readonly server: GrpcServer;
  /** Calls of `/test.Test/Hold`, which the test answers. */
  readonly held: UnaryCall[];
  /** Calls of `/test.Test/Stream` and `/test.Test/List`. */
  readonly streams: HeldStream[];
  /** What the observer was told: "started path" and "handled path code". */
  readonly observed: string[];
  readonly warnings: string[];
}

const running = new Set<GrpcServer>();

/** Large answers of `/test.Test/Large` have as many octets as the request says in decimal. */
const LARGE_PART = Buffer.from(Array.from({ length: 65_521 }, (_, i) => i % 251));

/** What `/test.Test/Large` answers. */
export function largeAnswer(length: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let left = length; left > 0; left -= LARGE_PART.length) parts.push(LARGE_PART.subarray(0, left));
  return parts;
}

/** Starts a server, on a free port unless one is wanted. It is shut down when the test ends. */
export async function startServer(
  limits: GrpcServerOptions["limits"] = {},
  extra: Partial<GrpcServerOptions> = {},
  wantedPort = 0,
): Promise<TestServer & { readonly port: number }> {
  const started = makeServer({ turnMs: DEFAULT_LIMITS.turnMs, ...limits }, extra);
  const { port } = await started.server.listen({ host: "127.0.0.1", port: wantedPort });
  return { ...started, port: port as number };
}

/**
 * Makes a server that does not listen. It is shut down when the test ends. Unless the limits say otherwise, a connection
 * works on its input to the end: what a test hands it is done when it has been handed over, however slow the machine.
 * And a client may ping as it likes, which tests do to know what has been read.
 */
export function makeServer(
  limits: GrpcServerOptions["limits"] = {},
  extra: Partial<GrpcServerOptions> = {},
): TestServer {
  const held: UnaryCall[] = [];
  const streams: HeldStream[] = [];
  const observed: string[] = [];
  const warnings: string[] = [];
  const hold = (call: StreamCall): { held: HeldStream; listener: ReturnType<typeof listenerOf> } => {
    const stream: HeldStream = { call, messages: [], halfClosed: false, drains: 0, closes: 0 };
    streams.push(stream);
    return { held: stream, listener: listenerOf(stream) };
  };
  const methods: Method[] = [
    { kind: "unary", path: "/test.Test/Echo", handle: (call, message) => call.reply(message) },
    { kind: "unary", path: "/test.Test/Hold", handle: (call) => void held.push(call) },
    {
      kind: "unary",
      path: "/test.Test/Large",
      handle: (call, message) => {
        const length = Number(message.toString());
        call.replyParts(largeAnswer(length), length);
      },
    },
    {
      kind: "unary",
      path: "/test.Test/Fail",
      handle: (call, message) => call.fail({ code: 9, message: message.toString() }),
    },
    {
      kind: "unary",
      path: "/test.Test/Metadata",
      handle: (call) => call.reply(Buffer.from(JSON.stringify(call.metadata))),
    },
    { kind: "bidi", path: "/test.Test/Stream", open: (call) => hold(call).listener },
    {
      kind: "server-stream",
      path: "/test.Test/List",
      handle: (call, message) => {
        const { held: stream, listener } = hold(call);
        stream.messages.push(Buffer.from(message));
        return listener;
      },
    },
    {
      kind: "bidi",
      path: "/test.Test/EchoStream",
      open: (call) => ({
        onMessage: (message) => call.send(message),
        onHalfClose: () => call.end({ code: 0, message: "" }),
        onDrain: () => {},
        onClose: () => {},
      }),
    },
    {
      kind: "bidi",
      path: "/test.Test/RefusedStream",
      open: (call) => {
        const { listener } = hold(call);
        call.end({ code: 7, message: "not for you" });
        return listener;
      },
    },
  ];
  const observer: CallObserver = {
    onStarted: (method) => void observed.push(`started ${method?.path ?? null}`),
    onHandled: (method, code) => void observed.push(`handled ${method?.path ?? null} ${code}`),
    onConnectionClosed: () => {},
  };
  const server = new GrpcServer({
    methods,
    http: (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        response.setHeader("x-seen", `${request.method} ${request.url}`);
        if (request.url === "/whose") chunks.push(Buffer.from(String(request.socket.remoteAddress)));
        response.statusCode = request.url === "/health" ? 200 : 404;
        response.end(Buffer.concat(chunks));
      });
    },
    observer,
    limits: { turnMs: Number.POSITIVE_INFINITY, pingIntervalMsMin: 0, ...limits },
    log: { warn: (fields, text) => void warnings.push("reason" in fields ? `${text}: ${fields.reason}` : text) },
    poisonReads: true,
    ...extra,
  });
  running.add(server);
  return { server, held, streams, observed, warnings };
}

function listenerOf(stream: HeldStream) {
  return {
    onMessage: (message: Buffer): void => void stream.messages.push(Buffer.from(message)),
    onHalfClose: (): void => {
      stream.halfClosed = true;
    },
    onDrain: (): void => {
      stream.drains++;
    },
    onClose: (): void => {
      stream.closes++;
    },
  };
}

afterEach(async () => {
  await Promise.all([...running].map((server) => server.shutdown(0)));
  running.clear();
});
