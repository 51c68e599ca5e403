/** Who has many calls refused for want of room is read more slowly, so that refusing does not take the time of all others. */

import { expect, test } from "vitest";

import { openFake } from "../../sim/fake-socket.ts";
import { data, request } from "./raw-client.ts";
import { makeServer } from "./test-server.ts";

const REFUSALS = 4;
/** A frame reader looks whether a turn is over after so many frames; a request has two. */
const FRAMES_PER_LOOK_MAX = 8;

/** A server whose calls are all refused, for want of room or else. */
function refusing(isForWantOfRoom: boolean, pauseMs = 1) {
  const limits = { refusalsPerReadMax: REFUSALS, refusedPauseMsMin: pauseMs, refusedPauseMsMax: pauseMs };
  const handled: number[] = [];
  const method = {
    kind: "unary" as const,
    path: "/test.Test/Refused",
    handle: (call: { fail(status: object): void }, message: Buffer): void => {
      handled.push(Number(message.toString()));
      call.fail({ code: 8, message: "no room", isForWantOfRoom });
    },
  };
  return { handled, ...makeServer(limits, { methods: [method] }) };
}

/** Whole requests on streams 1, 3, ... */
function requests(count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => request(2 * i + 1, "/test.Test/Refused", Buffer.from(String(i)))),
  );
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test("a connection with many refusals is not read for a while, and then goes on in order", async () => {
  const { server, handled } = refusing(true);
  const peer = openFake(server);
  peer.send(requests(100));
  expect(handled.length).toBeGreaterThanOrEqual(REFUSALS);
  expect(handled.length).toBeLessThanOrEqual(REFUSALS + FRAMES_PER_LOOK_MAX);
  expect(peer.socket.isPaused()).toBe(true);
  expect(server.turnShares).toMatchObject({ refused: 1, waiting: 0 });
  // Those that were read are answered at once.
  expect(peer.socket.log.answer(1).fields).toMatchObject({ "grpc-status": "8", "grpc-message": "no room" });
  const before = handled.length;
  await expect.poll(() => handled.length).toBeGreaterThan(before);
  await expect.poll(() => handled).toEqual(upTo(100));
  await expect.poll(() => peer.socket.isPaused()).toBe(false);
  expect(server.turnShares).toMatchObject({ refused: 0, waiting: 0 });
});

test("what its socket still delivers meanwhile is kept", async () => {
  const { server, handled } = refusing(true);
  const peer = openFake(server);
  const octets = requests(60);
  for (let at = 0; at < octets.length; at += 1_000) peer.send(octets.subarray(at, at + 1_000));
  expect(handled.length).toBeLessThan(60);
  await expect.poll(() => handled).toEqual(upTo(60));
});

test("others are read meanwhile", () => {
  const { server, handled } = refusing(true);
  openFake(server).send(requests(100));
  const before = handled.length;
  openFake(server).send(requests(1));
  expect(handled).toHaveLength(before + 1);
});

test("one that is closed meanwhile counts no more", async () => {
  const { server } = refusing(true, 60_000);
  const peer = openFake(server);
  peer.send(requests(100));
  expect(server.turnShares.refused).toBe(1);
  peer.connection.destroy();
  await expect.poll(() => server.turnShares.refused).toBe(0);
});

test("a fault behind the pause ends the connection", async () => {
  const { server, warnings } = refusing(true);
  openFake(server).send(Buffer.concat([requests(20), data(0, Buffer.alloc(0))]));
  expect(warnings).toEqual([]);
  await expect.poll(() => warnings).toEqual(["closed a client's connection: DATA on stream 0"]);
  expect(server.turnShares.refused).toBe(0);
});

test("a connection whose calls are refused for another reason is read on", () => {
  const { server, handled } = refusing(false);
  const peer = openFake(server);
  peer.send(requests(100));
  expect(handled).toEqual(upTo(100));
  expect(peer.socket.isPaused()).toBe(false);
});
