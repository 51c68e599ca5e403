import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { DeadlineWheel } from "../../../server/transport/stream/deadline-wheel.ts";
import type { Deadline } from "../../../server/transport/stream/deadline-wheel.ts";
import * as frames from "../../../server/transport/frames/frames.ts";
import { parseGrpcTimeout } from "../../../server/transport/headers/grpc-timeout.ts";
import { RawClient, data, grpcMessage, headers, requestFields } from "./raw-client.ts";
import { startServer } from "./test-server.ts";

test.each([
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["30S", 30_000],
  ["99999999m", 99_999_999],
  ["5u", 0.005],
  ["0n", 0],
  ["", -1],
  ["1", -1],
  ["S", -1],
  ["1s", -1],
  ["-1S", -1],
  ["1.5S", -1],
  ["123456789S", -1],
])("the timeout %j is %d ms", (value, ms) => {
  expect(parseGrpcTimeout(value)).toBeCloseTo(ms, 9);
});

describe("the wheel of deadlines", () => {
  test("expires each deadline once, never early, and soon", () => {
    const step = fc.oneof(
      fc.record({ add: fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 60_000 })) }),
      fc.record({ remove: fc.nat() }),
      fc.record({ pass: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 30_000 })) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        let now = 1_000_000.5;
        const wheel = new DeadlineWheel(() => now);
        const open = new Map<Deadline, number>();
        for (const { add, remove, pass } of steps as { add?: number; remove?: number; pass?: number }[]) {
          if (add !== undefined) {
            const due = now + add;
            const deadline: Deadline = wheel.add(
              {
                onDeadline: () => {
                  expect(now).toBeGreaterThanOrEqual(due);
                  expect(open.delete(deadline)).toBe(true);
                },
              },
              add,
            );
            open.set(deadline, due);
          } else if (remove !== undefined) {
            const deadline = [...open.keys()][remove % Math.max(1, open.size)];
            if (deadline !== undefined) {
              wheel.remove(deadline);
              open.delete(deadline);
            }
          } else {
            now += pass as number;
            wheel.turn();
            for (const due of open.values()) expect(due).toBeGreaterThan(now - 40);
          }
          expect(wheel.length).toBe(open.size);
        }
        wheel.stop();
      }),
    );
  });

  test("lets one deadline remove another that is due as well", () => {
    let now = 0;
    const wheel = new DeadlineWheel(() => now);
    const told: string[] = [];
    const pair: Deadline[] = [];
    for (const name of ["a", "b"]) {
      pair.push(
        wheel.add(
          {
            onDeadline: () => {
              told.push(name);
              for (const other of pair) if (other.linked) wheel.remove(other);
            },
          },
          100,
        ),
      );
    }
    now = 1_000;
    wheel.turn();
    expect(told).toHaveLength(1);
    expect(wheel.length).toBe(0);
  });
});

describe("GR-09 a call whose time is up", () => {
  const nothing = grpcMessage(Buffer.alloc(0));

  test("is answered DEADLINE_EXCEEDED, and its handler's answer is dropped", async () => {
    const { port, held, observed, server } = await startServer();
    const client = await RawClient.open({ port });
    client.send(headers(1, requestFields({ ":path": "/test.Test/Hold", "grpc-timeout": "30m" })), data(1, nothing));
    const { fields } = await client.answer(1);
    expect(fields).toMatchObject({ ":status": "200", "grpc-status": "4", "grpc-message": "context deadline exceeded" });
    expect(held[0].closed).toBe(true);
    held[0].reply(Buffer.alloc(0));
    await client.roundTrip();
    expect(client.frames.filter((frame) => frame.streamId === 1)).toHaveLength(1);
    expect(observed).toEqual(["started /test.Test/Hold", "handled /test.Test/Hold 4"]);
    expect(server.deadlines.length).toBe(0);
  });

  test("is ended as well when its request is not complete", async () => {
    const { port, server } = await startServer();
    const client = await RawClient.open({ port });
    client.send(headers(1, requestFields({ "grpc-timeout": "1m" })), data(1, nothing.subarray(0, 2), false));
    expect((await client.answer(1)).fields["grpc-status"]).toBe("4");
    expect(await client.resetCode(1)).toBe(frames.NO_ERROR);
    expect(server.streamCount).toBe(0);
  });

  test("is ended when it is a stream", async () => {
    const { port, streams } = await startServer();
    const client = await RawClient.open({ port });
    client.send(headers(1, requestFields({ ":path": "/test.Test/Stream", "grpc-timeout": "100m" })));
    await client.roundTrip();
    streams[0].call.send(Buffer.of(1));
    expect((await client.answer(1)).fields["grpc-status"]).toBe("4");
    expect(streams[0]).toMatchObject({ closes: 1 });
  });

  test("is reset when a message could be cut", async () => {
    const { port, server } = await startServer();
    const client = await RawClient.open({ port });
    const large = grpcMessage(Buffer.from("1000000"));
    client.send(headers(1, requestFields({ ":path": "/test.Test/Large", "grpc-timeout": "100m" })), data(1, large));
    const { body, resetCode } = await client.answer(1);
    expect(body).toHaveLength(65_535);
    expect(resetCode).toBe(frames.CANCEL);
    expect(server.streamCount).toBe(0);
  });

  test("leaves nothing behind when it was answered in time", async () => {
    const { port, server } = await startServer();
    const client = await RawClient.open({ port });
    client.send(headers(1, requestFields({ "grpc-timeout": "10S" })), data(1, nothing));
    expect((await client.answer(1)).fields["grpc-status"]).toBe("0");
    expect(server.deadlines.length).toBe(0);
  });
});
