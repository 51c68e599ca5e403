/** What a client that does not read may make the server keep, and that those who read get everything. */

import { describe, expect, test } from "vitest";

import * as frames from "../../../server/transport/frames/frames.ts";
import { encodeFrame, encodeSettings } from "../../../server/transport/frames/frames.ts";
import { openFake } from "../../sim/fake-socket.ts";
import type { FakePeer } from "../../sim/fake-socket.ts";
import { data, grpcMessage, headers, request, requestFields, windowUpdate } from "./raw-client.ts";
import { makeServer } from "./test-server.ts";

const { SETTINGS_INITIAL_WINDOW_SIZE } = frames;
const DROPPED = {
  "grpc-status": "14",
  "grpc-message": "etcdserver: the answer is dropped, because too many are unread",
};
const TOO_MANY = { "grpc-status": "8", "grpc-message": "etcdserver: too many requests" };
const nothing = Buffer.alloc(0);

function openStream(peer: FakePeer, streamId: number): void {
  peer.send(headers(streamId, requestFields({ ":path": "/test.Test/Stream" })));
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Frames whose answers fill exactly `bytes` of the output buffer: acknowledgements of 17 and of 9 octets. */
function fill(bytes: number): Buffer {
  let pings = Math.floor(bytes / 17);
  while ((bytes - pings * 17) % 9 !== 0) pings--;
  const ping = encodeFrame(frames.PING, 0, 0, Buffer.alloc(8));
  const settings = encodeFrame(frames.SETTINGS, 0, 0, nothing);
  return Buffer.concat([
    ...Array.from({ length: pings }, () => ping),
    ...Array.from({ length: (bytes - pings * 17) / 9 }, () => settings),
  ]);
}

const noTable = encodeFrame(frames.SETTINGS, 0, 0, encodeSettings([[frames.SETTINGS_HEADER_TABLE_SIZE, 0]]));

describe("wherever the output buffer ends", () => {
  // A small buffer is exchanged for a large one at 16 KiB, and that one is written at 68 KiB.
  const alignments = [16 * 1024, 68 * 1024].flatMap((end) => Array.from({ length: 120 }, (_, i) => end - i));

  test("trailers fit it, also behind a table size update", () => {
    for (const at of alignments) {
      const { server } = makeServer({ turnMs: 60_000 });
      const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 5]]);
      peer.send(request(1, "/test.Test/Echo", Buffer.alloc(10, 1)));
      peer.send(noTable, fill(at - 9), windowUpdate(1, 1_000));
      const { body, fields } = peer.socket.log.answer(1);
      expect(body.equals(grpcMessage(Buffer.alloc(10, 1)))).toBe(true);
      expect(fields["grpc-status"]).toBe("0");
    }
  });

  test.each([
    ["/test.Test/Echo", "0"],
    ["/test.Test/Fail", "9"],
    ["/test.Test/EchoStream", "0"],
    ["/test.Test/Unknown", "12"],
  ])("an answer of %s fits it, also behind a table size update", (path, status) => {
    for (const at of alignments) {
      const { server } = makeServer({ turnMs: 60_000 });
      const peer = openFake(server);
      peer.send(noTable, fill(at - 9), request(1, path, Buffer.from("hello")));
      expect(peer.socket.log.answer(1).fields["grpc-status"]).toBe(status);
    }
  });
});

