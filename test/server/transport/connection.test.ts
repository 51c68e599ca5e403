import { connect } from "node:net";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import * as frames from "../../../server/transport/frames/frames.ts";
import { encodeFrame } from "../../../server/transport/frames/frames.ts";
import { openFake } from "../../sim/fake-socket.ts";
import { TestHpackEncoder } from "./hpack-encoder.ts";
import {
  RawClient,
  REQUEST,
  data,
  grpcMessage,
  headers,
  request,
  requestFields,
  resetStream,
  windowUpdate,
} from "./raw-client.ts";
import { makeServer, startServer } from "./test-server.ts";

const { END_HEADERS, END_STREAM, HEADERS } = frames;
const hello = Buffer.from("hello");

function openStream(streamId: number, path: string): Buffer {
  return headers(streamId, requestFields({ ":path": path }));
}

describe("a unary call", () => {
  test.each([0, 1, 100, 16_374, 16_375, 16_379, 16_380, 65_000])("a message of %i bytes comes back", async (length) => {
    const { port, observed } = await startServer();
    const client = await RawClient.open({ port });
    const message = Buffer.from(Array.from({ length }, (_, i) => i));
    client.send(request(1, "/test.Test/Echo", message));
    const { fields, body, resetCode } = await client.answer(1);
    expect(fields).toEqual({ ":status": "200", "content-type": "application/grpc", "grpc-status": "0" });
    expect(body).toEqual(grpcMessage(message));
    expect(resetCode).toBeNull();
    expect(observed).toEqual(["started /test.Test/Echo", "handled /test.Test/Echo 0"]);
  });

  test("works when each connection reads into memory of its own", async () => {
    const { port } = await startServer({}, { privateReads: true });
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/Echo", Buffer.alloc(40_000, 7)));
    expect((await client.answer(1)).body).toEqual(grpcMessage(Buffer.alloc(40_000, 7)));
  });

  test("may be answered later, and all answers of a turn leave in one write", () => {
    const { server, held } = makeServer();
    const { socket, send } = openFake(server);
    for (const id of [1, 3, 5]) send(request(id, "/test.Test/Hold", hello));
    let writes = 0;
    const write = socket.write.bind(socket);
    socket.write = (chunk: unknown): boolean => {
      writes++;
      return write(chunk);
    };
    for (const call of held) call.reply(hello);
    expect(writes).toBe(0);
    server.flush();
    expect(writes).toBe(1);
    for (const id of [1, 3, 5]) expect(socket.log.answer(id).body).toEqual(grpcMessage(hello));
  });

  test("is written without a flush at the end of the turn", async () => {
    const { port, held } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/Hold", hello));
    await client.roundTrip();
    held[0].reply(hello);
    expect((await client.answer(1)).fields["grpc-status"]).toBe("0");
  });

  test("that the client cancelled is closed, and its answer is dropped", async () => {
    const { port, held, observed, server } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/Hold", hello));
    await client.roundTrip();
    expect(held[0].closed).toBe(false);
    client.send(resetStream(1, frames.CANCEL));
    await client.roundTrip();
    expect(held[0].closed).toBe(true);
    expect(server.streamCount).toBe(0);
    held[0].reply(hello);
    await client.roundTrip();
    expect(client.frames.filter((frame) => frame.streamId === 1)).toEqual([]);
    expect(observed).toEqual(["started /test.Test/Hold", "handled /test.Test/Hold 1"]);
  });

  test("of a connection that closed is closed", async () => {
    const { port, held, server } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/Hold", hello));
    await client.roundTrip();
    client.destroy();
    await expect.poll(() => held[0].closed).toBe(true);
    await expect.poll(() => server.connectionCount).toBe(0);
    held[0].fail({ code: 13, message: "too late" });
  });

  test("of a client that will send nothing more is closed", async () => {
    const { port, held } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/Hold", hello));
    await client.roundTrip();
    client.socket.end();
    await client.closed;
    await expect.poll(() => held[0].closed).toBe(true);
  });

  test("that is answered twice is a fault of the handler", async () => {
    const { server, held } = makeServer();
    const { send } = openFake(server);
    send(request(1, "/test.Test/Hold", hello));
    held[0].reply(hello);
    expect(() => held[0].reply(hello)).toThrow("answered once");
  });
});

