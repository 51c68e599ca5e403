import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";

import { describe, expect, test, vi } from "vitest";

import * as frames from "../../../server/transport/frames/frames.ts";
import { encodeFrame } from "../../../server/transport/frames/frames.ts";
import { encodeInteger } from "../../../server/transport/headers/hpack.ts";
import { DEFAULT_LIMITS } from "../../../server/transport/limits.ts";
import { openFake } from "../../sim/fake-socket.ts";
import type { FakePeer } from "../../sim/fake-socket.ts";
import {
  RawClient,
  REQUEST,
  data,
  grpcMessage,
  headers,
  request,
  requestFields,
  resetStream,
  uint32,
  windowUpdate,
} from "./raw-client.ts";
import { makeServer, startServer } from "./test-server.ts";

const { CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS } =
  frames;
const nothing = Buffer.alloc(0);
const ping = encodeFrame(PING, 0, 0, Buffer.alloc(8));

function goawayCode(peer: FakePeer): number | null {
  const goaway = peer.socket.log.frames.find((frame) => frame.type === GOAWAY);
  return goaway === undefined ? null : goaway.payload.readUInt32BE(4);
}

function resetCode(peer: FakePeer, streamId: number): number | null {
  return peer.socket.log.answer(streamId).resetCode;
}

/** The time `ms` from now, as the sweep of timeouts is told it. */
function after(ms: number): number {
  return performance.now() + ms;
}

describe("streams opened and reset at once", () => {
  const limits = { resetsPerSecondMax: 50 };

  test("end the connection when they are too many", () => {
    const { server, observed, warnings } = makeServer(limits);
    const peer = openFake(server);
    for (let id = 1; id < 200; id += 2) peer.send(request(id, "/test.Test/Hold", nothing), resetStream(id, 8));
    expect(goawayCode(peer)).toBe(ENHANCE_YOUR_CALM);
    expect(peer.connection.streams.length).toBe(0);
    expect(warnings).toEqual(["closed a client's connection: too many streams reset"]);
    // Every call that began has ended for the metrics, too.
    expect(observed.filter((line) => line.startsWith("started"))).toHaveLength(51);
    expect(observed.filter((line) => line.startsWith("handled"))).toHaveLength(51);
  });

  test("are forgiven to a client that lets as many calls complete", () => {
    const { server } = makeServer(limits);
    const peer = openFake(server);
    peer.send(windowUpdate(0, 1_000_000));
    for (let id = 1; id < 2_000; id += 4) {
      peer.send(
        request(id, "/test.Test/Hold", nothing),
        resetStream(id, 8),
        request(id + 2, "/test.Test/Echo", nothing),
      );
    }
    expect(goawayCode(peer)).toBeNull();
  });
});

describe("resets that the client provokes", () => {
  const limits = { resetsPerSecondMax: 50 };

  test.each([
    ["a window update of 0", (id: number) => windowUpdate(id, 0)],
    ["a window above the largest", (id: number) => windowUpdate(id, 2 ** 31 - 1)],
    ["PRIORITY of a wrong length", (id: number) => encodeFrame(frames.PRIORITY, 0, id, nothing)],
    ["DATA behind the end", (id: number) => data(id, nothing)],
  ])("by %s end the connection when they are too many", (_title, provoke) => {
    const { server, observed } = makeServer(limits);
    const peer = openFake(server);
    for (let id = 1; id < 200; id += 2) peer.send(request(id, "/test.Test/Hold", nothing), provoke(id));
    expect(goawayCode(peer)).toBe(ENHANCE_YOUR_CALM);
    expect(observed.filter((line) => line.startsWith("started"))).toHaveLength(51);
    expect(observed.filter((line) => line.startsWith("handled"))).toHaveLength(51);
  });

  test("by malformed requests end the connection when they are too many", () => {
    const { server } = makeServer(limits);
    const peer = openFake(server);
    for (let id = 1; id < 200; id += 2) peer.send(headers(id, requestFields({ ":path": null })));
    expect(goawayCode(peer)).toBe(ENHANCE_YOUR_CALM);
  });

  test.each([
    ["an unknown path", "/no.Such/Thing", grpcMessage(nothing)],
    ["an illegal message", "/test.Test/Echo", Buffer.of(7, 0, 0, 0, 0)],
  ])("are not forgiven for refusals of %s", (_title, path, body) => {
    const { server } = makeServer(limits);
    const peer = openFake(server);
    for (let id = 1; id < 400; id += 4) {
      const refused = Buffer.concat([headers(id + 2, requestFields({ ":path": path })), data(id + 2, body)]);
      peer.send(request(id, "/test.Test/Hold", nothing), resetStream(id, 8), refused);
    }
    expect(goawayCode(peer)).toBe(ENHANCE_YOUR_CALM);
  });
});

