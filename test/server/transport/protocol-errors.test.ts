import { describe, expect, test } from "vitest";

import * as frames from "../../../server/transport/frames/frames.ts";
import { encodeFrame, encodeSettings } from "../../../server/transport/frames/frames.ts";
import { literalBlock } from "../../../server/transport/headers/hpack.ts";
import {
  RawClient,
  REQUEST,
  data,
  grpcMessage,
  headers,
  requestFields,
  resetStream,
  uint32,
  windowUpdate,
} from "./raw-client.ts";
import { startServer } from "./test-server.ts";

const { ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY_FLAG, SETTINGS } = frames;
const NOTHING = Buffer.alloc(0);
const BLOCK = literalBlock(REQUEST);
const FIRST_HALF = BLOCK.subarray(0, 20);
const SECOND_HALF = BLOCK.subarray(20);

/** Opens stream 1 as a call that stays open. */
const OPEN = headers(1, requestFields({ ":path": "/test.Test/Stream" }));
/** Opens stream 1, half-closed by the client, and still to be answered. */
const HALF_CLOSED = Buffer.concat([
  headers(1, requestFields({ ":path": "/test.Test/Hold" })),
  data(1, grpcMessage(NOTHING)),
]);

function priority(streamId: number, dependency: number): Buffer {
  return encodeFrame(frames.PRIORITY, 0, streamId, Buffer.concat([uint32(dependency), Buffer.of(16)]));
}

function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  return encodeFrame(SETTINGS, 0, 0, encodeSettings(pairs));
}

