/** Who gives a message in parts is told once when its last byte has been copied, or will not be: whatever it kept may go then. */

import { describe, expect, test } from "vitest";

import * as frames from "../../../server/transport/frames/frames.ts";
import type { GrpcServer } from "../../../server/transport/grpc-server.ts";
import type { MadePart } from "../../../server/transport/service.ts";
import { openFake } from "../../sim/fake-socket.ts";
import type { FakePeer } from "../../sim/fake-socket.ts";
import { grpcMessage, headers, request, requestFields, resetStream, data, windowUpdate } from "./raw-client.ts";
import { makeServer } from "./test-server.ts";

const WINDOW = 1_000;
const STOPPED = { code: 14, message: "etcdserver: server stopped" };
const nothing = Buffer.alloc(0);

/** Bytes that tell their place, made as they are asked for. */
class Made implements MadePart {
  readonly length: number;
  #made = 0;

  constructor(length: number) {
    this.length = length;
  }

  read(target: Uint8Array, offset: number, count: number): void {
    for (let i = 0; i < count; i++) target[offset + i] = this.#made++ % 251;
    expect(this.#made, "no byte is asked for twice").toBeLessThanOrEqual(this.length);
  }
}

function madeBytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => i % 251));
}

function open(limits: Parameters<typeof makeServer>[0] = {}): ReturnType<typeof makeServer> & { peer: FakePeer } {
  const started = makeServer(limits);
  return { ...started, peer: openFake(started.server, [[frames.SETTINGS_INITIAL_WINDOW_SIZE, WINDOW]]) };
}

/** All in which a message that waits for its client can end before it is taken. */
const ENDS: readonly [name: string, end: (peer: FakePeer, server: GrpcServer) => void][] = [
  ["the client resets the stream", (peer) => peer.send(resetStream(1, frames.CANCEL))],
  ["the client breaks a rule on the stream", (peer) => peer.send(windowUpdate(1, 0))],
  ["the client breaks a rule on the connection", (peer) => peer.send(windowUpdate(0, 0))],
  ["the connection is gone", (peer) => void peer.socket.destroy()],
  [
    "the client takes nothing for too long",
    (peer) => {
      for (let i = 0; i < 10; i++) peer.connection.sweep(performance.now());
    },
  ],
  ["the server ends all calls", (peer) => peer.connection.abortAll(STOPPED)],
];