describe("plain HTTP requests without their end", () => {
  const plain = requestFields({ ":path": "/health", "content-type": null, te: null });

  test("above their number are refused, until others end", () => {
    const { server } = makeServer({ plainRequestsPerConnectionMax: 2 });
    const peer = openFake(server);
    peer.send(headers(1, plain), headers(3, plain), headers(5, plain));
    expect(resetCode(peer, 5)).toBe(frames.REFUSED_STREAM);
    expect(peer.connection.streams.length).toBe(2);
    // Calls are not counted with them.
    peer.send(request(7, "/test.Test/Echo", nothing));
    expect(peer.socket.log.answer(7).fields["grpc-status"]).toBe("0");
    peer.send(resetStream(1, 8), headers(9, plain), headers(11, plain));
    expect(resetCode(peer, 9)).toBeNull();
    expect(resetCode(peer, 11)).toBe(frames.REFUSED_STREAM);
    expect(peer.connection.streams.length).toBe(2);
  });

  test("are reset after a while", () => {
    const { server } = makeServer({ requestBodyTimeoutMs: 3_000 });
    const peer = openFake(server);
    peer.send(headers(1, plain));
    for (let i = 0; i < 3; i++) peer.connection.sweep(after(0));
    peer.send(data(1, Buffer.of(1), false));
    for (let i = 0; i < 3; i++) peer.connection.sweep(after(0));
    expect(resetCode(peer, 1)).toBeNull();
    peer.connection.sweep(after(0));
    expect(resetCode(peer, 1)).toBe(frames.CANCEL);
    expect(peer.connection.streams.length).toBe(0);
  });

  const post = requestFields({ ":path": "/v3/watch", ":method": "POST", "content-type": null, te: null });

  test("may be silent once they are being answered, as a stream of JSON is", async () => {
    const http = (_: unknown, response: ServerResponse): void => void response.write("{}");
    const { server } = makeServer({ requestBodyTimeoutMs: 3_000, writeStallTimeoutMs: 3_000 }, { http });
    const peer = openFake(server);
    peer.send(headers(1, post), data(1, Buffer.from("{}"), false));
    await vi.waitUntil(() => peer.socket.log.frames.some(({ type }) => type === frames.DATA));
    for (let i = 0; i < 10; i++) peer.connection.sweep(after(0));
    expect(resetCode(peer, 1)).toBeNull();
  });

  test("whose answer is not taken are reset after a while", async () => {
    const http = (_: unknown, response: ServerResponse): void => void response.write("x".repeat(200_000));
    const { server } = makeServer({ writeStallTimeoutMs: 3_000 }, { http });
    const peer = openFake(server);
    peer.send(headers(1, post), data(1, Buffer.from("{}"), false));
    await vi.waitUntil(() => peer.connection.streams.get(1)?.sendWindow === 0);
    for (let i = 0; i < 3; i++) peer.connection.sweep(after(0));
    expect(resetCode(peer, 1)).toBeNull();
    peer.connection.sweep(after(0));
    expect(resetCode(peer, 1)).toBe(frames.CANCEL);
  });
});

