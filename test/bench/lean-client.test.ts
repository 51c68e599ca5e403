/** The lean client with servers of every habit: it must be right with all of them, as tests and benches believe it. */

import { once } from "node:events";
import * as http2 from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";

import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";

import { LeanClient, type LeanClientOptions } from "../../bench/client/lean-client.ts";
import { RequestBlocks } from "../../bench/client/request-blocks.ts";
import { percentDecode } from "../../bench/client/response-heads.ts";
import * as frames from "../../server/transport/frames/frames.ts";
import { HpackDecoder } from "../../server/transport/headers/hpack.ts";

const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** Listens on a free port; the server and its connections end with the test. */
async function listen(server: Server): Promise<string> {
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stops.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Answer = (stream: http2.ServerHttp2Stream, request: Buffer, headers: http2.IncomingHttpHeaders) => void;

/** A client of a node:http2 server that answers every whole request with `answer`. */
async function connectTo(
  answer: Answer,
  serverOptions: http2.ServerOptions = {},
  clientOptions: LeanClientOptions = {},
): Promise<LeanClient> {
  const server = http2.createServer(serverOptions);
  server.on("stream", (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => answer(stream, Buffer.concat(chunks), headers));
    // A client that goes is none of these tests' matters.
    stream.on("error", () => {});
  });
  const client = await LeanClient.connect(await listen(server as unknown as Server), clientOptions);
  stops.push(() => client.destroy());
  return client;
}

/** Answers OK with `body`, which is framed messages. */
function respond(stream: http2.ServerHttp2Stream, body: Buffer, trailers: http2.OutgoingHttpHeaders = {}): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", ...trailers }));
  stream.end(body);
}

function framed(message: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(5), message]);
  bytes.writeUInt32BE(message.length, 1);
  return bytes;
}

const echo: Answer = (stream, request) => respond(stream, request);
const MESSAGE = Buffer.from("message");

