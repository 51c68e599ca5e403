/** What real clients do to our transport beyond calling it: give up, vanish, read slowly, send too much, send compressed. */

import { mkdtempSync, rmSync } from "node:fs";
import * as http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { credentials, Metadata, status as codes } from "@grpc/grpc-js";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { LeanClient } from "../../../bench/client/lean-client.ts";
import { GrpcServer } from "../../../server/transport/grpc-server.ts";
import { makeCertificate, opensslMissing, termsOf } from "./support-certificate.ts";
import { asBytes, frame, grpcJsClient, grpcJsTestClient, http2TestClient, leanTestClient } from "./support-clients.ts";
import {
  COUNT,
  countRequest,
  ECHO,
  ECHO_LATER,
  ECHO_STREAM,
  FAIL_STREAM,
  failRequest,
  HOLD_STREAM,
  NEVER,
  pattern,
  SIZED_PARTS,
  sizedRequest,
  TestService,
} from "./support-test-service.ts";

let service: TestService;
let server: GrpcServer;
let url: string;

beforeEach(async () => {
  service = new TestService();
  server = new GrpcServer({ methods: service.methods, http: (_, response) => response.end(), poisonReads: true });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  url = `http://127.0.0.1:${port}`;
});

afterEach(async () => {
  await server.shutdown(0);
  expect(service.openStreams.size, "streams left open").toBe(0);
  expect(service.lateCalls, "listeners called after their end").toBe(0);
});

/** Calls and compares; comparing long buffers by their elements takes a test library seconds. */
async function expectEcho(client: LeanClient, length: number, path = ECHO): Promise<void> {
  const reply = await client.call(path, pattern(length));
  expect(reply.equals(pattern(length)), `the echo of ${length} bytes`).toBe(true);
}

describe("a client that gives up", () => {
  it("gets DEADLINE_EXCEEDED from the server when its deadline passes, and the call is closed", async () => {
    const client = await LeanClient.connect(url);
    await expect(client.call(NEVER, pattern(3), { timeoutMilliseconds: 30 })).rejects.toMatchObject({
      code: codes.DEADLINE_EXCEEDED,
    });
    expect(service.neverCalls.map((call) => call.closed)).toEqual([true]);
    service.neverCalls[0].reply(pattern(3));
    await expectEcho(client, 3);
    await client.close();
  });

  it("gets DEADLINE_EXCEEDED on a stream, which is closed", async () => {
    const client = await leanTestClient(url);
    const outcome = await client.call(HOLD_STREAM, [], { timeoutMilliseconds: 30 });
    expect(outcome.code).toBe(codes.DEADLINE_EXCEEDED);
    expect(service.openStreams.size).toBe(0);
    await client.close();
  });

  it("by the deadline of @grpc/grpc-js leaves a closed call behind and goes on", async () => {
    const client = grpcJsTestClient(url);
    // Connects, so that the deadline does not pass before the call is sent.
    await client.call(ECHO, [pattern(3)]);
    expect((await client.call(NEVER, [pattern(3)], { timeoutMilliseconds: 500 })).code).toBe(codes.DEADLINE_EXCEEDED);
    expect((await client.call(ECHO, [pattern(3)])).replies).toEqual([pattern(3)]);
    expect(service.neverCalls.map((call) => call.closed)).toEqual([true]);
    await client.close();
  });

  it("by cancelling leaves a closed call behind, whose late answer goes nowhere", async () => {
    const client = grpcJsClient(url);
    const cancelled = Promise.withResolvers<number>();
    const call = client.makeUnaryRequest(NEVER, asBytes, asBytes, pattern(3), (error) =>
      cancelled.resolve(error?.code ?? 0),
    );
    await service.neverCalled(1);
    call.cancel();
    expect(await cancelled.promise).toBe(codes.CANCELLED);
    // An answer on the same connection: the reset came before it.
    const answered = Promise.withResolvers<Buffer | undefined>();
    client.makeUnaryRequest(ECHO, asBytes, asBytes, pattern(9), (_error, reply) => answered.resolve(reply));
    expect(await answered.promise).toEqual(pattern(9));
    expect(service.neverCalls[0].closed).toBe(true);
    service.neverCalls[0].fail({ code: 13, message: "too late" });
    client.close();
  });

  it("by cancelling a stream ends it, and only it", async () => {
    const client = await LeanClient.connect(url);
    const ends: number[] = [];
    const open = () => client.stream(HOLD_STREAM, { onMessage: () => {}, onEnd: (status) => ends.push(status) });
    const first = open();
    const second = open();
    await service.streamsOpen(2);
    first.cancel();
    await service.streamsOpen(1);
    expect(ends).toEqual([codes.CANCELLED]);
    second.cancel();
    await service.streamsOpen(0);
    await client.close();
  });

  it("by closing its connection ends all its streams and calls", async () => {
    const client = await LeanClient.connect(url);
    const statuses: number[] = [];
    for (let i = 0; i < 20; i++) {
      client.stream(HOLD_STREAM, { onMessage: () => {}, onEnd: (status) => statuses.push(status) });
    }
    client.unary(NEVER, pattern(3), (status) => statuses.push(status));
    await service.streamsOpen(20);
    await service.neverCalled(1);
    client.destroy();
    await service.streamsOpen(0);
    await client.closed;
    expect(service.neverCalls[0].closed).toBe(true);
    expect(statuses).toEqual(Array.from({ length: 21 }, () => codes.UNAVAILABLE));
  });
});