describe("answers that the client does not take", () => {
  test("bound the calls whose streams were opened before there were any", () => {
    const { server } = makeServer({ owedBytesPerConnectionMax: 50_000 });
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    const ids = Array.from({ length: 100 }, (_, i) => 2 * i + 1);
    for (const id of ids) peer.send(headers(id, requestFields({ ":path": "/test.Test/Large" })));
    for (const id of ids) peer.send(data(id, grpcMessage(Buffer.from("20000"))));
    expect(peer.connection.writer.room.owedBytes).toBeLessThan(50_000 + 21_000);
    expect(peer.socket.log.answer(199).fields).toMatchObject(TOO_MANY);
    expect(peer.connection.streams.length).toBeLessThan(5);
  });

  test("keep handlers from running", () => {
    const { server, held } = makeServer({ owedBytesPerConnectionMax: 50_000 });
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    for (const id of [1, 3]) peer.send(headers(id, requestFields({ ":path": "/test.Test/Hold" })));
    peer.send(data(1, grpcMessage(nothing)), request(5, "/test.Test/Large", Buffer.from("60000")));
    peer.send(data(3, grpcMessage(nothing)));
    expect(held.length).toBe(1);
    expect(peer.socket.log.answer(3).fields).toMatchObject(TOO_MANY);
  });

  test("bound the answers of calls that run already", () => {
    const { server, held } = makeServer({ owedBytesPerConnectionMax: 50_000 });
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    for (let id = 1; id < 200; id += 2) peer.send(request(id, "/test.Test/Hold", nothing));
    for (const [i, call] of held.entries()) {
      if (i % 2 === 0) call.reply(Buffer.alloc(20_000));
      else call.replyParts([Buffer.alloc(20_000)], 20_000);
    }
    server.flush();
    expect(peer.connection.writer.room.owedBytes).toBeLessThan(50_000 + 21_000);
    // Unavailable: what such a call did is done (OC-08).
    expect(peer.socket.log.answer(199).fields).toMatchObject(DROPPED);
  });

  test("weigh more than their bytes when they are small", () => {
    const { server } = makeServer({ owedBytesPerConnectionMax: 50_000 });
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    for (let id = 1; id < 2_000; id += 2) peer.send(request(id, "/test.Test/Echo", Buffer.alloc(10)));
    expect(peer.connection.streams.length).toBeLessThan(50_000 / 256);
    expect(peer.socket.log.answer(1_999).fields).toMatchObject(TOO_MANY);
  });

  test("are bounded for all connections together; one that owes next to nothing is still served", () => {
    const limits = { owedBytesMax: 100_000, guaranteedBytesPerConnection: 1_000 };
    const { server } = makeServer(limits);
    const greedy = Array.from({ length: 3 }, () => openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]));
    for (let id = 1; id < 100; id += 2) {
      for (const peer of greedy) peer.send(request(id, "/test.Test/Large", Buffer.from("10000")));
    }
    expect(server.sendTotals.owedBytes).toBeLessThan(100_000 + 11_000);
    expect(greedy[0].socket.log.answer(99).fields).toMatchObject(TOO_MANY);
    const modest = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    modest.send(request(1, "/test.Test/Echo", Buffer.alloc(10)), windowUpdate(1, 1_000));
    expect(modest.socket.log.answer(1).fields["grpc-status"]).toBe("0");
    // A fault ends the connection.
    for (const peer of greedy) peer.send(encodeFrame(frames.PING, 0, 0, nothing));
    expect(server.sendTotals.owedBytes).toBe(0);
  });

  test("of many streams leave nothing behind when these end while the connection's window is shut", () => {
    const { server } = makeServer();
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 100_000]]);
    peer.send(request(1, "/test.Test/Large", Buffer.from("90000")));
    for (let id = 3; id < 400; id += 2) {
      peer.send(request(id, "/test.Test/Echo", Buffer.alloc(100)), windowUpdate(id, 0));
    }
    expect(peer.connection.streams.length).toBe(1);
    peer.send(request(401, "/test.Test/Echo", nothing), windowUpdate(0, 200_000));
    expect(peer.socket.log.answer(401).fields["grpc-status"]).toBe("0");
    expect(peer.socket.log.answer(1).body.length).toBe(90_005);
    expect(server.sendTotals.owedBytes).toBe(0);
  });

  test("share a window that opens octet by octet", () => {
    const { server } = makeServer();
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 100_000]]);
    peer.send(request(1, "/test.Test/Large", Buffer.from("65530")));
    const ids = Array.from({ length: 50 }, (_, i) => 2 * i + 3);
    for (const id of ids) peer.send(request(id, "/test.Test/Echo", Buffer.alloc(3)));
    for (let i = 0; i < 50 * 8; i++) {
      peer.send(windowUpdate(0, 1));
      const sent = ids.map((id) => peer.socket.log.frames.filter((f) => f.streamId === id && f.type === 0).length);
      if (i % 50 === 49) expect(Math.max(...sent) - Math.min(...sent)).toBeLessThanOrEqual(1);
    }
    for (const id of ids) expect(peer.socket.log.answer(id).fields["grpc-status"]).toBe("0");
  });
});