describe("violations that end the connection", () => {
  test.each<[title: string, code: number, octets: Uint8Array[]]>([
    ["a frame above the frame size", frames.FRAME_SIZE_ERROR, [encodeFrame(DATA, 0, 1, Buffer.alloc(16_385))]],
    ["DATA on stream 0", frames.PROTOCOL_ERROR, [encodeFrame(DATA, 0, 0, NOTHING)]],
    ["DATA on an idle stream", frames.PROTOCOL_ERROR, [encodeFrame(DATA, 0, 1, NOTHING)]],
    ["DATA on a stream that only we may open", frames.PROTOCOL_ERROR, [OPEN, encodeFrame(DATA, 0, 2, NOTHING)]],
    [
      "DATA padding as long as the frame",
      frames.PROTOCOL_ERROR,
      [OPEN, encodeFrame(DATA, PADDED, 1, Buffer.of(3, 0, 0))],
    ],
    ["DATA padded without a length", frames.PROTOCOL_ERROR, [OPEN, encodeFrame(DATA, PADDED, 1, NOTHING)]],
    ["HEADERS on stream 0", frames.PROTOCOL_ERROR, [headers(0)]],
    ["HEADERS on an even stream", frames.PROTOCOL_ERROR, [headers(2)]],
    ["HEADERS on a lower stream that was never open", frames.STREAM_CLOSED, [request3(), headers(1)]],
    [
      "HEADERS padding above the frame",
      frames.PROTOCOL_ERROR,
      [encodeFrame(HEADERS, PADDED | END_HEADERS, 1, Buffer.of(9, 0x82))],
    ],
    [
      "HEADERS padded without a length",
      frames.PROTOCOL_ERROR,
      [encodeFrame(HEADERS, PADDED | END_HEADERS, 1, NOTHING)],
    ],
    [
      "HEADERS too short for their priority",
      frames.PROTOCOL_ERROR,
      [encodeFrame(HEADERS, PRIORITY_FLAG | END_HEADERS, 1, Buffer.of(0, 0, 0))],
    ],
    [
      "HEADERS that depend on themselves",
      frames.PROTOCOL_ERROR,
      [encodeFrame(HEADERS, PRIORITY_FLAG | END_HEADERS, 1, Buffer.concat([uint32(1), Buffer.of(0), BLOCK]))],
    ],
    [
      "CONTINUATION without HEADERS",
      frames.PROTOCOL_ERROR,
      [encodeFrame(frames.CONTINUATION, END_HEADERS, 1, NOTHING)],
    ],
    [
      "CONTINUATION of another stream",
      frames.PROTOCOL_ERROR,
      [encodeFrame(HEADERS, 0, 1, FIRST_HALF), encodeFrame(frames.CONTINUATION, END_HEADERS, 3, SECOND_HALF)],
    ],
    [
      "another frame within a header block",
      frames.PROTOCOL_ERROR,
      [encodeFrame(HEADERS, 0, 1, FIRST_HALF), encodeFrame(PING, 0, 0, Buffer.alloc(8))],
    ],
    [
      "an unknown frame within a header block",
      frames.PROTOCOL_ERROR,
      [encodeFrame(HEADERS, 0, 1, FIRST_HALF), encodeFrame(0xfa, 0, 0, NOTHING)],
    ],
    ["PRIORITY on stream 0", frames.PROTOCOL_ERROR, [priority(0, 1)]],
    [
      "PRIORITY of a wrong length on no stream",
      frames.FRAME_SIZE_ERROR,
      [encodeFrame(frames.PRIORITY, 0, 1, Buffer.alloc(4))],
    ],
    ["RST_STREAM on stream 0", frames.PROTOCOL_ERROR, [resetStream(0, 8)]],
    ["RST_STREAM on an idle stream", frames.PROTOCOL_ERROR, [resetStream(1, 8)]],
    [
      "RST_STREAM of a wrong length",
      frames.FRAME_SIZE_ERROR,
      [OPEN, encodeFrame(frames.RST_STREAM, 0, 1, Buffer.alloc(3))],
    ],
    ["SETTINGS on a stream", frames.PROTOCOL_ERROR, [encodeFrame(SETTINGS, 0, 1, NOTHING)]],
    ["SETTINGS acknowledged with a payload", frames.FRAME_SIZE_ERROR, [encodeFrame(SETTINGS, ACK, 0, Buffer.alloc(6))]],
    ["SETTINGS of a wrong length", frames.FRAME_SIZE_ERROR, [encodeFrame(SETTINGS, 0, 0, Buffer.alloc(7))]],
    ["SETTINGS ENABLE_PUSH 2", frames.PROTOCOL_ERROR, [settings([frames.SETTINGS_ENABLE_PUSH, 2])]],
    [
      "SETTINGS INITIAL_WINDOW_SIZE 2^31",
      frames.FLOW_CONTROL_ERROR,
      [settings([frames.SETTINGS_INITIAL_WINDOW_SIZE, 2 ** 31])],
    ],
    ["SETTINGS MAX_FRAME_SIZE 16383", frames.PROTOCOL_ERROR, [settings([frames.SETTINGS_MAX_FRAME_SIZE, 16_383])]],
    ["SETTINGS MAX_FRAME_SIZE 2^24", frames.PROTOCOL_ERROR, [settings([frames.SETTINGS_MAX_FRAME_SIZE, 2 ** 24])]],
    [
      "SETTINGS that lift a stream's window above 2^31-1",
      frames.FLOW_CONTROL_ERROR,
      [OPEN, windowUpdate(1, 2 ** 31 - 1 - 65_535), settings([frames.SETTINGS_INITIAL_WINDOW_SIZE, 65_536])],
    ],
    [
      "PUSH_PROMISE",
      frames.PROTOCOL_ERROR,
      [encodeFrame(frames.PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), BLOCK]))],
    ],
    ["PING on a stream", frames.PROTOCOL_ERROR, [encodeFrame(PING, 0, 1, Buffer.alloc(8))]],
    ["PING of a wrong length", frames.FRAME_SIZE_ERROR, [encodeFrame(PING, 0, 0, Buffer.alloc(7))]],
    ["GOAWAY on a stream", frames.PROTOCOL_ERROR, [encodeFrame(GOAWAY, 0, 1, Buffer.alloc(8))]],
    ["GOAWAY that is too short", frames.FRAME_SIZE_ERROR, [encodeFrame(GOAWAY, 0, 0, Buffer.alloc(7))]],
    [
      "WINDOW_UPDATE of a wrong length",
      frames.FRAME_SIZE_ERROR,
      [encodeFrame(frames.WINDOW_UPDATE, 0, 0, Buffer.alloc(5))],
    ],
    ["WINDOW_UPDATE by 0 of the connection", frames.PROTOCOL_ERROR, [windowUpdate(0, 0)]],
    ["WINDOW_UPDATE of the connection above 2^31-1", frames.FLOW_CONTROL_ERROR, [windowUpdate(0, 2 ** 31 - 65_535)]],
    ["WINDOW_UPDATE on an idle stream", frames.PROTOCOL_ERROR, [windowUpdate(1, 1)]],
    [
      "a header block that cannot be decoded",
      frames.COMPRESSION_ERROR,
      [encodeFrame(HEADERS, END_HEADERS, 1, Buffer.of(0x80))],
    ],
    [
      "an undecodable block of trailers",
      frames.COMPRESSION_ERROR,
      [OPEN, encodeFrame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.of(0xff, 0xff, 0x7f))],
    ],
  ])("%s", async (_title, code, octets) => {
    const { port, server } = await startServer();
    const client = await RawClient.open({ port });
    client.send(...octets);
    expect((await client.goaway()).errorCode).toBe(code);
    await client.closed;
    expect(server.streamCount).toBe(0);
  });

  test("the first frame is not SETTINGS", async () => {
    const { port } = await startServer();
    const client = await RawClient.connect({ port });
    client.send(frames.PREFACE, encodeFrame(PING, 0, 0, Buffer.alloc(8)));
    expect((await client.goaway()).errorCode).toBe(frames.PROTOCOL_ERROR);
  });

  test("the first frame is an acknowledgement of SETTINGS", async () => {
    const { port } = await startServer();
    const client = await RawClient.connect({ port });
    client.send(frames.PREFACE, encodeFrame(SETTINGS, ACK, 0, NOTHING));
    expect((await client.goaway()).errorCode).toBe(frames.PROTOCOL_ERROR);
  });

  test("a preface that goes wrong late", async () => {
    const { port } = await startServer();
    const client = await RawClient.connect({ port });
    client.send(frames.PREFACE.subarray(0, 20));
    await client.frame((frame) => frame.type === SETTINGS);
    client.send(Buffer.from("SM\r\nxx"));
    expect((await client.goaway()).errorCode).toBe(frames.PROTOCOL_ERROR);
    await client.closed;
  });
});