describe("calls", () => {
  it.each<[string, http2.ServerOptions]>([
    ["pads every frame", { paddingStrategy: http2.constants.PADDING_STRATEGY_MAX }],
    ["has no header table", { settings: { headerTableSize: 0 } }],
    ["has a small header table", { settings: { headerTableSize: 100 } }],
    ["lets two streams run at a time", { settings: { maxConcurrentStreams: 2 } }],
    ["has windows of 7 octets", { settings: { initialWindowSize: 7 } }],
    ["takes large frames", { settings: { maxFrameSize: 1_000_000, initialWindowSize: 1_000_000 } }],
  ])("are answered by a server that %s", async (_habit, options) => {
    const client = await connectTo(echo, options);
    const messages = Array.from({ length: 30 }, (_, i) => Buffer.alloc(i * 7, i));
    for (let round = 0; round < 3; round++) {
      const replies = await Promise.all(messages.map((message, i) => client.call(`/path/${i % 4}`, message)));
      expect(replies).toEqual(messages);
    }
    expect(client.openCalls).toBe(0);
  });

  it("of the callback kind that are started in a reply are answered too", async () => {
    const client = await connectTo(echo);
    const seen: number[] = [];
    const done = Promise.withResolvers<void>();
    const next = (): void =>
      client.unary("/path", Buffer.of(seen.length), (status, message) => {
        expect(status).toBe(0);
        seen.push(message[0]);
        if (seen.length === 100) done.resolve();
        else next();
      });
    next();
    await done.promise;
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it("keep a reply that arrives before its trailers, whatever arrives between", async () => {
    const held: http2.ServerHttp2Stream[] = [];
    const client = await connectTo((stream, request) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.write(request, () => {
        held.push(stream);
        if (held.length === 5) for (const other of held) other.end();
      });
    });
    const messages = [1, 2, 3, 4, 5].map((i) => Buffer.alloc(100, i));
    expect(await Promise.all(messages.map((message) => client.call("/path", message)))).toEqual(messages);
  });

  it("carry metadata and a deadline", async () => {
    const client = await connectTo(
      (stream, _request, headers) =>
        respond(stream, framed(Buffer.from(["x-all", "x-one", "grpc-timeout"].map((name) => headers[name]).join(" ")))),
      {},
      { metadata: [["x-all", "a"]] },
    );
    const reply = await client.call("/path", MESSAGE, { metadata: [["x-one", "b"]], timeoutMilliseconds: 1500 });
    expect(reply.toString()).toBe("a b 1500m");
  });

  it("read header blocks that continue in further frames", async () => {
    const text = "x".repeat(40_000);
    const client = await connectTo(
      (stream) => {
        stream.respond(
          { ":status": 200, "grpc-status": "5", "x-long": text, "grpc-message": "not found" },
          { endStream: true },
        );
      },
      { maxSendHeaderBlockLength: 100_000 },
    );
    await expect(client.call("/path", MESSAGE)).rejects.toMatchObject({ code: 5, message: "not found" });
  });
});

describe("errors", () => {
  it.each<[string, Answer, number, RegExp]>([
    [
      "grpc-status in trailers",
      (s) => respond(s, Buffer.alloc(0), { "grpc-status": "9", "grpc-message": "a%20b%25" }),
      9,
      /^a b%$/,
    ],
    ["an HTTP status", (s) => s.respond({ ":status": 503 }, { endStream: true }), 14, /503/],
    ["REFUSED_STREAM", (s) => s.close(http2.constants.NGHTTP2_REFUSED_STREAM), 14, /reset/],
    ["CANCEL", (s) => s.close(http2.constants.NGHTTP2_CANCEL), 1, /reset/],
    ["no message", (s) => respond(s, Buffer.alloc(0)), 13, /0 whole messages/],
    ["two messages", (s) => respond(s, Buffer.concat([framed(MESSAGE), framed(MESSAGE)])), 13, /2 whole messages/],
    ["half a message", (s) => respond(s, framed(MESSAGE).subarray(0, 8)), 13, /0 whole messages/],
    [
      "a compressed message",
      (s) => respond(s, Buffer.concat([Buffer.of(1), framed(MESSAGE).subarray(1)])),
      13,
      /flag 1/,
    ],
    [
      "no trailers",
      (s) => {
        s.respond({ ":status": 200 });
        s.end(framed(MESSAGE));
      },
      13,
      /without trailers/,
    ],
    [
      "trailers without status",
      (s) => respond(s, framed(MESSAGE), { "grpc-status": undefined, "x-other": "1" }),
      2,
      /no grpc-status/,
    ],
    ["the connection's end", (s) => s.session?.destroy(), 14, /./],
  ])("come from %s", async (_source, answer, code, text) => {
    const client = await connectTo(answer);
    await expect(client.call("/path", MESSAGE)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(text) as unknown,
    });
  });

  it("come at once when the connection is gone or the server is going away", async () => {
    const client = await connectTo((stream, request) => {
      stream.session?.goaway(0, 1);
      respond(stream, request);
    });
    const [first, second] = await Promise.allSettled([client.call("/path", MESSAGE), client.call("/path", MESSAGE)]);
    expect(first).toMatchObject({ status: "fulfilled", value: framed(MESSAGE).subarray(5) });
    expect(second).toMatchObject({ status: "rejected", reason: { code: 14 } });
    expect(client.goaway).toMatchObject({ lastStreamId: 1, errorCode: 0 });
    await expect(client.call("/path", MESSAGE)).rejects.toMatchObject({ code: 14 });
    await client.close();
    await expect(client.call("/path", MESSAGE)).rejects.toMatchObject({ code: 14 });
  });

  it("come from connect when nobody listens, or something else than HTTP/2 does", async () => {
    const other = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await expect(LeanClient.connect(await listen(other))).rejects.toMatchObject({ code: 14 });
    const url = await listen(createServer());
    for (const stop of stops.splice(0)) stop();
    await expect(LeanClient.connect(url)).rejects.toMatchObject({ code: 14 });
  });

  it.each([
    ["DATA beyond the stream's window", 1000, 200_000],
    ["DATA beyond the connection's window", 200_000, 65_535],
  ])("end the connection of a server that sends %s", async (what, streamWindow, connectionWindow) => {
    const server = createServer((socket) => {
      // The client may close while we write.
      socket.on("error", () => {});
      socket.write(frames.encodeFrame(frames.SETTINGS, 0, 0, Buffer.alloc(0)));
      socket.once("data", () => {
        socket.write(frames.encodeFrame(frames.HEADERS, frames.END_HEADERS, 1, Buffer.of(0x88)));
        // In one frame: between two the client would give credit.
        socket.write(frames.encodeFrame(frames.DATA, 0, 1, framed(Buffer.alloc(80_000))));
      });
    });
    const options = { streamWindow, connectionWindow, frameBytesMax: 100_000 };
    const client = await LeanClient.connect(await listen(server), options);
    await expect(client.call("/path", MESSAGE)).rejects.toMatchObject({ code: 14, message: what });
    await client.closed;
    expect(client.closeReason).toBe(what);
  });
});

