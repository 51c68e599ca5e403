import { expect, test } from "vitest";
import { Refusal } from "../../../partitions/refusals.ts";
import { WaitingCalls } from "../../../server/api/concurrency/waiting-calls.ts";
import { HeldUnaryCall } from "../../sim/held-unary-call.ts";
import { NO_LOG } from "../../support/engines.ts";

test("calls beyond the limit are refused, and one that has ended makes room", async () => {
  const waiting = new WaitingCalls(NO_LOG, 2);
  const ends: ((answer: Buffer | Refusal) => void)[] = [];
  const wait = (): Promise<Buffer | Refusal> => new Promise((resolve) => ends.push(resolve));
  const calls = Array.from({ length: 4 }, () => new HeldUnaryCall());
  for (const call of calls.slice(0, 3)) waiting.run(call, wait);
  expect(calls.map(({ status }) => status?.message)).toEqual([
    undefined,
    undefined,
    "etcdserver: too many requests",
    undefined,
  ]);
  ends[0](Buffer.from("it"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls[0].message?.toString()).toBe("it");
  waiting.run(calls[3], wait);
  expect([calls[3].status, waiting.count]).toEqual([null, 2]);
});

test("who has gone has its place until it has been seen to", async () => {
  const waiting = new WaitingCalls(NO_LOG, 1);
  const left = Promise.withResolvers<void>();
  const listener = waiting.run(new HeldUnaryCall(), async (signal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await left.promise;
    return new Refusal(1, "gone");
  });
  listener.onClose();
  expect(waiting.enter()).toBe(false);
  left.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  expect(waiting.enter()).toBe(true);
});

test("what throws is told of, costs its own call and gives its place back", async () => {
  const lines: object[] = [];
  const waiting = new WaitingCalls({ ...NO_LOG, warn: (fields) => void lines.push(fields) }, 1);
  const error = new Error("a fault");
  const call = new HeldUnaryCall();
  waiting.run(call, async () => {
    throw error;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect([call.status?.code, waiting.count, lines]).toEqual([13, 0, [{ error }]]);
});