describe("many calls on one connection", () => {
  const connect = {
    "the lean client": () => leanTestClient(url),
    "@grpc/grpc-js": async () => grpcJsTestClient(url),
    "node:http2": () => http2TestClient(url),
  };

  it.each(Object.entries(connect))("1,000 streams of %s at once each have their own messages", async (_name, open) => {
    const client = await open();
    const messages = (i: number): Buffer[] => [0, 1, 2].map((j) => Buffer.from(`stream ${i} message ${j}`));
    const outcomes = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.call(ECHO_STREAM, messages(i))));
    expect(outcomes.map(({ code }) => code)).toEqual(Array.from({ length: 1000 }, () => 0));
    outcomes.forEach(({ replies }, i) => expect(replies).toEqual(messages(i)));
    await client.close();
  });

  it("1,000 open streams stay open while 2,000 calls pass them", async () => {
    const client = await LeanClient.connect(url);
    const replies = new Map<number, string>();
    const ended = Promise.withResolvers<void>();
    let ends = 0;
    const streams = Array.from({ length: 1000 }, (_, i) =>
      client.stream(ECHO_STREAM, {
        onMessage: (message) => replies.set(i, message.toString()),
        onEnd: () => {
          if (++ends === 1000) ended.resolve();
        },
      }),
    );
    await service.streamsOpen(1000);
    for (let i = 0; i < 2000; i += 100) {
      await Promise.all(Array.from({ length: 100 }, () => client.call(ECHO_LATER, pattern(i))));
    }
    streams.forEach((stream, i) => {
      stream.send(Buffer.from(`still ${i}`));
      stream.halfClose();
    });
    await ended.promise;
    expect([...replies].every(([i, text]) => text === `still ${i}`)).toBe(true);
    expect(replies.size).toBe(1000);
    await client.close();
  });

  it("1,000 messages go to and fro one by one", async () => {
    const client = grpcJsClient(url);
    const call = client.makeBidiStreamRequest(ECHO_STREAM, asBytes, asBytes, new Metadata());
    const seen: string[] = [];
    const ended = Promise.withResolvers<number>();
    call.on("data", (message: Buffer) => {
      seen.push(message.toString());
      if (seen.length < 1000) call.write(Buffer.from(`message ${seen.length}`));
      else call.end();
    });
    call.on("status", ({ code }) => ended.resolve(code));
    call.write(Buffer.from("message 0"));
    expect(await ended.promise).toBe(codes.OK);
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => `message ${i}`));
    client.close();
  });
});