describe("header blocks", () => {
  test("in too many CONTINUATION frames end the connection", () => {
    const { server } = makeServer();
    const peer = openFake(server);
    peer.send(headers(1, REQUEST, 0));
    for (let i = 0; i < DEFAULT_LIMITS.continuationFramesMax; i++) peer.send(encodeFrame(CONTINUATION, 0, 1, nothing));
    expect(goawayCode(peer)).toBeNull();
    peer.send(encodeFrame(CONTINUATION, 0, 1, nothing));
    expect(goawayCode(peer)).toBe(ENHANCE_YOUR_CALM);
  });

  test("that are too large end the connection", () => {
    const { server } = makeServer();
    const peer = openFake(server);
    peer.send(headers(1, REQUEST, 0));
    for (let i = 0; i < 3; i++) peer.send(encodeFrame(CONTINUATION, 0, 1, Buffer.alloc(16_384, 0x82)));
    expect(goawayCode(peer)).toBeNull();
    peer.send(encodeFrame(CONTINUATION, 0, 1, Buffer.alloc(16_384, 0x82)));
    expect(goawayCode(peer)).toBe(ENHANCE_YOUR_CALM);
  });

  test("that unfold to a huge list are refused, and the table stays in step", () => {
    const { server } = makeServer();
    const peer = openFake(server);
    const large = Buffer.concat([Buffer.of(0x40, 1, 0x78), encodeInteger(3_900, 7, 0), Buffer.alloc(3_900, 0x79)]);
    const bomb = Buffer.concat([headers(1).subarray(9), large, Buffer.alloc(12_000, 0xbe)]);
    peer.send(encodeFrame(HEADERS, END_HEADERS | END_STREAM, 1, bomb));
    expect(peer.socket.log.answer(1).fields).toMatchObject({ ":status": "431", "grpc-status": "8" });
    // The entry of the bomb is still in the table: index 62.
    peer.send(
      encodeFrame(HEADERS, END_HEADERS, 3, Buffer.concat([headers(3).subarray(9), Buffer.of(0xbe)])),
      data(3, grpcMessage(nothing)),
    );
    expect(peer.socket.log.answer(3).fields["grpc-status"]).toBe("0");
  });
});

describe("frames that bring nothing", () => {
  test.each([
    ["PING acknowledgements", encodeFrame(PING, 1, 0, Buffer.alloc(8))],
    ["unknown frames", encodeFrame(0x42, 0, 0, nothing)],
    ["PRIORITY", encodeFrame(frames.PRIORITY, 0, 1, Buffer.alloc(5))],
    ["SETTINGS", encodeFrame(SETTINGS, 0, 0, nothing)],
    ["PING", ping],
  ])("%s in a flood end the connection", (_title, frame) => {
    const { server } = makeServer({ controlFramesPerSecondMax: 1_000 });
    const peer = openFake(server);
    for (let i = 0; i < 990; i++) peer.send(frame);
    expect(goawayCode(peer)).toBeNull();
    for (let i = 0; i < 20; i++) peer.send(frame);
    expect(goawayCode(peer)).toBe(ENHANCE_YOUR_CALM);
  });

  test("GR-05 a hundred thousand PINGs are no flood by default", () => {
    const { server } = makeServer();
    const peer = openFake(server);
    const many = Buffer.concat(Array.from({ length: 1_000 }, () => ping));
    let answered = 0;
    for (let i = 0; i < 100; i++) {
      peer.send(many);
      answered += peer.socket.log.frames.length;
      peer.socket.log.frames.length = 0;
    }
    expect(answered).toBe(100_000);
  });

  test("SETTINGS that change many streams' windows again and again end the connection", () => {
    const { server } = makeServer({ controlFramesPerSecondMax: 2_000 });
    const peer = openFake(server);
    for (let id = 1; id < 2_000; id += 2) peer.send(headers(id, requestFields({ ":path": "/test.Test/Stream" })));
    const change = frames.encodeSettings([[frames.SETTINGS_INITIAL_WINDOW_SIZE, 1]]);
    const back = frames.encodeSettings([[frames.SETTINGS_INITIAL_WINDOW_SIZE, 2]]);
    for (let i = 0; i < 10; i++) peer.send(encodeFrame(SETTINGS, 0, 0, Buffer.concat([change, back])));
    expect(goawayCode(peer)).toBeNull();
    for (let i = 0; i < 10; i++) peer.send(encodeFrame(SETTINGS, 0, 0, Buffer.concat([change, back, change, back])));
    expect(goawayCode(peer)).toBe(ENHANCE_YOUR_CALM);
  });

  test("empty DATA in a row end the connection; in between they do not", () => {
    const { server } = makeServer({ emptyDataFramesMax: 20 });
    const peer = openFake(server);
    peer.send(headers(1, requestFields({ ":path": "/test.Test/Stream" })));
    const empty = encodeFrame(DATA, 0, 1, nothing);
    for (let i = 0; i < 10; i++) {
      for (let j = 0; j < 20; j++) peer.send(empty);
      peer.send(data(1, grpcMessage(nothing), false));
    }
    expect(goawayCode(peer)).toBeNull();
    for (let j = 0; j < 21; j++) peer.send(empty);
    expect(goawayCode(peer)).toBe(ENHANCE_YOUR_CALM);
  });
});