/** Stream 3 as a finished call. */
function request3(): Buffer {
  return Buffer.concat([headers(3), data(3, grpcMessage(NOTHING))]);
}

describe("violations that end only the stream", () => {
  test.each<[title: string, code: number, octets: Uint8Array[]]>([
    ["DATA behind END_STREAM", frames.STREAM_CLOSED, [HALF_CLOSED, encodeFrame(DATA, 0, 1, Buffer.of(1))]],
    [
      "HEADERS behind END_STREAM",
      frames.STREAM_CLOSED,
      [HALF_CLOSED, headers(1, [["x", "y"]], END_HEADERS | END_STREAM)],
    ],
    ["second HEADERS without END_STREAM", frames.PROTOCOL_ERROR, [OPEN, headers(1, [["x", "y"]])]],
    [
      "trailers with a pseudo-header",
      frames.PROTOCOL_ERROR,
      [OPEN, headers(1, [[":path", "/"]], END_HEADERS | END_STREAM)],
    ],
    ["trailers with a bad name", frames.PROTOCOL_ERROR, [OPEN, headers(1, [["X", "y"]], END_HEADERS | END_STREAM)]],
    [
      "PRIORITY of a wrong length",
      frames.FRAME_SIZE_ERROR,
      [OPEN, encodeFrame(frames.PRIORITY, 0, 1, Buffer.alloc(6))],
    ],
    ["WINDOW_UPDATE by 0", frames.PROTOCOL_ERROR, [OPEN, windowUpdate(1, 0)]],
    ["WINDOW_UPDATE above 2^31-1", frames.FLOW_CONTROL_ERROR, [OPEN, windowUpdate(1, 2 ** 31 - 65_535)]],
    ["a pseudo-header behind a regular one", frames.PROTOCOL_ERROR, [headers(1, [["te", "trailers"], ...REQUEST])]],
    ["a pseudo-header twice", frames.PROTOCOL_ERROR, [headers(1, [[":path", "/"], ...REQUEST])]],
    ["an unknown pseudo-header", frames.PROTOCOL_ERROR, [headers(1, [[":color", "red"], ...REQUEST])]],
    [":status in a request", frames.PROTOCOL_ERROR, [headers(1, [[":status", "200"], ...REQUEST])]],
    ["no :method", frames.PROTOCOL_ERROR, [headers(1, requestFields({ ":method": null }))]],
    ["no :scheme", frames.PROTOCOL_ERROR, [headers(1, requestFields({ ":scheme": null }))]],
    ["no :path", frames.PROTOCOL_ERROR, [headers(1, requestFields({ ":path": null }))]],
    ["an empty :path", frames.PROTOCOL_ERROR, [headers(1, requestFields({ ":path": "" }))]],
    ["an upper case name", frames.PROTOCOL_ERROR, [headers(1, requestFields({ "X-Y": "z" }))]],
    ["a name with a blank", frames.PROTOCOL_ERROR, [headers(1, requestFields({ "x y": "z" }))]],
    ["an empty name", frames.PROTOCOL_ERROR, [headers(1, requestFields({ "": "z" }))]],
    ["CR in a value", frames.PROTOCOL_ERROR, [headers(1, requestFields({ x: "a\rb" }))]],
    ["LF in a value", frames.PROTOCOL_ERROR, [headers(1, requestFields({ x: "a\nb" }))]],
    ["NUL in a value", frames.PROTOCOL_ERROR, [headers(1, requestFields({ x: "a\0b" }))]],
    ["connection", frames.PROTOCOL_ERROR, [headers(1, requestFields({ connection: "close" }))]],
    ["keep-alive", frames.PROTOCOL_ERROR, [headers(1, requestFields({ "keep-alive": "1" }))]],
    ["proxy-connection", frames.PROTOCOL_ERROR, [headers(1, requestFields({ "proxy-connection": "close" }))]],
    ["transfer-encoding", frames.PROTOCOL_ERROR, [headers(1, requestFields({ "transfer-encoding": "chunked" }))]],
    ["upgrade", frames.PROTOCOL_ERROR, [headers(1, requestFields({ upgrade: "websocket" }))]],
    ["te other than trailers", frames.PROTOCOL_ERROR, [headers(1, requestFields({ te: "gzip" }))]],
    [
      "content-length that is no number",
      frames.PROTOCOL_ERROR,
      [headers(1, requestFields({ "content-length": "1x" }))],
    ],
    [
      "content-length above what comes",
      frames.PROTOCOL_ERROR,
      [headers(1, requestFields({ "content-length": "6" })), data(1, grpcMessage(NOTHING))],
    ],
    [
      "content-length below what comes",
      frames.PROTOCOL_ERROR,
      [headers(1, requestFields({ "content-length": "4" })), data(1, grpcMessage(NOTHING))],
    ],
  ])("%s", async (_title, code, octets) => {
    const { port, server } = await startServer();
    const client = await RawClient.open({ port });
    client.send(...octets);
    expect(await client.resetCode(1)).toBe(code);
    // The connection lives, and its header tables are in step.
    client.send(request3());
    expect((await client.answer(3)).fields["grpc-status"]).toBe("0");
    expect(server.streamCount).toBe(0);
  });

  test("a stream's receive window exceeded", async () => {
    const { port } = await startServer({ streamWindowBytes: 1_000 });
    const client = await RawClient.open({ port });
    client.send(OPEN, data(1, Buffer.alloc(1_001), false));
    expect(await client.resetCode(1)).toBe(frames.FLOW_CONTROL_ERROR);
    client.send(request3());
    expect((await client.answer(3)).fields["grpc-status"]).toBe("0");
  });
});

