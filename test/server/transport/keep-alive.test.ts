/** PINGs of clients, which may not come too often, and ours, which tell who is still there. */

import { describe, expect, test, vi } from "vitest";

import { Connection } from "../../../server/transport/connection/connection.ts";
import { Liveness, DEAD, NOTHING_TO_DO, TO_PING } from "../../../server/transport/connection/liveness.ts";
import { PingPolicy } from "../../../server/transport/connection/ping-policy.ts";
import {
  ACK,
  ENHANCE_YOUR_CALM,
  GOAWAY,
  PING,
  PREFACE,
  REFUSED_STREAM,
  SETTINGS,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  encodeFrame,
} from "../../../server/transport/frames/frames.ts";
import { openFake } from "../../sim/fake-socket.ts";
import type { FakePeer } from "../../sim/fake-socket.ts";
import { RawClient, headers, request, requestFields } from "./raw-client.ts";
import { makeServer, startServer } from "./test-server.ts";

const nothing = Buffer.alloc(0);
const ping = encodeFrame(PING, 0, 0, Buffer.alloc(8));
const stream = headers(1, requestFields({ ":path": "/test.Test/Stream" }));

const HOUR_MS = 3_600_000;

function framesOf(peer: FakePeer, type: number, flags = 0): Buffer[] {
  return peer.socket.log.frames
    .filter((frame) => frame.type === type && frame.flags === flags)
    .map(({ payload }) => payload);
}

describe("a client with streams", () => {
  test("may ping once in the interval, for ever", () => {
    const policy = new PingPolicy(5_000);
    for (let i = 0; i < 100; i++) expect(policy.exceededBy(i * 5_000, false, false)).toBe(false);
  });

  test("may be early twice between two answers", () => {
    const policy = new PingPolicy(5_000);
    const early = (now: number, answered: boolean): boolean => policy.exceededBy(now, false, answered);
    expect([0, 1, 2].map((now) => early(now, false))).toEqual([false, false, false]);
    expect(early(3, true)).toBe(false);
    expect([4, 5].map((now) => early(now, false))).toEqual([false, false]);
    // One that is in time takes nothing back.
    expect(early(10_000, false)).toBe(false);
    expect(early(10_001, false)).toBe(true);
  });
});

test("a client without streams has nothing to keep alive, and waits two hours", () => {
  const policy = new PingPolicy(5_000);
  const idle = (now: number): boolean => policy.exceededBy(now, true, false);
  expect([0, 2 * HOUR_MS, 4 * HOUR_MS, 6 * HOUR_MS].map(idle)).toEqual([false, false, false, false]);
  expect([7 * HOUR_MS, 8 * HOUR_MS, 9 * HOUR_MS].map(idle)).toEqual([false, false, true]);
});

describe("a client that pings too often", () => {
  const limits = { pingIntervalMsMin: 60_000 };

  test("is answered and sent away as grpc-go does it", () => {
    const { server, warnings } = makeServer(limits);
    const peer = openFake(server);
    peer.send(stream, ping, ping, ping);
    expect(framesOf(peer, GOAWAY)).toEqual([]);
    peer.send(ping);
    expect(framesOf(peer, PING, ACK)).toHaveLength(4);
    const [goaway] = framesOf(peer, GOAWAY);
    expect([goaway.readUInt32BE(0), goaway.readUInt32BE(4)]).toEqual([1, ENHANCE_YOUR_CALM]);
    expect(goaway.toString("utf8", 8)).toBe("too_many_pings");
    expect(peer.socket.writableEnded).toBe(true);
    expect(warnings).toEqual(["closed a client's connection: too_many_pings"]);
  });

  test("but has answers in between is left alone", () => {
    const { server, streams } = makeServer(limits);
    const peer = openFake(server);
    peer.send(stream);
    for (let i = 0; i < 50; i++) {
      streams[0].call.send(Buffer.from("event"));
      peer.send(ping, ping, ping);
    }
    for (let i = 0; i < 50; i++) peer.send(request(2 * i + 3, "/test.Test/Echo", nothing), ping, ping, ping);
    expect(framesOf(peer, GOAWAY)).toEqual([]);
    expect(framesOf(peer, PING, ACK)).toHaveLength(300);
  });
});