describe("a client that reads slowly", () => {
  const COUNT_MESSAGES = 1500;
  const LENGTH = 10_000;

  it("stops the stream it does not read, within the stream's limit, and no other call", async () => {
    const client = await LeanClient.connect(url, { streamWindow: 65_535 });
    let received = 0;
    const ended = Promise.withResolvers<number>();
    const stream = client.stream(COUNT, {
      onMessage: (message) => {
        expect(message.readUInt32BE(0)).toBe(received++);
      },
      onEnd: (status) => ended.resolve(status),
    });
    stream.pause();
    stream.send(countRequest(COUNT_MESSAGES, LENGTH));
    stream.halfClose();
    await service.streamsOpen(1);
    for (let i = 0; i < 20; i++) await expectEcho(client, 1000, ECHO_LATER);
    expect(received).toBeLessThan(10);
    expect(service.queuedBytesSeen).toBeGreaterThan(0);
    expect(service.queuedBytesSeen).toBeLessThan(server.limits.queuedBytesPerStreamMax + 2 * LENGTH);
    expect([...service.openStreams][0].writable).toBe(false);
    stream.resume();
    expect(await ended.promise).toBe(codes.OK);
    expect(received).toBe(COUNT_MESSAGES);
    expect(service.drains).toBeGreaterThan(0);
    await client.close();
  });

  it("and reads nothing at all does not hinder another connection", async () => {
    const slow = await LeanClient.connect(url);
    const quick = await LeanClient.connect(url);
    let received = 0;
    const ended = Promise.withResolvers<number>();
    const stream = slow.stream(COUNT, { onMessage: () => received++, onEnd: (status) => ended.resolve(status) });
    stream.send(countRequest(COUNT_MESSAGES * 2, LENGTH));
    stream.halfClose();
    slow.pauseReading();
    await service.streamsOpen(1);
    for (let i = 0; i < 50; i++) await expectEcho(quick, 1000, ECHO_LATER);
    expect(received).toBe(0);
    expect(service.queuedBytesSeen).toBeLessThan(server.limits.queuedBytesPerStreamMax + 2 * LENGTH);
    slow.resumeReading();
    expect(await ended.promise).toBe(codes.OK);
    expect(received).toBe(COUNT_MESSAGES * 2);
    await Promise.all([slow.close(), quick.close()]);
  });

  it("gets every byte whatever its windows and the sizes are", async () => {
    const windows = fc.record({
      streamWindow: fc.integer({ min: 1, max: 100_000 }),
      connectionWindow: fc.integer({ min: 65_535, max: 200_000 }),
      frameBytesMax: fc.integer({ min: 16_384, max: 60_000 }),
    });
    const lengths = fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(windows, lengths, async (options, sizes) => {
        // A window of a few octets means a frame for every few octets.
        const total = Math.min(60_000, options.streamWindow * 200);
        const client = await LeanClient.connect(url, options);
        const replies = await Promise.all(
          sizes.map((size) => client.call(SIZED_PARTS, sizedRequest(Math.min(size, total)))),
        );
        replies.forEach((reply, i) => expect(reply.equals(pattern(Math.min(sizes[i], total)))).toBe(true));
        await client.close();
      }),
      { numRuns: 25 },
    );
  });
});

describe("requests", () => {
  it("that are too long fail with RESOURCE_EXHAUSTED, and the connection goes on", async () => {
    const client = await LeanClient.connect(url);
    await expect(client.call(ECHO, pattern(server.limits.receiveMessageBytesMax + 1))).rejects.toMatchObject({
      code: codes.RESOURCE_EXHAUSTED,
    });
    await expectEcho(client, 500_000);
    await client.close();
  });

  it("whose stream is ended by the server while they are sent leave the connection in order", async () => {
    const client = await LeanClient.connect(url);
    const megabyte = pattern(1_000_000);
    for (let i = 0; i < 5; i++) {
      const ended = Promise.withResolvers<string>();
      const stream = client.stream(FAIL_STREAM, { onMessage: () => {}, onEnd: (_status, text) => ended.resolve(text) });
      stream.send(failRequest(5, `enough ${i}`));
      for (let j = 0; j < 10; j++) stream.send(megabyte);
      expect(await ended.promise).toBe(`enough ${i}`);
    }
    // More than the connection's window was sent in vain: its credit must have come back.
    await expectEcho(client, 1_000_000);
    await client.close();
  });

  it("may be compressed with gzip", async () => {
    const { code, body } = await sendRaw("gzip", 1, gzipSync(pattern(50_000)));
    expect(code).toBe("0");
    expect(body.equals(frame(pattern(50_000)))).toBe(true);
  });

  it("compressed in an unknown way fail with UNIMPLEMENTED", async () => {
    expect(await sendRaw("snappy", 1, pattern(10))).toMatchObject({ code: String(codes.UNIMPLEMENTED) });
  });

  it("that are not what their compression says fail, and only they", async () => {
    expect((await sendRaw("gzip", 1, pattern(10))).code).toMatch(/^(13|3)$/);
    expect(await sendRaw("gzip", 0, pattern(10))).toMatchObject({ code: "0", body: frame(pattern(10)) });
  });

  it("come over a unix socket too", async () => {
    const folder = mkdtempSync(join(tmpdir(), "plinth-transport-"));
    const path = join(folder, "socket");
    await server.listen({ path });
    const client = await LeanClient.connect(`unix:${path}`);
    await expectEcho(client, 100_000);
    await client.close();
    rmSync(folder, { recursive: true });
  });

  /** One unary call to ECHO with a hand-made message. */
  async function sendRaw(encoding: string, flag: number, body: Buffer): Promise<{ code: string; body: Buffer }> {
    const session = http2.connect(url);
    const stream = session.request({
      ":method": "POST",
      ":path": ECHO,
      "content-type": "application/grpc",
      te: "trailers",
      "grpc-encoding": encoding,
    });
    const framed = frame(body);
    framed[0] = flag;
    stream.end(framed);
    const chunks: Buffer[] = [];
    let last: http2.IncomingHttpHeaders = {};
    stream.on("response", (headers) => (last = headers));
    stream.on("trailers", (trailers) => (last = trailers));
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    session.close();
    return { code: String(last["grpc-status"]), body: Buffer.concat(chunks) };
  }
});