describe("what must be tolerated", () => {
  test.each<[title: string, octets: Uint8Array[]]>([
    ["frames of unknown types", [encodeFrame(0xfa, 0xff, 7, Buffer.alloc(30))]],
    ["unknown flags", [encodeFrame(PING, 0xfe, 0, Buffer.alloc(8))]],
    ["unknown settings", [settings([0xff, 7], [frames.SETTINGS_ENABLE_PUSH, 0])]],
    ["PRIORITY for any stream", [priority(9, 3)]],
    ["WINDOW_UPDATE on a stream that has ended", [request1(), windowUpdate(1, 100)]],
    ["RST_STREAM on a stream that has ended", [request1(), resetStream(1, 8)]],
    ["PRIORITY on a stream that has ended", [request1(), priority(1, 0)]],
  ])("%s", async (_title, octets) => {
    const { port } = await startServer();
    const client = await RawClient.open({ port });
    client.send(...octets, request3());
    expect((await client.answer(3)).fields["grpc-status"]).toBe("0");
    expect(client.frames.some((frame) => frame.type === GOAWAY)).toBe(false);
  });

  test("DATA for a stream that we reset is ignored, and counts against no window for good", async () => {
    const { port } = await startServer({ connectionWindowBytes: 100_000 });
    const client = await RawClient.open({ port });
    client.send(headers(1, requestFields({ te: "gzip" })));
    expect(await client.resetCode(1)).toBe(frames.PROTOCOL_ERROR);
    const flood = data(1, Buffer.alloc(16_384, 7), false);
    for (let i = 0; i < 20; i++) {
      client.send(flood);
      await client.roundTrip();
    }
    client.send(request3());
    expect((await client.answer(3)).fields["grpc-status"]).toBe("0");
    expect(client.frames.filter((frame) => frame.type === frames.RST_STREAM)).toHaveLength(1);
  });

  test("DATA on a stream that ended long ago is answered with STREAM_CLOSED", async () => {
    const { port } = await startServer();
    const client = await RawClient.open({ port });
    client.send(request1());
    await client.answer(1);
    client.send(encodeFrame(DATA, 0, 1, Buffer.of(1)));
    expect(await client.resetCode(1)).toBe(frames.STREAM_CLOSED);
  });
});

