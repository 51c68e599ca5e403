import fc from "fast-check";
import { describe, expect, test } from "vitest";

import * as frames from "../../../server/transport/frames/frames.ts";
import { encodeFrame, encodeSettings } from "../../../server/transport/frames/frames.ts";
import { openFake } from "../../sim/fake-socket.ts";
import type { FakePeer } from "../../sim/fake-socket.ts";
import {
  RawClient,
  data,
  grpcMessage,
  headers,
  request,
  requestFields,
  resetStream,
  windowUpdate,
} from "./raw-client.ts";
import { largeAnswer, makeServer, startServer } from "./test-server.ts";

const { DATA, SETTINGS_INITIAL_WINDOW_SIZE } = frames;
const MAX_31 = 2 ** 31 - 1;

function large(streamId: number, length: number): Buffer {
  return request(streamId, "/test.Test/Large", Buffer.from(String(length)));
}

function expected(length: number): Buffer {
  return grpcMessage(Buffer.concat(largeAnswer(length)));
}

function dataBytes(peer: FakePeer, streamId: number): number {
  let bytes = 0;
  for (const frame of peer.socket.log.frames)
    if (frame.type === DATA && frame.streamId === streamId) bytes += frame.payload.length;
  return bytes;
}

/** One round of the event loop: what the server has put off to the next turn has happened after it. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("the client's windows", () => {
  test.each([
    [1, 300],
    [7, 2_000],
    [100, 20_000],
    [16_383, 400_000],
    [65_535, 1_000_000],
  ])("of %i bytes are used up and never exceeded", async (window, length) => {
    const { port } = await startServer();
    const client = await RawClient.open({ port }, [[SETTINGS_INITIAL_WINDOW_SIZE, window]]);
    client.send(large(1, length));
    let received = 0;
    for (let granted = window; received < length + 5;) {
      // The server sends exactly what it may.
      const until = Math.min(granted, length + 5);
      while (received < until) {
        const frame = await client.frame(({ type, streamId }) => type === DATA && streamId === 1);
        client.frames.splice(client.frames.indexOf(frame), 1);
        received += frame.payload.length;
        client.send(windowUpdate(0, frame.payload.length));
      }
      expect(received).toBe(until);
      granted += window;
      client.send(windowUpdate(1, window));
    }
    expect((await client.answer(1)).fields["grpc-status"]).toBe("0");
  });

  test("granted in any steps, to connection and streams, let the same bytes through", async () => {
    const step = fc.record({
      target: fc.constantFrom(0, 1, 3, 5),
      bytes: fc.integer({ min: 1, max: 60_000 }),
    });
    const lengths = fc.integer({ min: 0, max: 150_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.tuple(lengths, lengths, lengths),
        async (steps, wanted) => {
          const { server } = makeServer();
          const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 1_000]]);
          const granted = new Map([
            [0, 65_535],
            [1, 1_000],
            [3, 1_000],
            [5, 1_000],
          ]);
          peer.send(...wanted.map((length, i) => large(2 * i + 1, length)));
          for (const { target, bytes } of steps) {
            granted.set(target, (granted.get(target) ?? 0) + bytes);
            const ended = target > 0 && dataBytes(peer, target) === wanted[(target - 1) / 2] + 5;
            if (!ended) peer.send(windowUpdate(target, bytes));
            await turn();
            const sent = [1, 3, 5].map((id) => dataBytes(peer, id));
            for (const [i, id] of [1, 3, 5].entries()) expect(sent[i]).toBeLessThanOrEqual(granted.get(id) ?? 0);
            expect(sent[0] + sent[1] + sent[2]).toBeLessThanOrEqual(granted.get(0) ?? 0);
          }
          peer.send(windowUpdate(0, 1_000_000));
          for (const [i, id] of [1, 3, 5].entries()) {
            if (dataBytes(peer, id) < wanted[i] + 5) peer.send(windowUpdate(id, 1_000_000));
          }
          for (let i = 0; i < 5; i++) await turn();
          for (const [i, id] of [1, 3, 5].entries()) {
            const { body, fields } = peer.socket.log.answer(id);
            expect(body.equals(expected(wanted[i]))).toBe(true);
            expect(fields["grpc-status"]).toBe("0");
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("may be shrunk below zero and opened again", async () => {
    const { server } = makeServer();
    const peer = openFake(server);
    peer.send(windowUpdate(0, 1_000_000), large(1, 300_000));
    await turn();
    expect(dataBytes(peer, 1)).toBe(65_535);
    peer.send(encodeFrame(frames.SETTINGS, 0, 0, encodeSettings([[SETTINGS_INITIAL_WINDOW_SIZE, 1_000]])));
    peer.send(windowUpdate(1, 64_535));
    await turn();
    expect(dataBytes(peer, 1)).toBe(65_535);
    peer.send(windowUpdate(1, 10));
    await turn();
    expect(dataBytes(peer, 1)).toBe(65_545);
    peer.send(encodeFrame(frames.SETTINGS, 0, 0, encodeSettings([[SETTINGS_INITIAL_WINDOW_SIZE, 500_000]])));
    for (let i = 0; i < 3; i++) await turn();
    expect(peer.socket.log.answer(1).body.equals(expected(300_000))).toBe(true);
  });

  test("the client's frame size is used, up to 64 KiB", async () => {
    for (const [frameBytes, used] of [
      [16_384, 16_384],
      [30_000, 30_000],
      [1_000_000, 65_536],
    ]) {
      const { server } = makeServer();
      const settings = [
        [SETTINGS_INITIAL_WINDOW_SIZE, MAX_31],
        [frames.SETTINGS_MAX_FRAME_SIZE, frameBytes],
      ] as const;
      const peer = openFake(server, settings);
      peer.send(windowUpdate(0, 1_000_000), large(1, 500_000));
      for (let i = 0; i < 5; i++) await turn();
      const lengths = peer.socket.log.frames
        .filter((frame) => frame.type === DATA)
        .map((frame) => frame.payload.length);
      expect(Math.max(...lengths)).toBe(used);
      expect(peer.socket.log.answer(1).body.equals(expected(500_000))).toBe(true);
    }
  });
});

describe("a large answer", () => {
  test("of 20 MB arrives", async () => {
    const { port } = await startServer();
    const client = await RawClient.open({ port }, [[SETTINGS_INITIAL_WINDOW_SIZE, MAX_31]]);
    client.send(windowUpdate(0, MAX_31 - 65_535), large(1, 20_000_000));
    const { body } = await client.answer(1);
    expect(body.equals(expected(20_000_000))).toBe(true);
  });

  test("is overtaken by a small one, and shares the connection with another", async () => {
    const { server } = makeServer();
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, MAX_31]]);
    peer.send(windowUpdate(0, MAX_31 - 65_535), large(1, 2_000_000), large(3, 2_000_000));
    peer.send(request(5, "/test.Test/Echo", Buffer.from("small")));
    expect(peer.socket.log.answer(5).fields["grpc-status"]).toBe("0");
    expect(dataBytes(peer, 1)).toBeLessThan(2_000_000);
    for (let i = 0; i < 30; i++) {
      // No stream gets more than one turn ahead of the other.
      expect(Math.abs(dataBytes(peer, 1) - dataBytes(peer, 3))).toBeLessThanOrEqual(64 * 1024);
      await turn();
    }
    for (const id of [1, 3]) expect(peer.socket.log.answer(id).body.equals(expected(2_000_000))).toBe(true);
  });

  test("that the client cancels half way is forgotten", async () => {
    const { server } = makeServer();
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, MAX_31]]);
    peer.send(windowUpdate(0, MAX_31 - 65_535), large(1, 2_000_000));
    peer.send(resetStream(1, frames.CANCEL));
    const sent = dataBytes(peer, 1);
    for (let i = 0; i < 5; i++) await turn();
    expect(dataBytes(peer, 1)).toBe(sent);
    expect(peer.connection.writer.room.owedBytes).toBe(0);
    expect(peer.connection.streams.length).toBe(0);
  });
});

describe("GR-07 a stream to a slow reader", () => {
  const limits = { queuedBytesPerStreamMax: 64 * 1024, queuedBytesPerConnectionMax: 256 * 1024 };

  test("is not writable above its limit, and drains when the client opens its window", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 1_000]]);
    peer.send(headers(1, requestFields({ ":path": "/test.Test/Stream" })));
    const [stream] = streams;
    let sent = 0;
    for (; stream.call.writable; sent++) stream.call.send(Buffer.alloc(995, sent));
    expect(stream.call.queuedBytes).toBeLessThanOrEqual(limits.queuedBytesPerStreamMax + 1_000);
    expect(stream.call.queuedBytes).toBe((sent - 1) * 1_000);
    peer.send(windowUpdate(1, 1_000));
    expect(stream).toMatchObject({ drains: 0 });
    peer.send(windowUpdate(1, 1_000_000), windowUpdate(0, 1_000_000));
    expect(stream).toMatchObject({ drains: 1 });
    expect(stream.call).toMatchObject({ writable: true, queuedBytes: 0 });
    const messages = Array.from({ length: sent }, (_, i) => grpcMessage(Buffer.alloc(995, i)));
    expect(peer.socket.log.answer(1).body.equals(Buffer.concat(messages))).toBe(true);
  });

  test("is not writable while the socket takes nothing, and then drains", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, MAX_31]]);
    peer.send(windowUpdate(0, MAX_31 - 65_535), headers(1, requestFields({ ":path": "/test.Test/Stream" })));
    const [stream] = streams;
    peer.socket.stall();
    let sent = 0;
    for (; stream.call.writable && sent < 10_000; sent++) {
      stream.call.send(Buffer.alloc(995, sent));
      server.flush();
    }
    expect(stream.call.writable).toBe(false);
    expect(stream.call.queuedBytes).toBeLessThanOrEqual(limits.queuedBytesPerStreamMax + 1_000);
    expect(peer.socket.writableLength).toBeLessThanOrEqual(256 * 1024);
    peer.socket.unstall();
    await expect.poll(() => stream.drains).toBe(1);
    const messages = Array.from({ length: sent }, (_, i) => grpcMessage(Buffer.alloc(995, i)));
    expect(peer.socket.log.answer(1).body.equals(Buffer.concat(messages))).toBe(true);
  });

  test("leaves other streams of the connection writable", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 1_000]]);
    for (const id of [1, 3]) peer.send(headers(id, requestFields({ ":path": "/test.Test/Stream" })));
    const [slow, quick] = streams;
    while (slow.call.writable) slow.call.send(Buffer.alloc(5_000));
    peer.send(windowUpdate(3, 1_000_000));
    for (let i = 0; i < 50; i++) {
      expect(quick.call.writable).toBe(true);
      quick.call.send(Buffer.alloc(100, i));
      server.flush();
      expect(quick.call.queuedBytes).toBe(0);
    }
    expect(dataBytes(peer, 3)).toBe(50 * 105);
  });

  test("counts towards the connection's limit, and all become writable again", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    const ids = Array.from({ length: 20 }, (_, i) => 2 * i + 1);
    for (const id of ids) peer.send(headers(id, requestFields({ ":path": "/test.Test/Stream" })));
    for (const { call } of streams) while (call.writable) call.send(Buffer.alloc(5_000));
    // Four streams filled their own limit and with it the connection's: the others got one message in.
    expect(peer.connection.writer.room.queuedBytes).toBeLessThanOrEqual(
      limits.queuedBytesPerConnectionMax + 21 * 5_005,
    );
    peer.send(windowUpdate(0, 10_000_000));
    for (const id of ids) peer.send(windowUpdate(id, 1_000_000));
    for (let i = 0; i < 5; i++) await turn();
    expect(streams.map(({ drains, call }) => [drains, call.writable])).toEqual(ids.map(() => [1, true]));
    expect(peer.connection.writer.room.queuedBytes).toBe(0);
  });

  test("that ends is told its status behind what was queued", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 10]]);
    peer.send(headers(1, requestFields({ ":path": "/test.Test/Stream" })));
    const [stream] = streams;
    stream.call.send(Buffer.alloc(100, 1));
    stream.call.end({ code: 14, message: "bye" });
    expect(stream).toMatchObject({ closes: 0 });
    expect(stream.call.closed).toBe(true);
    peer.send(windowUpdate(1, 1_000));
    expect(peer.socket.log.answer(1).body).toEqual(grpcMessage(Buffer.alloc(100, 1)));
    expect(peer.socket.log.answer(1).fields["grpc-message"]).toBe("bye");
    expect(stream).toMatchObject({ closes: 1, drains: 0 });
  });

  test("that is reset frees what it queued", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    peer.send(headers(1, requestFields({ ":path": "/test.Test/Stream" })));
    while (streams[0].call.writable) streams[0].call.send(Buffer.alloc(5_000));
    peer.send(resetStream(1, frames.CANCEL));
    expect(peer.connection.writer.room.queuedBytes).toBe(0);
    expect(streams[0]).toMatchObject({ closes: 1, drains: 0 });
    expect(streams[0].call.queuedBytes).toBe(0);
  });
});

test("a message is copied or written before send and reply return", async () => {
  const { server, streams, held } = makeServer();
  const peer = openFake(server, [[SETTINGS_INITIAL_WINDOW_SIZE, 6]]);
  peer.send(
    headers(1, requestFields({ ":path": "/test.Test/Stream" })),
    request(3, "/test.Test/Hold", Buffer.alloc(0)),
  );
  const message = Buffer.alloc(1_000, 7);
  streams[0].call.send(message);
  held[0].reply(message);
  message.fill(9);
  server.flush();
  peer.send(windowUpdate(1, 2_000), windowUpdate(3, 2_000));
  for (const id of [1, 3]) expect(peer.socket.log.answer(id).body).toEqual(grpcMessage(Buffer.alloc(1_000, 7)));
});

describe("our windows", () => {
  test("GR-06 let a message of 2 MiB through without waiting", async () => {
    const { port } = await startServer();
    const client = await RawClient.connect({ port });
    client.send(frames.PREFACE, encodeFrame(frames.SETTINGS, 0, 0, Buffer.alloc(0)));
    const settings = await client.frame((frame) => frame.type === frames.SETTINGS && frame.flags === 0);
    const pairs = new Map(
      Array.from({ length: settings.payload.length / 6 }, (_, i) => [
        settings.payload.readUInt16BE(i * 6),
        settings.payload.readUInt32BE(i * 6 + 2),
      ]),
    );
    expect(pairs.get(SETTINGS_INITIAL_WINDOW_SIZE)).toBeGreaterThan(2 * 1024 * 1024 + 5);
    expect(pairs.get(frames.SETTINGS_MAX_CONCURRENT_STREAMS)).toBe(MAX_31);
    const update = await client.frame((frame) => frame.type === frames.WINDOW_UPDATE && frame.streamId === 0);
    expect(65_535 + update.payload.readUInt32BE(0)).toBe(16 * 1024 * 1024);
    const message = Buffer.alloc(2_097_152, 5);
    client.send(windowUpdate(0, 10_000_000), headers(1), windowUpdate(1, 10_000_000), data(1, grpcMessage(message)));
    expect((await client.answer(1)).body.equals(grpcMessage(message))).toBe(true);
  });

  test("are opened again for a client that sends for ever", async () => {
    const { port } = await startServer({ connectionWindowBytes: 200_000, streamWindowBytes: 100_000 });
    const client = await RawClient.open({ port });
    client.send(headers(1, requestFields({ ":path": "/test.Test/Stream" })));
    let streamWindow = 100_000;
    let connectionWindow = 200_000;
    const message = grpcMessage(Buffer.alloc(9_995));
    for (let i = 0; i < 200; i++) {
      while (streamWindow < message.length || connectionWindow < message.length) {
        const update = await client.frame((frame) => frame.type === frames.WINDOW_UPDATE);
        client.frames.splice(client.frames.indexOf(update), 1);
        if (update.streamId === 0) connectionWindow += update.payload.readUInt32BE(0);
        else streamWindow += update.payload.readUInt32BE(0);
      }
      streamWindow -= message.length;
      connectionWindow -= message.length;
      client.send(data(1, message, false));
    }
    expect(streamWindow).toBeLessThanOrEqual(100_000);
    expect(connectionWindow).toBeLessThanOrEqual(200_000);
    await client.roundTrip();
  });
});
