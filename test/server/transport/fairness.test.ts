/** How long one connection's input may keep the others waiting, and that nothing is lost where it is interrupted. */

import { describe, expect, test } from "vitest";

import { TurnShares } from "../../../server/transport/connection/turn-shares.ts";
import * as frames from "../../../server/transport/frames/frames.ts";
import { openFake } from "../../sim/fake-socket.ts";
import { RawClient, data, grpcMessage, headers, request, requestFields, windowUpdate } from "./raw-client.ts";
import { makeServer, startServer } from "./test-server.ts";

const nothing = Buffer.alloc(0);

/** Whole requests on streams 1, 3, ... */
function requests(count: number, path: string): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => request(2 * i + 1, path, Buffer.from(String(i)))));
}

/** A unary method that keeps the processor busy, and what was told to it. */
function slowMethod(ms: number) {
  const handled: string[] = [];
  const method = {
    kind: "unary" as const,
    path: "/test.Test/Slow",
    handle: (call: { reply(message: Uint8Array): void }, message: Buffer): void => {
      handled.push(message.toString());
      for (const until = performance.now() + ms; performance.now() < until;);
      call.reply(nothing);
    },
  };
  return { handled, method };
}

describe("a connection whose requests are slow", () => {
  test("lets others in between", async () => {
    const { handled, method } = slowMethod(4);
    const { port } = await startServer({ turnMs: 1 }, { methods: [method] });
    const greedy = await RawClient.open({ port });
    const modest = await RawClient.open({ port });
    greedy.send(requests(100, "/test.Test/Slow"));
    await greedy.answer(1);
    await modest.roundTrip();
    expect(handled.length).toBeLessThan(100);
    await greedy.answer(199);
    expect(handled).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
  });

  test("is not read from until its input is worked off", async () => {
    const { handled, method } = slowMethod(2);
    const { server } = makeServer({ turnMs: 1 }, { methods: [method] });
    const peer = openFake(server);
    peer.send(requests(10, "/test.Test/Slow"));
    expect(handled.length).toBeLessThan(10);
    expect(peer.socket.isPaused()).toBe(true);
    await expect.poll(() => peer.socket.isPaused()).toBe(false);
    expect(handled).toHaveLength(10);
  });

  test("keeps its order when more arrives nevertheless", async () => {
    const { server } = makeServer({ turnMs: 0 });
    const peer = openFake(server);
    const octets = requests(50, "/test.Test/Echo");
    for (let at = 0; at < octets.length; at += 1_000) peer.send(octets.subarray(at, at + 1_000));
    await expect.poll(() => peer.socket.isPaused()).toBe(false);
    const answers = Array.from({ length: 50 }, (_, i) => peer.socket.log.answer(2 * i + 1).body.toString("utf8", 5));
    expect(answers).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
  });
});

describe("a connection that is interrupted", () => {
  const limits = { turnMs: 0 };

  test("and closed does nothing more", async () => {
    const { server, observed } = makeServer(limits);
    const peer = openFake(server);
    await expect.poll(() => peer.socket.isPaused()).toBe(false);
    peer.send(requests(50, "/test.Test/Echo"));
    peer.connection.destroy();
    for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
    // The one that had begun has ended.
    expect(observed).toEqual(["started /test.Test/Echo", "handled /test.Test/Echo 1"]);
    expect(server.connectionCount).toBe(0);
  });

  test("ends at a fault in what was left", async () => {
    const { server, warnings } = makeServer(limits);
    const peer = openFake(server);
    peer.send(requests(5, "/test.Test/Echo"), data(0, nothing), request(21, "/test.Test/Echo", nothing));
    await expect.poll(() => warnings).toEqual(["closed a client's connection: DATA on stream 0"]);
    expect(peer.socket.log.answer(9).fields["grpc-status"]).toBe("0");
    expect(peer.socket.log.answer(21).fields).toEqual({});
  });

  test("still reads what came before the client's GOAWAY and behind it", async () => {
    const { server } = makeServer(limits);
    const peer = openFake(server);
    const goaway = frames.encodeFrame(frames.GOAWAY, 0, 0, frames.encodeGoaway(0, 0, ""));
    peer.send(headers(1), goaway, data(1, grpcMessage(Buffer.from("last"))));
    await expect.poll(() => peer.socket.writableEnded).toBe(true);
    expect(peer.socket.log.answer(1).body.toString("utf8", 5)).toBe("last");
  });

  test("ends in a shutdown, and its client learns what was not taken on", async () => {
    const { port, server, observed } = await startServer(limits);
    const client = await RawClient.open({ port });
    client.send(windowUpdate(0, 1_000_000), requests(2_000, "/test.Test/Echo"));
    await client.answer(1);
    await server.shutdown(1_000);
    await client.closed;
    const last = client.frames.findLast((frame) => frame.type === frames.GOAWAY);
    const started = observed.filter((line) => line.startsWith("started"));
    expect(last?.payload.readUInt32BE(0)).toBe(2 * started.length - 1);
  });

  test("takes a streaming call's messages in order", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server);
    const messages = Buffer.concat(Array.from({ length: 1_000 }, (_, i) => grpcMessage(Buffer.from(String(i)))));
    peer.send(headers(1, requestFields({ ":path": "/test.Test/Stream" })), data(1, messages, true, 100));
    await expect.poll(() => streams[0]?.halfClosed).toBe(true);
    expect(streams[0].messages.map(String)).toEqual(Array.from({ length: 1_000 }, (_, i) => String(i)));
  });
});

