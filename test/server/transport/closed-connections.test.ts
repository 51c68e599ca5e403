/**
 * Connections that are closed. Of those that are because of their clients each is counted, and the log says whose it was
 * and why; and what hung on a connection is let go of.
 */

import { describe, expect, test } from "vitest";

import { DATA, PROTOCOL_ERROR, encodeFrame } from "../../../server/transport/frames/frames.ts";
import type { GrpcServer, GrpcServerOptions } from "../../../server/transport/grpc-server.ts";
import { openFake } from "../../sim/fake-socket.ts";
import type { FakePeer } from "../../sim/fake-socket.ts";
import { RawClient, headers, requestFields } from "./raw-client.ts";
import { makeServer, startServer } from "./test-server.ts";

interface Seen extends Partial<GrpcServerOptions> {
  readonly lines: (object & { readonly text: string })[];
  closed: number;
}

function watching(): Seen {
  const seen: Seen = {
    lines: [],
    closed: 0,
    log: { warn: (fields, text) => void seen.lines.push({ ...fields, text }) },
    observer: { onStarted() {}, onHandled() {}, onConnectionClosed: () => void seen.closed++ },
  };
  return seen;
}

test("a client that breaks a rule", async () => {
  const seen = watching();
  const { port } = await startServer({}, seen);
  const client = await RawClient.open({ port, host: "127.0.0.1" });
  const remote = `127.0.0.1:${client.socket.localPort}`;
  client.send(encodeFrame(DATA, 0, 0, Buffer.alloc(1)));
  await client.closed;
  expect(seen.lines).toEqual([
    { remote, reason: "DATA on stream 0", "error-code": PROTOCOL_ERROR, text: "closed a client's connection" },
  ]);
  expect(seen.closed).toBe(1);
});

test("a client that says nothing", async () => {
  const seen = watching();
  const { port } = await startServer({ prefaceTimeoutMs: 30 }, seen);
  const client = await RawClient.connect({ port, host: "127.0.0.1" });
  const remote = `127.0.0.1:${client.socket.localPort}`;
  await client.closed;
  expect(seen.lines).toMatchObject([{ remote, reason: "client sends nothing" }]);
  expect(seen.closed).toBe(1);
});

test("but not one that goes by itself", async () => {
  const seen = watching();
  const { port, server } = await startServer({}, seen);
  const client = await RawClient.open({ port });
  client.destroy();
  await expect.poll(() => server.connectionCount).toBe(0);
  expect([seen.lines, seen.closed]).toEqual([[], 0]);
});

describe("streams of a connection that is gone", () => {
  const stream = requestFields({ ":path": "/test.Test/Stream" });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  /** A connection with so many streams. */
  function openStreams(server: GrpcServer, count: number): FakePeer {
    const peer = openFake(server);
    peer.send(...Array.from({ length: count }, (_, i) => headers(2 * i + 1, stream)));
    return peer;
  }

  test("are let go of over several turns when they are many, and nothing is sent on them meanwhile", async () => {
    const { server, streams, observed } = makeServer();
    const peers = [openStreams(server, 1_200), openStreams(server, 900)];
    const gone = (): number => streams.filter(({ closes }) => closes > 0).length;
    expect(streams).toHaveLength(2_100);
    // One breaks a rule, the other is lost.
    peers[0].send(encodeFrame(DATA, 0, 0, Buffer.alloc(1)));
    peers[1].connection.destroy();
    expect(streams.filter(({ call }) => call.closed).length).toBeGreaterThanOrEqual(1_200);
    const before = gone();
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(1_200);
    expect(peers[0].socket.writableEnded).toBe(true);
    const written = peers[0].socket.log.frames.length;
    let turns = 0;
    for (let left = 2_100 - before; left > 0; left = 2_100 - gone(), turns++) {
      for (const { call } of streams) if (call.closed) call.send(Buffer.from("to nobody"));
      await turn();
    }
    expect(turns).toBeGreaterThan(2);
    expect(streams.every(({ closes }) => closes === 1)).toBe(true);
    expect(peers[0].socket.log.frames).toHaveLength(written);
    expect(observed.filter((line) => line.startsWith("handled"))).toHaveLength(2_100);
    expect([server.streamCount, server.sendTotals.queuedBytes]).toEqual([0, 0]);
  });

  test("are let go of at once when they are few", () => {
    const { server, streams } = makeServer();
    const peer = openStreams(server, 100);
    peer.send(encodeFrame(DATA, 0, 0, Buffer.alloc(1)));
    expect(streams.every(({ closes }) => closes === 1)).toBe(true);
  });
});