describe("streams", () => {
  it("stop at the window of a stream that is paused, and go on when it is resumed", async () => {
    const count = 100;
    const client = await connectTo(
      (stream) =>
        respond(stream, Buffer.concat(Array.from({ length: count }, (_, i) => framed(Buffer.alloc(1000, i))))),
      {},
      { streamWindow: 5000 },
    );
    const seen: number[] = [];
    const ended = Promise.withResolvers<number>();
    const stream = client.stream("/path", { onMessage: (message) => seen.push(message[0]), onEnd: ended.resolve });
    stream.pause();
    stream.halfClose();
    // Another stream's whole life, after which the first one's window is used up.
    for (let i = 0; i < 3; i++) await client.ping();
    expect(seen.length).toBeLessThan(5);
    stream.resume();
    expect(await ended.promise).toBe(0);
    expect(seen).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it("that are cancelled end once, and leave no call", async () => {
    const client = await connectTo(() => {});
    const ends: number[] = [];
    const streams = [1, 2, 3].map(() =>
      client.stream("/path", { onMessage: () => {}, onEnd: (status) => ends.push(status) }),
    );
    for (const stream of streams) stream.cancel();
    streams[0].cancel();
    streams[0].send(MESSAGE);
    expect(ends).toEqual([1, 1, 1]);
    await client.ping();
    expect(client.openCalls).toBe(0);
  });

  it("that wait for another one's end start after it", async () => {
    const client = await connectTo(echo, { settings: { maxConcurrentStreams: 1 } });
    const ends: string[] = [];
    const done = Promise.withResolvers<void>();
    const open = (name: string) =>
      client.stream("/path", {
        onMessage: (message) => ends.push(`${name} ${message.toString()}`),
        onEnd: () => {
          ends.push(name);
          if (name === "third") done.resolve();
        },
      });
    const [first, second, third] = [open("first"), open("second"), open("third")];
    second.cancel();
    third.send(MESSAGE);
    third.halfClose();
    first.halfClose();
    await done.promise;
    expect(ends).toEqual(["second", "first", "third message", "third"]);
  });
});

it("request blocks decode to their fields, in whatever order paths come and the table shrinks", () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 9, arbitrary: fc.nat(60).map((i) => `/some.Service/Method${"x".repeat(i)}`) },
      { weight: 1, arbitrary: fc.constant(null) },
    ),
    { maxLength: 120 },
  );
  fc.assert(
    fc.property(steps, (paths) => {
      const blocks = new RequestBlocks(false, "localhost:2379", [["token", "secret"]]);
      const decoder = new HpackDecoder();
      for (const path of paths) {
        if (path === null) {
          blocks.limitTable(0);
          continue;
        }
        const fields: string[] = [];
        const block = blocks.take(path);
        decoder.decode(block, 0, block.length, { onField: ({ name, value }) => fields.push(`${name} ${value}`) });
        expect(fields).toEqual([
          ":method POST",
          ":scheme http",
          `:path ${path}`,
          ":authority localhost:2379",
          "te trailers",
          "content-type application/grpc",
          "token secret",
        ]);
      }
    }),
    { numRuns: 50 },
  );
});

it("percent-decoding undoes encodeURIComponent, and keeps what is no escape", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => percentDecode(encodeURIComponent(text)) === text));
  expect(percentDecode("100%, %4 and %zz")).toBe("100%, %4 and %zz");
});