describe("a frame with many messages", () => {
  const limits = { turnMs: 0 };
  const messages = Array.from({ length: 100 }, (_, i) => grpcMessage(Buffer.from(String(i))));
  const inOrder = messages.map((_, i) => String(i));
  const stream = headers(1, requestFields({ ":path": "/test.Test/Stream" }));

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test("is read message by message while others have their turns, and nothing is read behind it before", async () => {
    const { server, streams } = makeServer(limits);
    const greedy = openFake(server);
    const modest = openFake(server);
    await expect.poll(() => greedy.socket.isPaused() || modest.socket.isPaused()).toBe(false);
    greedy.send(stream);
    await expect.poll(() => greedy.socket.isPaused()).toBe(false);
    greedy.send(data(1, Buffer.concat(messages), false), request(3, "/test.Test/Echo", Buffer.from("behind")));
    expect(streams[0].messages).toHaveLength(1);
    expect(greedy.socket.isPaused()).toBe(true);
    await turn();
    expect(streams[0].messages).toHaveLength(2);
    modest.send(request(1, "/test.Test/Echo", Buffer.from("between")));
    while (modest.socket.log.answer(1).body.length === 0) await turn();
    expect(streams[0].messages.length).toBeLessThan(10);
    await expect.poll(() => greedy.socket.log.answer(3).body.toString("utf8", 5)).toBe("behind");
    expect(streams[0].messages.map(String)).toEqual(inOrder);
  });

  test("that is the stream's last ends it after all of them", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server);
    peer.send(stream, data(1, Buffer.concat(messages)));
    await expect.poll(() => streams[0]?.halfClosed).toBe(true);
    expect(streams[0].messages.map(String)).toEqual(inOrder);
  });

  test("is dropped with its stream, and the connection goes on", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server);
    peer.send(stream, data(1, Buffer.concat(messages), false), request(3, "/test.Test/Echo", Buffer.from("behind")));
    while ((streams[0]?.messages.length ?? 0) < 5) await turn();
    streams[0].call.end({ code: 7, message: "enough" });
    const taken = streams[0].messages.length;
    await expect.poll(() => peer.socket.log.answer(3).body.toString("utf8", 5)).toBe("behind");
    expect(streams[0].messages).toHaveLength(taken);
    expect(streams[0].closes).toBe(1);
  });

  test("is dropped with its connection", async () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server);
    peer.send(stream, data(1, Buffer.concat(messages)));
    while ((streams[0]?.messages.length ?? 0) < 5) await turn();
    peer.connection.destroy();
    for (let turns = 0; turns < 10; turns++) await turn();
    expect(streams[0].messages.length).toBeLessThan(10);
    expect(server.connectionCount).toBe(0);
  });
});

describe("connections whose input waits for the next turn", () => {
  test("share it, as far as that makes sense", () => {
    const shares = new TurnShares(10);
    const shareOf = (waiting: number): number => {
      shares.waiting = waiting;
      return shares.shareMs;
    };
    expect([0, 1, 4, 19, 1_000].map(shareOf)).toEqual([10, 5, 2, 0.5, 0.2]);
    const least = new TurnShares(0);
    least.waiting = 3;
    expect(least.shareMs).toBe(0);
  });

  test("are counted until they have gone on, or are gone", async () => {
    const { server } = makeServer({ turnMs: 0 });
    const peers = [openFake(server), openFake(server), openFake(server)];
    await expect.poll(() => server.turnShares.waiting).toBe(0);
    for (const peer of peers) peer.send(requests(20, "/test.Test/Echo"));
    expect(server.turnShares.waiting).toBe(3);
    peers[0].connection.destroy();
    peers[1].send(data(0, nothing));
    await expect.poll(() => server.turnShares.waiting).toBe(0);
    expect(peers[2].socket.log.answer(39).fields["grpc-status"]).toBe("0");
  });
});