describe("a client that takes no answers", () => {
  test.each([
    ["PINGs", ping],
    ["SETTINGS", encodeFrame(SETTINGS, 0, 0, nothing)],
    [
      "DATA for closed streams",
      Buffer.concat([request(1, "/test.Test/Echo", nothing), encodeFrame(DATA, 0, 1, nothing)]),
    ],
    ["requests", null],
  ])("gets no more %s read, and keeps only so much memory", async (_title, frame) => {
    const { server } = makeServer({
      emptyDataFramesMax: 1e9,
      controlFramesPerSecondMax: 1e9,
      resetsPerSecondMax: 1e9,
    });
    const peer = openFake(server, [[frames.SETTINGS_INITIAL_WINDOW_SIZE, 2 ** 31 - 1]]);
    peer.send(windowUpdate(0, 2 ** 31 - 1 - 65_535));
    if (frame !== null && frame.length > 30) peer.send(frame.subarray(0, -9));
    peer.socket.stall();
    let id = 101;
    let rounds = 0;
    for (; !peer.socket.isPaused() && rounds < 50_000; rounds++) {
      if (frame === null) peer.send(request(id, "/test.Test/Echo", Buffer.alloc(1_000)));
      else peer.send(...Array.from({ length: 10 }, () => frame.subarray(frame.length > 30 ? -9 : 0)));
      id += 2;
    }
    expect(peer.socket.isPaused()).toBe(true);
    expect(peer.socket.writableLength).toBeLessThan(DEFAULT_LIMITS.pendingOutputBytesMax + 2_000);
    peer.socket.unstall();
    await expect.poll(() => peer.socket.isPaused()).toBe(false);
    expect(goawayCode(peer)).toBeNull();
  });

  test("is disconnected after a while", () => {
    const { server, warnings } = makeServer();
    const peer = openFake(server);
    peer.socket.stall();
    peer.send(ping);
    peer.connection.sweep(after(0));
    peer.connection.sweep(after(DEFAULT_LIMITS.writeStallTimeoutMs - 1_000));
    expect(peer.socket.destroyed).toBe(false);
    peer.connection.sweep(after(DEFAULT_LIMITS.writeStallTimeoutMs + 1_000));
    expect(peer.socket.destroyed).toBe(true);
    expect(warnings).toEqual(["closed a client's connection: client takes no output"]);
  });

  test("may be slow, as long as it takes something", async () => {
    const { server } = makeServer();
    const peer = openFake(server);
    for (let i = 1; i < 10; i++) {
      peer.socket.stall();
      peer.send(ping);
      peer.connection.sweep(after(i * DEFAULT_LIMITS.writeStallTimeoutMs * 0.6));
      peer.socket.unstall();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(peer.socket.destroyed).toBe(false);
  });

  test("of a unary call, by keeping its window shut, loses the call", () => {
    const { server, observed } = makeServer({ writeStallTimeoutMs: 5_000 });
    const peer = openFake(server, [[frames.SETTINGS_INITIAL_WINDOW_SIZE, 3]]);
    peer.send(request(1, "/test.Test/Echo", Buffer.alloc(100)));
    for (let i = 0; i < 5; i++) peer.connection.sweep(after(0));
    expect(resetCode(peer, 1)).toBeNull();
    peer.connection.sweep(after(0));
    expect(resetCode(peer, 1)).toBe(frames.CANCEL);
    expect(observed.at(-1)).toBe("handled /test.Test/Echo 1");
    expect(peer.connection.writer.room.owedBytes).toBe(0);
  });

  test("of a watch, by keeping its window shut, keeps the watch", () => {
    const { server, streams } = makeServer({ writeStallTimeoutMs: 5_000 });
    const peer = openFake(server, [[frames.SETTINGS_INITIAL_WINDOW_SIZE, 3]]);
    peer.send(headers(1, requestFields({ ":path": "/test.Test/Stream" })));
    streams[0].call.send(Buffer.alloc(100));
    for (let i = 0; i < 100; i++) peer.connection.sweep(after(0));
    expect(streams[0].call.closed).toBe(false);
  });

  test("and asks for more and more is refused at some point", () => {
    const { server } = makeServer({ owedBytesPerConnectionMax: 10_000 });
    const peer = openFake(server, [[frames.SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    peer.send(request(1, "/test.Test/Large", Buffer.from("20000")), request(3, "/test.Test/Echo", nothing));
    expect(peer.socket.log.answer(3).fields).toMatchObject({
      "grpc-status": "8",
      "grpc-message": "etcdserver: too many requests",
    });
    peer.send(windowUpdate(1, 20_005));
    expect(peer.socket.log.answer(1).fields["grpc-status"]).toBe("0");
    peer.send(request(5, "/test.Test/Fail", nothing));
    expect(peer.socket.log.answer(5).fields["grpc-status"]).toBe("9");
  });
});

describe("unfinished requests", () => {
  test("without their message are reset after a while; streams are not", () => {
    const { server, streams } = makeServer({ requestBodyTimeoutMs: 3_000 });
    const peer = openFake(server);
    peer.send(headers(1), data(1, Buffer.of(0, 0), false), headers(3, requestFields({ ":path": "/test.Test/Stream" })));
    for (let i = 0; i < 3; i++) peer.connection.sweep(after(0));
    peer.send(data(1, Buffer.of(0), false));
    for (let i = 0; i < 3; i++) peer.connection.sweep(after(0));
    expect(resetCode(peer, 1)).toBeNull();
    peer.connection.sweep(after(0));
    expect(resetCode(peer, 1)).toBe(frames.CANCEL);
    expect(streams[0].call.closed).toBe(false);
    expect(peer.connection.streams.length).toBe(1);
  });

  test("hold memory for what has arrived, not for what was announced", () => {
    const { server } = makeServer();
    const peer = openFake(server);
    for (let id = 1; id < 200; id += 2) {
      peer.send(headers(id), data(id, Buffer.concat([Buffer.of(0), uint32(2_000_000), Buffer.of(1)]), false));
    }
    expect(peer.connection.streams.heldBytes).toBeLessThanOrEqual(100 * 4_096);
    for (let id = 1; id < 200; id += 2) peer.send(resetStream(id, 8));
    expect(peer.connection.streams.heldBytes).toBe(0);
  });

  test("of a very long message have room for all of it early, and do not copy what there is again and again", () => {
    const long = 32 * 1024 * 1024;
    const { server } = makeServer({ receiveMessageBytesMax: long, streamWindowBytes: 2 ** 30 });
    const peer = openFake(server);
    const held: number[] = [];
    peer.send(headers(1), data(1, Buffer.concat([Buffer.of(0), uint32(long)]), false));
    for (let sent = 0; sent < long / 2; sent += 1024 * 1024) {
      peer.send(data(1, Buffer.alloc(1024 * 1024), false));
      const now = peer.connection.streams.heldBytes;
      if (now !== held.at(-1)) held.push(now);
      expect(now).toBeLessThanOrEqual(8 * (sent + 1024 * 1024 + 5));
    }
    expect(held.length).toBeLessThan(5);
    expect(held.at(-1)).toBe(long + 5);
    peer.connection.destroy();
  });

  test("may hold only so much memory together", () => {
    const { server } = makeServer({ partialMessageBytesMax: 110_000 });
    const peer = openFake(server);
    const part = data(1, Buffer.concat([Buffer.of(0), uint32(50_000), Buffer.alloc(40_000)]), false);
    const refused: number[] = [];
    for (let id = 1; id < 20; id += 2) {
      const mine = Buffer.from(part);
      for (let at = 0; at < mine.length; at += 9 + mine.readUIntBE(at, 3)) mine.writeUInt32BE(id, at + 5);
      peer.send(headers(id), mine);
      if (peer.socket.log.answer(id).fields["grpc-status"] === "8") refused.push(id);
    }
    expect(refused).toEqual([5, 7, 9, 11, 13, 15, 17, 19]);
    expect(peer.connection.streams.heldBytes).toBeLessThanOrEqual(110_000);
  });

  test("may hold only so much memory on all connections", () => {
    const { server } = makeServer({ partialMessageBytesTotalMax: 110_000 });
    const part = Buffer.concat([Buffer.of(0), uint32(50_000), Buffer.alloc(40_000)]);
    const peers = Array.from({ length: 4 }, () => openFake(server));
    for (const peer of peers) peer.send(headers(1), data(1, part, false));
    expect(peers.map((peer) => peer.socket.log.answer(1).fields["grpc-status"])).toEqual([
      undefined,
      undefined,
      "8",
      "8",
    ]);
    expect(server.heldBytes).toBeLessThanOrEqual(110_000);
    for (const peer of peers.slice(0, 2)) peer.send(resetStream(1, 8));
    expect(server.heldBytes).toBe(0);
  });

  test("above the number of streams are refused, and the header table stays in step", () => {
    const { server } = makeServer({ streamsPerConnectionMax: 2 });
    const peer = openFake(server);
    const entered = Buffer.concat([Buffer.of(0x40, 5), Buffer.from("token"), Buffer.of(1, 0x74)]);
    const open = (id: number, extra: Buffer): Buffer =>
      encodeFrame(
        HEADERS,
        END_HEADERS,
        id,
        Buffer.concat([headers(id, requestFields({ ":path": "/test.Test/Metadata" })).subarray(9), extra]),
      );
    peer.send(open(1, nothing), open(3, nothing), open(5, entered));
    expect(resetCode(peer, 5)).toBe(frames.REFUSED_STREAM);
    peer.send(resetStream(1, 8), open(7, Buffer.of(0xbe)), data(7, grpcMessage(nothing)));
    expect(peer.socket.log.answer(7).body.subarray(5).toString()).toContain('"token":"t"');
  });
});

describe("connections that do not get going", () => {
  test.each([
    ["nothing", nothing],
    ["a part of the preface", frames.PREFACE.subarray(0, 3)],
  ])("are closed when they send %s", async (_title, octets) => {
    const { port } = await startServer({ prefaceTimeoutMs: 30 });
    const client = await RawClient.connect({ port });
    client.send(octets);
    await expect(client.closed).resolves.toBeUndefined();
  });

  test.each([
    ["no SETTINGS", frames.PREFACE],
    ["no acknowledgement of ours", Buffer.concat([frames.PREFACE, encodeFrame(SETTINGS, 0, 0, nothing)])],
  ])("are closed when they send %s", async (_title, octets) => {
    const { port } = await startServer({ settingsTimeoutMs: 30, sweepIntervalMs: 10 });
    const client = await RawClient.connect({ port });
    client.send(octets);
    expect((await client.goaway()).errorCode).toBe(frames.SETTINGS_TIMEOUT);
    await client.closed;
  });

  test("are closed after their GOAWAY, even if the client does not close", async () => {
    const { port } = await startServer({ lingerMs: 30, sweepIntervalMs: 10 });
    const socket = connect({ port, allowHalfOpen: true });
    const client = new RawClient(socket);
    await once(socket, "connect");
    client.send(frames.PREFACE, ping);
    expect((await client.goaway()).errorCode).toBe(frames.PROTOCOL_ERROR);
    await once(socket, "end");
    // Our half stays open, until the server has had enough.
    const timer = setInterval(() => client.send(ping), 5);
    await client.closed;
    clearInterval(timer);
  });

  test("above the number of connections are closed at once", async () => {
    const refused: number[] = [];
    const { port, server } = await startServer(
      { connectionsMax: 2 },
      { door: { refuse: (max) => refused.push(max), fail: () => undefined } },
    );
    const first = await RawClient.open({ port });
    const second = await RawClient.open({ port });
    const third = await RawClient.connect({ port });
    await third.closed;
    expect(server.connectionCount).toBe(2);
    expect(refused).toEqual([2]);
    first.destroy();
    await expect.poll(() => server.connectionCount).toBe(1);
    await RawClient.open({ port });
    await second.roundTrip();
  });
});

test("DATA for streams that ended early is no attack, however much is on its way", async () => {
  const { port } = await startServer();
  const client = await RawClient.open({ port });
  const body = data(1, Buffer.alloc(20_000), false);
  for (let id = 1; id < 400; id += 2) {
    const mine = Buffer.from(body);
    for (let at = 0; at < mine.length; at += 9 + mine.readUIntBE(at, 3)) mine.writeUInt32BE(id, at + 5);
    client.send(headers(id, requestFields({ ":path": "/no.Such/Thing" })), mine);
  }
  await client.roundTrip();
  expect(client.frames.filter((frame) => frame.type === RST_STREAM && frame.payload.readUInt32BE(0) !== 0)).toEqual([]);
  client.send(request(401, "/test.Test/Echo", nothing));
  expect((await client.answer(401)).fields["grpc-status"]).toBe("0");
});