describe("a message above 2^31-1 bytes", () => {
  const parts = Array.from({ length: 33 }, () => Buffer.alloc(0));
  const text = "grpc: trying to send message larger than max (2147483648 vs. 2147483647)";

  test("fails a unary call", () => {
    const { server, held } = makeServer();
    const peer = openFake(server);
    peer.send(request(1, "/test.Test/Hold", nothing));
    held[0].replyParts(parts, 2 ** 31);
    server.flush();
    expect(peer.socket.log.answer(1).fields).toMatchObject({ "grpc-status": "8", "grpc-message": text });
  });

  test("ends a stream behind what it has sent", () => {
    const { server, streams } = makeServer();
    const peer = openFake(server);
    openStream(peer, 1);
    streams[0].call.send(Buffer.from("before"));
    streams[0].call.sendParts(parts, 2 ** 31);
    server.flush();
    const { body, fields } = peer.socket.log.answer(1);
    expect(body).toEqual(grpcMessage(Buffer.from("before")));
    expect(fields).toMatchObject({ "grpc-status": "8", "grpc-message": text });
  });
});

describe("GR-07 streaming calls of a client that does not read", () => {
  const limits = {
    queuedBytesPerStreamMax: 64 * 1024,
    queuedBytesPerConnectionMax: 256 * 1024,
    copiedBytesPerConnectionMax: 1024 * 1024,
  };

  test("together queue no more than the connection may, however many they are", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    const ids = Array.from({ length: 500 }, (_, i) => 2 * i + 1);
    for (const id of ids) openStream(peer, id);
    for (const { call } of streams) if (call.writable) call.send(Buffer.alloc(5_000));
    expect(peer.connection.writer.room.queuedBytes).toBeLessThan(256 * 1024 + 6_000);
    const refused = streams.filter(({ call }) => call.queuedBytes === 0);
    expect(refused.length).toBeGreaterThan(400);
    peer.send(windowUpdate(0, 10_000_000), ...ids.map((id) => windowUpdate(id, 1_000_000)));
    for (let i = 0; i < 20; i++) await turn();
    // Everyone who was told no is told yes, once.
    for (const { call, drains } of refused) expect([call.writable, drains]).toEqual([true, 1]);
    expect(peer.connection.writer.room.queuedBytes).toBe(0);
    expect(server.sendTotals.queuedBytes).toBe(0);
  });

  test("let one go on that has nothing queued and an open window, and tell it when its window opens", () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    for (let id = 1; id < 40; id += 2) openStream(peer, id);
    for (const { call } of streams.slice(0, 10)) while (call.writable) call.send(Buffer.alloc(5_000));
    const quick = streams[15];
    expect(quick.call.writable).toBe(false);
    peer.send(windowUpdate(31, 1_000_000));
    expect(quick).toMatchObject({ drains: 1 });
    quick.call.send(Buffer.alloc(100));
    expect(quick.call).toMatchObject({ writable: true, queuedBytes: 0 });
    expect(streams[16].call.writable).toBe(false);
  });

  test("are all told of room that those who filled it made, though their own windows stay shut", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    for (let i = 0; i < 300; i++) openStream(peer, 2 * i + 1);
    for (const { call } of streams.slice(0, 5)) while (call.writable) call.send(Buffer.alloc(5_000));
    const waiting = streams.slice(5);
    for (const { call } of waiting) expect(call.writable).toBe(false);
    peer.send(windowUpdate(0, 1_000_000), ...[1, 3, 5, 7, 9].map((id) => windowUpdate(id, 1_000_000)));
    for (let i = 0; i < 10; i++) await turn();
    for (const { drains } of waiting) expect(drains).toBe(1);
  });

  test("are told when copies fall below their limit, at the next sweep", () => {
    const { server, streams } = makeServer({ ...limits, queuedBytesPerConnectionMax: 1_000 });
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    for (const id of [1, 3, 5]) openStream(peer, id);
    peer.send(windowUpdate(5, 1_000));
    while (peer.connection.writer.room.copiedBytes <= limits.copiedBytesPerConnectionMax) {
      for (const { call } of streams.slice(0, 2)) call.send(Buffer.alloc(10_000));
    }
    expect(streams[2].call.writable).toBe(false);
    peer.send(windowUpdate(0, 10_000_000), windowUpdate(1, 1_000_000));
    for (let i = 0; i < 5; i++) peer.connection.flush();
    expect(streams[1].call.queuedBytes).toBeGreaterThan(limits.queuedBytesPerStreamMax);
    expect(streams[2]).toMatchObject({ drains: 0 });
    peer.connection.sweep(performance.now());
    expect(streams[2]).toMatchObject({ drains: 1 });
  });

  test("do not keep others from sending by messages that are kept by reference", () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    for (const id of [1, 3]) openStream(peer, id);
    const part = Buffer.alloc(1_000_000);
    streams[0].call.sendParts(
      Array.from({ length: 100 }, () => part),
      100_000_000,
    );
    expect(streams[0].call).toMatchObject({ writable: false, closed: false, queuedBytes: 100_000_005 });
    streams[1].call.send(Buffer.alloc(100));
    expect(streams[1].call).toMatchObject({ writable: true, closed: false });
  });

  test("end when they send without asking whether they may", () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    for (const id of [1, 3]) openStream(peer, id);
    let sent = 0;
    for (; !streams[0].call.closed && sent < 100_000; sent++) streams[0].call.send(Buffer.alloc(50));
    expect(sent).toBeLessThan((1024 * 1024) / 256);
    expect(peer.connection.writer.room.copiedBytes).toBeLessThan(1024 * 1024 + 1_000);
    streams[1].call.send(Buffer.alloc(50));
    server.flush();
    expect(peer.socket.log.answer(3).fields).toMatchObject(TOO_MANY);
    peer.send(windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000));
    expect(peer.socket.log.answer(1).fields).toMatchObject(TOO_MANY);
  });

  test("wait for other connections when all together have too much queued", () => {
    const { server, streams } = makeServer({ queuedBytesMax: 100_000, guaranteedBytesPerConnection: 1_000 });
    const peers = [1, 2].map(() => openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]));
    for (const peer of peers) openStream(peer, 1);
    const [greedy, other] = streams;
    other.call.send(Buffer.alloc(2_000));
    while (greedy.call.writable) greedy.call.send(Buffer.alloc(5_000));
    expect(server.sendTotals.queuedBytes).toBeLessThan(100_000 + 6_000);
    expect(other.call.writable).toBe(false);
    peers[0].send(windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000));
    peers[1].connection.sweep(performance.now());
    expect(other).toMatchObject({ drains: 1 });
    expect(other.call.writable).toBe(true);
  });

  test("with one request are reset when nothing is taken for long; slow readers and watches stay", () => {
    const { server, streams, observed } = makeServer({ ...limits, writeStallTimeoutMs: 5_000 });
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    for (const id of [1, 3]) peer.send(request(id, "/test.Test/List", nothing));
    openStream(peer, 5);
    for (const { call } of streams) call.send(Buffer.alloc(1_000));
    for (let i = 0; i < 6; i++) {
      peer.send(windowUpdate(3, 1));
      peer.connection.sweep(performance.now());
    }
    expect(streams.map(({ call }) => call.closed)).toEqual([true, false, false]);
    expect(observed.at(-1)).toBe("handled /test.Test/List 1");
  });
});