describe("a bidirectional stream", () => {
  test("gets messages in order, then the half-close, then its end", async () => {
    const { port, streams, observed } = await startServer();
    const client = await RawClient.open({ port });
    const messages = ["one", "", "three"].map((text) => Buffer.from(text));
    client.send(
      openStream(1, "/test.Test/Stream"),
      data(1, Buffer.concat(messages.map((message) => grpcMessage(message)))),
    );
    await client.roundTrip();
    const [stream] = streams;
    expect(stream.messages).toEqual(messages);
    expect(stream).toMatchObject({ halfClosed: true, closes: 0 });
    stream.call.send(Buffer.from("a"));
    stream.call.sendParts([Buffer.from("b"), Buffer.from("c")], 2);
    stream.call.end({ code: 0, message: "" });
    expect(stream.call.closed).toBe(true);
    stream.call.send(Buffer.from("dropped"));
    stream.call.end({ code: 13, message: "dropped" });
    const { fields, body } = await client.answer(1);
    expect(body).toEqual(Buffer.concat([grpcMessage(Buffer.from("a")), grpcMessage(Buffer.from("bc"))]));
    expect(fields).toMatchObject({ ":status": "200", "grpc-status": "0" });
    expect(stream.closes).toBe(1);
    expect(observed).toEqual(["started /test.Test/Stream", "handled /test.Test/Stream 0"]);
  });

  test("sends headers only with its first message", async () => {
    const { port } = await startServer();
    const client = await RawClient.open({ port });
    client.send(openStream(1, "/test.Test/Stream"), data(1, grpcMessage(hello), false));
    await client.roundTrip();
    expect(client.frames.filter((frame) => frame.streamId === 1)).toEqual([]);
  });

  test("that the client resets is over at once", async () => {
    const { port, streams, server, observed } = await startServer();
    const client = await RawClient.open({ port });
    client.send(openStream(1, "/test.Test/Stream"), data(1, grpcMessage(hello), false), resetStream(1, frames.CANCEL));
    await client.roundTrip();
    expect(streams[0]).toMatchObject({ closes: 1, halfClosed: false });
    expect(streams[0].call.closed).toBe(true);
    expect(server.streamCount).toBe(0);
    streams[0].call.send(hello);
    streams[0].call.end({ code: 0, message: "" });
    await client.roundTrip();
    expect(client.frames.filter((frame) => frame.streamId === 1)).toEqual([]);
    expect(observed.at(-1)).toBe("handled /test.Test/Stream 1");
  });

  test("that ends before the client half-closed is followed by RST_STREAM(NO_ERROR)", async () => {
    const { port, streams } = await startServer();
    const client = await RawClient.open({ port });
    client.send(openStream(1, "/test.Test/Stream"));
    await client.roundTrip();
    streams[0].call.send(hello);
    streams[0].call.end({ code: 14, message: "gone" });
    expect((await client.answer(1)).fields).toMatchObject({ "grpc-status": "14", "grpc-message": "gone" });
    expect(await client.resetCode(1)).toBe(frames.NO_ERROR);
    // The client may not know yet.
    client.send(data(1, grpcMessage(hello)));
    await client.roundTrip();
    expect(streams[0]).toMatchObject({ closes: 1, messages: [] });
  });

  test("that is ended while it opens is closed once its listener is there", async () => {
    const { port, streams } = await startServer();
    const client = await RawClient.open({ port });
    client.send(openStream(1, "/test.Test/RefusedStream"));
    expect((await client.answer(1)).fields).toMatchObject({ "grpc-status": "7", "grpc-message": "not for you" });
    expect(streams[0].closes).toBe(1);
  });

  test("is closed when its connection goes", async () => {
    const { port, streams } = await startServer();
    const client = await RawClient.open({ port });
    client.send(openStream(1, "/test.Test/Stream"), openStream(3, "/test.Test/Stream"));
    await client.roundTrip();
    client.destroy();
    await expect.poll(() => streams.map((stream) => stream.closes)).toEqual([1, 1]);
  });
});

