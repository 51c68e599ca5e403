import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";

import * as grpc from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";

import * as frames from "../../../server/transport/frames/frames.ts";
import { encodeFrame } from "../../../server/transport/frames/frames.ts";
import { RawClient, grpcMessage, headers, request, requestFields, windowUpdate } from "./raw-client.ts";
import type { Frame } from "./raw-client.ts";
import { startServer } from "./test-server.ts";

const hello = Buffer.from("hello");
/** Long enough not to pass within a test. */
const LONG_MS = 3_600_000;

function isGoaway(lastStreamId: number): (frame: Frame) => boolean {
  return (frame) =>
    frame.type === frames.GOAWAY &&
    frame.payload.readUInt32BE(0) === lastStreamId &&
    frame.payload.readUInt32BE(4) === 0;
}

/** Answers the PING of a shutdown, as every client does. */
async function answerPing(client: RawClient): Promise<void> {
  const { payload } = await client.frame((frame) => frame.type === frames.PING && frame.flags === 0);
  client.send(encodeFrame(frames.PING, frames.ACK, 0, payload));
}

describe("GR-12 a graceful stop", () => {
  test("announces itself first, then takes no more streams, and ends when calls are done", async () => {
    const { server, port, held } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/Hold", hello));
    await client.roundTrip();
    const stopped = server.shutdown(LONG_MS);
    await client.frame(isGoaway(2 ** 31 - 1));
    // The client has not seen it yet: what it sends is served.
    client.send(request(3, "/test.Test/Echo", hello));
    expect((await client.answer(3)).fields["grpc-status"]).toBe("0");
    await answerPing(client);
    await client.frame(isGoaway(3));
    client.send(request(5, "/test.Test/Echo", hello));
    await client.roundTrip();
    expect(client.frames.some((frame) => frame.streamId === 5)).toBe(false);
    held[0].reply(hello);
    expect((await client.answer(1)).body).toEqual(grpcMessage(hello));
    await client.closed;
    await stopped;
    expect(server.connectionCount).toBe(0);
  });

  test("ends streams with Unavailable, never with OK", async () => {
    const { server, port, streams } = await startServer();
    const client = await RawClient.open({ port });
    client.send(headers(1, requestFields({ ":path": "/test.Test/Stream" })), request(3, "/test.Test/List", hello));
    await client.roundTrip();
    streams[0].call.send(hello);
    const stopped = server.shutdown(LONG_MS);
    await answerPing(client);
    for (const id of [1, 3]) {
      expect((await client.answer(id)).fields).toMatchObject({
        "grpc-status": "14",
        "grpc-message": "etcdserver: server stopped",
      });
    }
    expect((await client.answer(1)).body).toEqual(grpcMessage(hello));
    await stopped;
    expect(streams.map(({ closes }) => closes)).toEqual([1, 1]);
  });

  test("does not wait for ever for the answer to its PING", async () => {
    const { server, port } = await startServer({ shutdownPingMs: 20 });
    const client = await RawClient.open({ port });
    const stopped = server.shutdown(LONG_MS);
    await client.frame(isGoaway(0));
    await client.closed;
    await expect(stopped).resolves.toBeUndefined();
  });

  test("fails calls that take longer than the grace with Unavailable", async () => {
    const { server, port, held } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/Hold", hello));
    await client.roundTrip();
    const stopped = server.shutdown(20);
    expect((await client.answer(1)).fields).toMatchObject({
      "grpc-status": "14",
      "grpc-message": "etcdserver: server stopped",
    });
    expect(held[0].closed).toBe(true);
    held[0].reply(hello);
    await stopped;
  });

  test("resets an answer that a client will not take within the grace", async () => {
    const { server, port } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/Large", Buffer.from("100000")));
    await client.frame((frame) => frame.type === frames.DATA);
    const stopped = server.shutdown(20);
    expect(await client.resetCode(1)).toBe(frames.CANCEL);
    await stopped;
  });

  test("lets a large answer finish", async () => {
    const { server, port } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/Large", Buffer.from("100000")));
    await client.frame((frame) => frame.type === frames.DATA);
    const stopped = server.shutdown(LONG_MS);
    await answerPing(client);
    await client.frame(isGoaway(1));
    client.send(windowUpdate(0, 100_000), windowUpdate(1, 100_000));
    expect((await client.answer(1)).body).toHaveLength(100_005);
    await stopped;
  });

  test("closes connections that never said anything, and those that do not close", async () => {
    const { server, port } = await startServer({ lingerMs: 20, shutdownPingMs: 20 });
    const silent = await RawClient.connect({ port });
    const stubborn = new RawClient(connect({ port, allowHalfOpen: true }));
    stubborn.send(
      frames.PREFACE,
      encodeFrame(frames.SETTINGS, 0, 0, Buffer.alloc(0)),
      request(1, "/test.Test/Hold", hello),
    );
    await stubborn.roundTrip();
    await server.shutdown(20);
    await expect(silent.closed).resolves.toBeUndefined();
    stubborn.destroy();
  });

  test("begins with us: a PING acknowledgement that nobody asked for changes nothing", async () => {
    const { port } = await startServer();
    const client = await RawClient.open({ port });
    client.send(encodeFrame(frames.PING, frames.ACK, 0, Buffer.from("shutdown")), request(1, "/test.Test/Echo", hello));
    expect((await client.answer(1)).fields["grpc-status"]).toBe("0");
  });

  test("closes idle HTTP/1.1 connections", async () => {
    const { server, port } = await startServer();
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const outgoing = httpRequest({ port, path: "/health", agent }).end();
    const [response] = await once(outgoing, "response");
    response.resume();
    await once(response, "end");
    await expect(server.shutdown(LONG_MS)).resolves.toBeUndefined();
  });

  test("listens no more, and may be asked for twice", async () => {
    const { server, port } = await startServer();
    const first = server.shutdown(LONG_MS);
    expect(server.shutdown(0)).toBe(first);
    await first;
    const [error] = await once(connect(port), "error");
    expect(error).toMatchObject({ code: "ECONNREFUSED" });
    await expect(server.listen({ host: "127.0.0.1", port: 0 })).rejects.toThrow("does not listen again");
  });
});

test("no call of a client under load fails when one server takes over the port of another", async () => {
  let current = await startServer();
  const { port } = current;
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
  });
  onTestFinished(() => client.close());
  const identity = (bytes: Buffer): Buffer => bytes;
  const metadata = new grpc.Metadata({ waitForReady: true });
  const echo = (): Promise<void> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest("/test.Test/Echo", identity, identity, hello, metadata, (error, reply) => {
        if (error === null && reply !== undefined && reply.equals(hello)) resolve();
        else reject(error ?? new Error("wrong reply"));
      });
    });
  const load = { running: true, calls: 0 };
  const workers = Array.from({ length: 20 }, async () => {
    while (load.running) {
      await echo();
      load.calls++;
    }
  });
  const finished = Promise.all(workers);
  // It is awaited at the end; a failure before that must not count as unhandled.
  finished.catch(() => {});
  for (let i = 0; i < 3; i++) {
    const before = load.calls;
    await expect.poll(() => load.calls, { timeout: 10_000 }).toBeGreaterThan(before + 200);
    const stopped = current.server.shutdown(LONG_MS);
    const next = await startServer({}, {}, port);
    await stopped;
    current = next;
  }
  load.running = false;
  await expect(finished).resolves.toHaveLength(20);
});