describe.skipIf(opensslMissing)("over TLS", () => {
  it("calls and streams are what they are without", async () => {
    const { cert, key } = makeCertificate();
    const { port } = await server.listen({ host: "127.0.0.1", port: 0, tls: termsOf({ cert, key }) });
    const lean = await leanTestClient(`https://127.0.0.1:${port}`, { tls: { ca: cert } });
    const peer = grpcJsTestClient(`https://127.0.0.1:${port}`, {}, credentials.createSsl(cert));
    for (const client of [lean, peer]) {
      const lengths = [0, 10, 16_384, 100_000, 1_000_000];
      const outcomes = await Promise.all(lengths.map((length) => client.call(ECHO, [pattern(length)])));
      outcomes.forEach(({ replies }, i) => expect(replies[0].equals(pattern(lengths[i]))).toBe(true));
      const counted = await client.call(COUNT, [countRequest(200, 5000)]);
      expect(counted.replies.map((reply) => reply.readUInt32BE(0))).toEqual(Array.from({ length: 200 }, (_, i) => i));
      await client.close();
    }
  });

  it("a client that does not trust the certificate gets no connection", async () => {
    const { port } = await server.listen({ host: "127.0.0.1", port: 0, tls: termsOf(makeCertificate()) });
    await expect(LeanClient.connect(`https://127.0.0.1:${port}`)).rejects.toMatchObject({ code: codes.UNAVAILABLE });
  });
});

describe("a server that stops", () => {
  it("lets running calls finish, ends streams with UNAVAILABLE and takes no new calls", async () => {
    const client = await LeanClient.connect(url);
    const streamEnd = Promise.withResolvers<[number, string]>();
    client.stream(HOLD_STREAM, { onMessage: () => {}, onEnd: (...end) => streamEnd.resolve(end) });
    await service.streamsOpen(1);
    const running = client.call(NEVER, pattern(1));
    await service.neverCalled(1);
    const stopped = server.shutdown(20_000);
    expect(await streamEnd.promise).toEqual([codes.UNAVAILABLE, "etcdserver: server stopped"]);
    expect(client.goaway?.errorCode).toBe(0);
    await expect(client.call(ECHO, pattern(1))).rejects.toMatchObject({ code: codes.UNAVAILABLE });
    service.neverCalls[0].reply(pattern(77));
    expect(await running).toEqual(pattern(77));
    await stopped;
    await client.closed;
  });

  it("fails none of the calls that @grpc/grpc-js has begun", async () => {
    const client = grpcJsTestClient(url);
    await client.call(ECHO, [pattern(1)]);
    const calls = Array.from({ length: 200 }, (_, i) => client.call(ECHO_LATER, [pattern(i)]));
    // The calls are on their way once the first is answered.
    await calls[0];
    const stopped = server.shutdown(20_000);
    const outcomes = await Promise.all(calls);
    expect(outcomes.filter(({ code }) => code !== 0)).toEqual([]);
    await client.close();
    await stopped;
  });
});