describe("a server stream", () => {
  test("gets one message and sends many", async () => {
    const { port, streams } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/List", hello));
    await client.roundTrip();
    expect(streams[0].messages).toEqual([hello]);
    for (let i = 0; i < 1_000; i++) streams[0].call.send(Buffer.from([i & 0xff]));
    streams[0].call.end({ code: 0, message: "" });
    const { body, fields } = await client.answer(1);
    expect(body).toHaveLength(6_000);
    expect(fields["grpc-status"]).toBe("0");
    expect(streams[0].closes).toBe(1);
  });

  test("may end without a message", async () => {
    const { port, streams } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request(1, "/test.Test/List", hello));
    await client.roundTrip();
    streams[0].call.end({ code: 12, message: "not yet" });
    const { fields, resetCode } = await client.answer(1);
    expect(fields).toMatchObject({ ":status": "200", "grpc-status": "12", "grpc-message": "not yet" });
    expect(resetCode).toBeNull();
  });
});

test("streams that live long and streams that come and go do not disturb each other", async () => {
  const { port, streams, server } = await startServer();
  const client = await RawClient.open({ port });
  client.send(windowUpdate(0, 10_000_000));
  const long: number[] = [];
  for (let id = 1; id < 40_000; id += 2) {
    // One stream of a hundred stays open: it is met again when ids go round the table.
    if (id % 200 === 1) {
      long.push(id);
      client.send(openStream(id, "/test.Test/Stream"));
    } else {
      client.send(request(id, "/test.Test/Echo", hello));
    }
    if (id % 2_000 === 1) await client.roundTrip();
  }
  await client.roundTrip();
  expect(server.streamCount).toBe(long.length);
  client.send(...long.map((id) => data(id, grpcMessage(Buffer.from(String(id))))));
  await client.roundTrip();
  expect(streams.map((stream) => stream.messages.map(String))).toEqual(long.map((id) => [String(id)]));
  for (const { call } of streams) call.end({ code: 0, message: "" });
  for (const id of long) expect((await client.answer(id)).fields["grpc-status"]).toBe("0");
  expect(server.streamCount).toBe(0);
});

test("a header block means what its fields say, also when it was seen before under another table", () => {
  const value = fc.constantFrom("3.5", "3.6", "3.7");
  const call = fc.record({
    version: fc.option(value, { nil: null }),
    leader: fc.boolean(),
    token: fc.option(fc.constantFrom("a", "b"), { nil: null }),
    how: fc.record({
      indexing: fc.constantFrom("enter", "without", "never"),
      useIndex: fc.boolean(),
      huffman: fc.boolean(),
    }),
    sizeUpdate: fc.option(fc.constantFrom(0, 60, 200, 4096), { nil: null, freq: 8 }),
  });
  fc.assert(
    fc.property(fc.array(call, { minLength: 1, maxLength: 30 }), (calls) => {
      const { server } = makeServer();
      const { socket, send } = openFake(server);
      const encoder = new TestHpackEncoder();
      for (const [i, { version, leader, token, how, sizeUpdate }] of calls.entries()) {
        const fields = requestFields({
          ":path": "/test.Test/Metadata",
          "client-api-version": version,
          hasleader: leader ? "true" : null,
          token,
        });
        const block = Buffer.concat([
          ...(sizeUpdate === null ? [] : [encoder.sizeUpdate(sizeUpdate)]),
          ...fields.map((field) => encoder.field(field, how)),
        ]);
        const id = 2 * i + 1;
        send(encodeFrame(HEADERS, END_HEADERS, id, block), data(id, grpcMessage(Buffer.alloc(0))));
        const answer: unknown = JSON.parse(socket.log.answer(id).body.subarray(5).toString());
        expect(answer).toEqual({ clientApiVersion: version, hasLeader: leader, token });
      }
    }),
  );
});

test("GR-05 every PING is answered with its octets", async () => {
  const { port } = await startServer();
  const client = await RawClient.open({ port });
  for (let i = 0; i < 50; i++) await client.roundTrip();
  expect(client.frames.filter((frame) => frame.type === frames.PING)).toHaveLength(50);
});

test("padding and priority of HEADERS and DATA are taken off", async () => {
  const { port } = await startServer();
  const client = await RawClient.open({ port });
  const block = headers(1).subarray(9);
  client.send(
    encodeFrame(
      HEADERS,
      END_HEADERS | frames.PADDED | frames.PRIORITY_FLAG,
      1,
      Buffer.concat([Buffer.of(3, 0, 0, 0, 0, 15), block, Buffer.alloc(3)]),
    ),
    encodeFrame(
      frames.DATA,
      END_STREAM | frames.PADDED,
      1,
      Buffer.concat([Buffer.of(255), grpcMessage(hello), Buffer.alloc(255)]),
    ),
  );
  expect((await client.answer(1)).body).toEqual(grpcMessage(hello));
});