describe("an answer in parts", () => {
  test("that passes at once is taken before the call returns", () => {
    const { server, held, peer } = open();
    peer.send(request(1, "/test.Test/Hold", nothing));
    let taken = 0;
    held[0].replyParts([Buffer.from("a"), [Buffer.from("b")], new Made(3)], 5, () => taken++);
    expect(taken).toBe(1);
    server.flush();
    const { body, fields } = peer.socket.log.answer(1);
    expect(body).toEqual(grpcMessage(Buffer.concat([Buffer.from("ab"), madeBytes(3)])));
    expect(fields["grpc-status"]).toBe("0");
    peer.send(resetStream(1, frames.CANCEL));
    peer.socket.destroy();
    expect(taken).toBe(1);
  });

  test("is taken with its last byte, made no sooner than the client's windows let it through", () => {
    const { server, held, peer } = open();
    peer.send(request(1, "/test.Test/Hold", nothing));
    let taken = 0;
    const length = 10_000;
    held[0].replyParts([new Made(length), Buffer.from("end")], length + 3, () => taken++);
    server.flush();
    for (let left = length + 3 + 5 - WINDOW; left > 0; left -= WINDOW) {
      expect(taken).toBe(0);
      peer.send(windowUpdate(1, Math.min(left, WINDOW)));
      server.flush();
    }
    expect(taken).toBe(1);
    const { body, fields } = peer.socket.log.answer(1);
    expect(body).toEqual(grpcMessage(Buffer.concat([madeBytes(length), Buffer.from("end")])));
    expect(fields["grpc-status"]).toBe("0");
  });

  test.each(ENDS)("is told of once when %s", async (_name, end) => {
    const { server, held, peer } = open({ writeStallTimeoutMs: 5_000 });
    peer.send(request(1, "/test.Test/Hold", nothing));
    let taken = 0;
    held[0].replyParts([new Made(10_000)], 10_000, () => taken++);
    server.flush();
    expect(taken).toBe(0);
    end(peer, server);
    await expect.poll(() => taken).toBe(1);
    peer.socket.destroy();
    await expect.poll(() => peer.connection.streams.length).toBe(0);
    expect(taken).toBe(1);
  });

  test("is told of when the call's deadline passes", async () => {
    const { server, held, peer } = open();
    const fields = requestFields({ ":path": "/test.Test/Hold", "grpc-timeout": "300m" });
    peer.send(headers(1, fields), data(1, grpcMessage(nothing)));
    let taken = 0;
    held[0].replyParts([new Made(10_000)], 10_000, () => taken++);
    server.flush();
    await expect.poll(() => taken, { timeout: 10_000 }).toBe(1);
    expect(held[0].closed).toBe(true);
  });

  test("is told of when the call is gone before, when too many are unread, and when it is too large", () => {
    const { server, held, peer } = open({ owedBytesPerConnectionMax: 10_000 });
    for (const id of [1, 3, 5, 7]) peer.send(request(id, "/test.Test/Hold", nothing));
    const taken = [0, 0, 0, 0];
    peer.send(resetStream(1, frames.CANCEL));
    held[0].replyParts([new Made(10)], 10, () => taken[0]++);
    held[1].replyParts([], 2 ** 31, () => taken[1]++);
    held[2].replyParts([new Made(20_000)], 20_000, () => taken[2]++);
    held[3].replyParts([new Made(20_000)], 20_000, () => taken[3]++);
    server.flush();
    expect(taken, "the third waits for its client").toEqual([1, 1, 0, 1]);
    peer.socket.destroy();
  });
});

describe("messages in parts", () => {
  function stream(limits: Parameters<typeof makeServer>[0] = {}) {
    const opened = open(limits);
    opened.peer.send(headers(1, requestFields({ ":path": "/test.Test/Stream" })));
    return { ...opened, call: opened.streams[0].call };
  }

  test("are taken one by one, also behind the end of the stream", () => {
    const { server, peer, call } = stream();
    const taken: number[] = [];
    call.sendParts([new Made(10)], 10, () => taken.push(0));
    for (const i of [1, 2, 3]) call.sendParts([new Made(600), [Buffer.alloc(400)]], 1_000, () => taken.push(i));
    call.end({ code: 0, message: "" });
    call.sendParts([new Made(5)], 5, () => taken.push(4));
    server.flush();
    expect(taken, "one passes at once, the last comes too late").toEqual([0, 4]);
    const told = [];
    for (let i = 0; i < 4; i++) {
      peer.send(windowUpdate(1, WINDOW));
      server.flush();
      told.push([...taken]);
    }
    expect(told).toEqual([
      [0, 4, 1],
      [0, 4, 1, 2],
      [0, 4, 1, 2, 3],
      [0, 4, 1, 2, 3],
    ]);
    expect(peer.socket.log.answer(1).fields["grpc-status"]).toBe("0");
  });

  test.each(ENDS)("are told of once when %s", async (_name, end) => {
    const { server, peer, call } = stream({ writeStallTimeoutMs: 5_000 });
    const taken = [0, 0];
    for (const i of [0, 1]) call.sendParts([new Made(10_000)], 10_000, () => taken[i]++);
    // A watch is not ended by a client that takes nothing; a stream that has said all it has to say is.
    call.end({ code: 0, message: "" });
    server.flush();
    expect(taken).toEqual([0, 0]);
    end(peer, server);
    await expect.poll(() => taken).toEqual([1, 1]);
    peer.socket.destroy();
    await expect.poll(() => peer.connection.streams.length).toBe(0);
    expect(taken).toEqual([1, 1]);
  });
});