describe("a silent client", () => {
  test("is sent a PING after the interval, and is dead when that brings nothing until the timeout", () => {
    const liveness = new Liveness(1_000, 300);
    expect([0, 999, 1_000, 1_300, 1_301].map((now) => liveness.look(now, 0))).toEqual([
      NOTHING_TO_DO,
      NOTHING_TO_DO,
      TO_PING,
      NOTHING_TO_DO,
      DEAD,
    ]);
  });

  test("that says anything at all is alive, and has the interval again", () => {
    const liveness = new Liveness(1_000, 300);
    expect(liveness.look(1_000, 0)).toBe(TO_PING);
    expect(liveness.look(1_400, 1_200)).toBe(NOTHING_TO_DO);
    expect(liveness.look(2_199, 1_200)).toBe(NOTHING_TO_DO);
    expect(liveness.look(2_200, 1_200)).toBe(TO_PING);
    expect(liveness.look(2_501, 1_200)).toBe(DEAD);
  });

  const limits = { keepAliveIntervalMs: 60_000, keepAliveTimeoutMs: 20_000 };
  const after = (ms: number): number => performance.now() + ms;

  test("loses its connection, and its streams are released", async () => {
    const { server, streams, warnings } = makeServer(limits);
    const peer = openFake(server);
    peer.send(stream);
    peer.connection.sweep(after(59_000));
    expect(framesOf(peer, PING)).toEqual([]);
    peer.connection.sweep(after(60_001));
    expect(framesOf(peer, PING)).toHaveLength(1);
    peer.connection.sweep(after(79_000));
    expect(peer.socket.destroyed).toBe(false);
    peer.connection.sweep(after(82_000));
    expect(peer.socket.destroyed).toBe(true);
    expect(warnings).toEqual(["closed a client's connection: client does not answer a PING"]);
    await expect.poll(() => streams[0].closes).toBe(1);
  });

  test("is not judged while we do not read what it says", () => {
    const { server } = makeServer(limits);
    const peer = openFake(server);
    peer.socket.stall();
    while (!peer.socket.isPaused()) peer.send(...Array.from({ length: 100 }, () => ping));
    peer.connection.sweep(after(59_000));
    peer.connection.sweep(after(118_000));
    expect(framesOf(peer, PING)).toEqual([]);
    expect(peer.socket.destroyed).toBe(false);
    peer.socket.destroy();
  });
});

describe("after a stall of the server", () => {
  /** Runs among the timers of a turn: behind it come those that are due by then, and what has arrived is read. */
  const amongTimers = (run: () => void): Promise<void> =>
    new Promise((resolve) => {
      setTimeout(() => {
        run();
        setImmediate(resolve);
      }, 0);
    });
  const stall = (ms: number): void => {
    for (const until = performance.now() + ms; performance.now() < until;);
  };

  test("what clients sent meanwhile is read before they are judged", async () => {
    const order: string[] = [];
    const handled = (): void => void order.push("handled");
    const { port } = await startServer(
      { sweepIntervalMs: 20 },
      { observer: { onStarted: handled, onHandled() {}, onConnectionClosed() {} } },
    );
    const client = await RawClient.open({ port });
    const sweep = vi.spyOn(Connection.prototype, "sweep").mockImplementation(() => void order.push("judged"));
    await amongTimers(() => {
      order.length = 0;
      client.send(request(1, "/test.Test/Echo", nothing));
      stall(60);
    });
    await client.answer(1);
    await expect.poll(() => order.length).toBeGreaterThan(1);
    expect(order.slice(0, 2)).toEqual(["handled", "judged"]);
    sweep.mockRestore();
    client.destroy();
  });

  test("a client whose first bytes are there is not too late with them", async () => {
    const prefaceTimeoutMs = 1_000;
    const { port } = await startServer({ prefaceTimeoutMs });
    const client = await RawClient.connect({ port });
    await amongTimers(() => {
      client.send(PREFACE, encodeFrame(SETTINGS, 0, 0, nothing));
      stall(prefaceTimeoutMs + 100);
    });
    expect((await client.frame((frame) => frame.type === SETTINGS)).streamId).toBe(0);
    client.destroy();
  });
});

test("as many streams are announced as a connection may have", async () => {
  const { port } = await startServer({ streamsPerConnectionMax: 2, streamsAnnounced: 2 });
  const client = await RawClient.connect({ port });
  const first = client.frame((frame) => frame.type === SETTINGS);
  client.send(PREFACE, encodeFrame(SETTINGS, 0, 0, nothing));
  const { payload } = await first;
  const settings = new Map<number, number>();
  for (let at = 0; at < payload.length; at += 6) settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  expect(settings.get(SETTINGS_MAX_CONCURRENT_STREAMS)).toBe(2);
  const hold = requestFields({ ":path": "/test.Test/Stream" });
  client.send(headers(1, hold), headers(3, hold), headers(5, hold));
  expect(await client.resetCode(5)).toBe(REFUSED_STREAM);
  client.destroy();
});