test("a header block in many CONTINUATION frames is one block", async () => {
  const { port } = await startServer();
  const client = await RawClient.open({ port });
  const block = headers(1).subarray(9);
  const pieces = Array.from({ length: 10 }, (_, i) => block.subarray(i * 12, i === 9 ? block.length : (i + 1) * 12));
  client.send(encodeFrame(HEADERS, 0, 1, pieces[0]));
  for (let i = 1; i < 10; i++) client.send(encodeFrame(frames.CONTINUATION, i === 9 ? END_HEADERS : 0, 1, pieces[i]));
  client.send(data(1, grpcMessage(hello)));
  expect((await client.answer(1)).body).toEqual(grpcMessage(hello));
});

describe("a client with a small header table", () => {
  test.each([0, 100, 4_095])("of %i octets gets a size update and literals only", (tableBytes) => {
    const { server } = makeServer();
    const { socket, send } = openFake(server, [[frames.SETTINGS_HEADER_TABLE_SIZE, tableBytes]]);
    for (let i = 0; i < 3; i++) send(request(2 * i + 1, "/test.Test/Echo", hello));
    const blocks = socket.log.frames.filter((frame) => frame.type === HEADERS).map((frame) => frame.payload);
    expect(blocks.map((block) => block[0] === 0x20)).toEqual([true, false, false, false, false, false]);
    for (const block of blocks) {
      // No literal with incremental indexing (01......), no index into the dynamic table (> 61).
      const first = block[0] === 0x20 ? block[1] : block[0];
      expect([0x00, 0x88]).toContain(first);
    }
    expect(socket.log.answer(5).fields).toEqual({
      ":status": "200",
      "content-type": "application/grpc",
      "grpc-status": "0",
    });
  });

  test("may shrink its table between answers", () => {
    const { server } = makeServer();
    const { socket, send } = openFake(server);
    send(request(1, "/test.Test/Echo", hello));
    send(encodeFrame(frames.SETTINGS, 0, 0, frames.encodeSettings([[frames.SETTINGS_HEADER_TABLE_SIZE, 0]])));
    send(request(3, "/test.Test/Echo", hello), request(5, "/test.Test/Fail", hello));
    expect(socket.log.answer(3).fields).toEqual(socket.log.answer(1).fields);
    expect(socket.log.answer(5).fields).toMatchObject({
      ":status": "200",
      "grpc-status": "9",
      "grpc-message": "hello",
    });
  });
});

test("an error before any answer leaves the later header blocks right", () => {
  const { server } = makeServer();
  const { socket, send } = openFake(server);
  send(
    request(1, "/test.Test/Fail", hello),
    request(3, "/test.Test/Echo", hello),
    request(5, "/test.Test/Fail", hello),
  );
  send(request(7, "/test.Test/Echo", hello));
  for (const id of [1, 5]) expect(socket.log.answer(id).fields).toMatchObject({ ":status": "200", "grpc-status": "9" });
  for (const id of [3, 7])
    expect(socket.log.answer(id).fields).toEqual({
      ":status": "200",
      "content-type": "application/grpc",
      "grpc-status": "0",
    });
});

test("a connection ends when the client said GOAWAY and its streams are done", async () => {
  const { port, held } = await startServer();
  const client = await RawClient.open({ port });
  client.send(request(1, "/test.Test/Hold", hello), encodeFrame(frames.GOAWAY, 0, 0, Buffer.alloc(8)));
  await client.roundTrip();
  held[0].reply(hello);
  expect((await client.answer(1)).body).toEqual(grpcMessage(hello));
  await client.closed;
});

test("the first flight may hold preface, SETTINGS and requests", async () => {
  const { port } = await startServer();
  const client = new RawClient(connect(port));
  client.send(
    frames.PREFACE,
    encodeFrame(frames.SETTINGS, 0, 0, Buffer.alloc(0)),
    headers(1, REQUEST),
    data(1, grpcMessage(hello)),
  );
  expect((await client.answer(1)).body).toEqual(grpcMessage(hello));
});