function request1(): Buffer {
  return Buffer.concat([headers(1), data(1, grpcMessage(NOTHING))]);
}

describe("gRPC's own rules", () => {
  const echo = grpcMessage(Buffer.from("hello"));
  test.each<[title: string, octets: Uint8Array[], answer: Record<string, string>]>([
    [
      "GET",
      [headers(1, requestFields({ ":method": "GET" }), END_HEADERS | END_STREAM)],
      { ":status": "405", "grpc-status": "13" },
    ],
    [
      "a wrong content type",
      [headers(1, requestFields({ "content-type": "application/json" })), data(1, echo)],
      { ":status": "415", "grpc-status": "3" },
    ],
    [
      "a content type that only begins like gRPC's",
      [headers(1, requestFields({ "content-type": "application/grpcx" })), data(1, echo)],
      { ":status": "415" },
    ],
    ["no content type", [headers(1, requestFields({ "content-type": null })), data(1, echo)], { ":status": "415" }],
    [
      "a content type with a subtype",
      [headers(1, requestFields({ "content-type": "application/grpc+proto" })), data(1, echo)],
      { ":status": "200", "grpc-status": "0" },
    ],
    [
      "an unknown service",
      [headers(1, requestFields({ ":path": "/no.Such/Thing" })), data(1, echo)],
      { "grpc-status": "12", "grpc-message": "unknown service no.Such" },
    ],
    [
      "an unknown method",
      [headers(1, requestFields({ ":path": "/test.Test/Thing" })), data(1, echo)],
      { "grpc-status": "12", "grpc-message": "unknown method Thing for service test.Test" },
    ],
    [
      "a path without method",
      [headers(1, requestFields({ ":path": "/thing" })), data(1, echo)],
      { "grpc-status": "12", "grpc-message": 'malformed method name: "/thing"' },
    ],
    ["no message", [headers(1), data(1, NOTHING)], { "grpc-status": "13" }],
    ["no message, END_STREAM on HEADERS", [headers(1, REQUEST, END_HEADERS | END_STREAM)], { "grpc-status": "13" }],
    ["two messages", [headers(1), data(1, Buffer.concat([echo, echo]))], { "grpc-status": "13" }],
    ["two messages in two frames", [headers(1), data(1, echo, false), data(1, echo)], { "grpc-status": "13" }],
    [
      "a truncated message",
      [headers(1), data(1, echo.subarray(0, 8))],
      { "grpc-status": "13", "grpc-message": "unexpected EOF" },
    ],
    ["a truncated prefix", [headers(1), data(1, echo.subarray(0, 3))], { "grpc-status": "13" }],
    [
      "flag 2",
      [headers(1), data(1, grpcMessage(NOTHING, 2))],
      { "grpc-status": "13", "grpc-message": "grpc: received unexpected payload format 2" },
    ],
    ["flag 1 without an encoding", [headers(1), data(1, grpcMessage(NOTHING, 1))], { "grpc-status": "13" }],
    [
      "flag 1 with an unknown encoding",
      [headers(1, requestFields({ "grpc-encoding": "zstd" })), data(1, grpcMessage(NOTHING, 1))],
      { "grpc-status": "12", "grpc-message": 'grpc: Decompressor is not installed for grpc-encoding "zstd"' },
    ],
    [
      "an unknown encoding that is not used",
      [headers(1, requestFields({ "grpc-encoding": "zstd" })), data(1, echo)],
      { "grpc-status": "0" },
    ],
    [
      "GR-03 a message above the limit",
      [headers(1), data(1, Buffer.concat([Buffer.of(0), uint32(2_097_153)]), false)],
      { "grpc-status": "8", "grpc-message": "grpc: received message larger than max (2097153 vs. 2097152)" },
    ],
    [
      "a malformed timeout",
      [headers(1, requestFields({ "grpc-timeout": "1x" })), data(1, echo)],
      { ":status": "400", "grpc-status": "13" },
    ],
    [
      "a timeout with nine digits",
      [headers(1, requestFields({ "grpc-timeout": "123456789m" })), data(1, echo)],
      { "grpc-status": "13" },
    ],
    [
      "a header list above the limit",
      [headers(1, requestFields({ x: "y".repeat(16_200) })), data(1, echo)],
      { ":status": "431", "grpc-status": "8" },
    ],
    [
      "trailers behind the message",
      [headers(1), data(1, echo, false), headers(1, [["x", "y"]], END_HEADERS | END_STREAM)],
      { "grpc-status": "0" },
    ],
    [
      "an empty DATA frame with END_STREAM behind the message",
      [headers(1), data(1, echo, false), data(1, NOTHING)],
      { "grpc-status": "0" },
    ],
  ])("%s", async (_title, octets, expected) => {
    const { port, server } = await startServer();
    const client = await RawClient.open({ port });
    client.send(...octets);
    expect((await client.answer(1)).fields).toMatchObject(expected);
    client.send(request3());
    expect((await client.answer(3)).fields["grpc-status"]).toBe("0");
    await client.roundTrip();
    expect(server.streamCount).toBe(0);
  });

  test("an answer before the request's end is followed by RST_STREAM(NO_ERROR)", async () => {
    const { port } = await startServer();
    const client = await RawClient.open({ port });
    client.send(headers(1, requestFields({ ":path": "/no.Such/Thing" })));
    expect((await client.answer(1)).fields["grpc-status"]).toBe("12");
    expect(await client.resetCode(1)).toBe(frames.NO_ERROR);
    client.send(data(1, Buffer.alloc(10_000)), request3());
    expect((await client.answer(3)).fields["grpc-status"]).toBe("0");
  });

  test("GR-11 a status text comes back from its percent code", async () => {
    const { port } = await startServer();
    const client = await RawClient.open({ port });
    client.send(
      headers(1, requestFields({ ":path": "/test.Test/Fail" })),
      data(1, grpcMessage(Buffer.from("100% schön/gut\n"))),
    );
    const { fields } = await client.answer(1);
    expect(fields).toMatchObject({ ":status": "200", "grpc-status": "9", "grpc-message": "100%25 sch%C3%B6n/gut%0A" });
  });

  test("metadata reaches the handler", async () => {
    const { port } = await startServer();
    const client = await RawClient.open({ port });
    const fields = requestFields({
      ":path": "/test.Test/Metadata",
      "client-api-version": "3.6",
      hasleader: "true",
      token: "t",
      "x-other": "y",
    });
    client.send(headers(1, fields), data(1, grpcMessage(NOTHING)));
    const { body } = await client.answer(1);
    expect(JSON.parse(body.subarray(5).toString())).toEqual({ clientApiVersion: "3.6", hasLeader: true, token: "t" });
  });
});
