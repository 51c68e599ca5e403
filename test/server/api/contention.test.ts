/** What calls that wait for a lock or observe an election leave behind, and what they cost one who does not read. */
import { beforeEach, expect, test } from "vitest";
import { deleteRequest, putRequest } from "../../../bench/client/requests.ts";
import {
  campaignRequest,
  leaderRequest,
  leaderResponse,
  lockRequest,
  lockResponse,
} from "../../../proto/concurrency.ts";
import { lockMethods } from "../../../server/api/concurrency/lock.ts";
import { OwnServices } from "../../../server/api/concurrency/own-calls.ts";
import { WaitingCalls } from "../../../server/api/concurrency/waiting-calls.ts";
import { Headers } from "../../../server/api/header.ts";
import { ended } from "../../../server/api/method.ts";
import { createServices } from "../../../server/api/services.ts";
import type { Services } from "../../../server/api/services.ts";
import { systemTime } from "../../../server/clock.ts";
import { parseConfig } from "../../../server/config/config.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { DELETE_RANGE, PUT } from "../../../server/engine/kv-commands.ts";
import { LEASE_GRANT } from "../../../server/engine/lease-commands.ts";
import type { Method, StreamCall, StreamListener } from "../../../server/transport/service.ts";
import { HeldStream } from "../../sim/held-stream.ts";
import { HeldUnaryCall } from "../../sim/held-unary-call.ts";
import { execute, newEngine, NO_LOG, takeOver } from "../../support/engines.ts";
import { sessionsOf } from "../../support/passwords.ts";

let engine: Engine;
let services: Services;

beforeEach(async () => {
  engine = newEngine();
  await takeOver(engine);
  const parsed = parseConfig([], {});
  if (parsed.kind !== "config") throw new Error("no flags make a configuration");
  const headers = new Headers(1n, 7n, engine.proposer);
  services = createServices(engine, headers, systemTime, parsed.config, NO_LOG, sessionsOf(engine));
  for (const ID of [1n, 2n]) await execute(engine, LEASE_GRANT, { ID, TTL: 600 });
});

function methodOf(path: string) {
  const method = services.methods.find((each) => each.path === path);
  if (method === undefined) throw new Error(`there is no ${path}`);
  return method;
}

function wait(path: string, message: Buffer, call: HeldUnaryCall): StreamListener {
  const method = methodOf(path);
  if (method.kind !== "waiting") throw new Error("its answer may be long in coming");
  return method.handle(call, message);
}

function observe(name: string, stream: HeldStream): StreamListener {
  const method = methodOf("/v3electionpb.Election/Observe");
  if (method.kind !== "server-stream") throw new Error("it has many answers");
  return method.handle(stream, leaderRequest.encode({ name: Buffer.from(name) }));
}

const put = (key: string, value: string) => execute(engine, PUT, putRequest(key, value));

async function settled(isSettled: () => boolean): Promise<void> {
  while (!isSettled()) await new Promise((resolve) => setImmediate(resolve));
}

test.each([
  ["/v3lockpb.Lock/Lock", (lease: bigint) => lockRequest.encode({ name: Buffer.from("x"), lease })],
  [
    "/v3electionpb.Election/Campaign",
    (lease: bigint) => campaignRequest.encode({ name: Buffer.from("x"), lease, value: Buffer.alloc(0) }),
  ],
])("a call of %s that goes while it waits takes its key, and leaves no watch", async (path, message) => {
  const [holder, waiter] = [new HeldUnaryCall(), new HeldUnaryCall()];
  wait(path, message(1n), holder);
  await settled(() => holder.message !== null);
  const listener = wait(path, message(2n), waiter);
  await settled(() => engine.keyspace.watchers.count === 1);
  expect([waiter.message, engine.keyspace.lease(2n)?.keyCount]).toEqual([null, 1]);
  waiter.closed = true;
  listener.onClose();
  await settled(() => engine.keyspace.lease(2n)?.keyCount === 0);
  expect([engine.keyspace.watchers.count, services.watch.streams]).toEqual([0, 0]);
  expect(engine.keyspace.lease(1n)?.keyCount).toBe(1);
});

test("a call that goes before it has the lock that nobody else has leaves none", async () => {
  const call = new HeldUnaryCall();
  const listener = wait("/v3lockpb.Lock/Lock", lockRequest.encode({ name: Buffer.from("x"), lease: 1n }), call);
  listener.onClose();
  await settled(() => call.status !== null);
  expect([call.status?.code, engine.keyspace.lease(1n)?.keyCount]).toEqual([1, 0]);
  // One that had it before has it still.
  const request = lockRequest.encode({ name: Buffer.from("x"), lease: 1n });
  const held = new HeldUnaryCall();
  wait("/v3lockpb.Lock/Lock", request, held);
  await settled(() => held.message !== null);
  const again = new HeldUnaryCall();
  wait("/v3lockpb.Lock/Lock", request, again).onClose();
  await settled(() => again.status !== null);
  expect(engine.keyspace.lease(1n)?.keyCount).toBe(1);
  expect(lockResponse.decode(held.message ?? Buffer.alloc(0)).key.toString()).toBe("x/1");
});

test("an observer that does not read is told in order when it does, and costs no queue meanwhile", async () => {
  const stream = new HeldStream();
  await put("e/a", "0");
  const listener = observe("e", stream);
  await settled(() => stream.copied.length === 1);
  stream.writable = false;
  for (let i = 1; i <= 50; i++) await put("e/a", `${i}`);
  expect(stream.copied.length).toBeLessThan(5);
  stream.writable = true;
  listener.onDrain();
  await settled(() => stream.copied.length === 51);
  const values = stream.copied.map((message) => leaderResponse.decode(message).kv?.value.toString());
  expect(values).toEqual(Array.from({ length: 51 }, (_, i) => `${i}`));
  await execute(engine, DELETE_RANGE, deleteRequest("e/a"));
  await put("e/b", "next");
  await settled(() => stream.copied.length === 52);
  listener.onClose();
  expect([engine.keyspace.watchers.count, services.watch.streams]).toEqual([0, 0]);
});

test("a call whose watch is refused at once is refused, and gives its place and its key up", async () => {
  const refused = { code: 8, message: "etcdserver: no more watches" };
  const path = "/etcdserverpb.Watch/Watch";
  const open = (call: StreamCall): StreamListener => ended(call, refused);
  const withoutWatch = services.methods.map((each): Method =>
    each.path === path ? { kind: "bidi", path, open } : each,
  );
  const waiting = new WaitingCalls(NO_LOG);
  const [method] = lockMethods(new OwnServices(withoutWatch), waiting);
  if (method.kind !== "waiting") throw new Error("its answer may be long in coming");
  const [holder, waiter] = [new HeldUnaryCall(), new HeldUnaryCall()];
  method.handle(holder, lockRequest.encode({ name: Buffer.from("x"), lease: 1n }));
  await settled(() => holder.message !== null);
  method.handle(waiter, lockRequest.encode({ name: Buffer.from("x"), lease: 2n }));
  await settled(() => waiting.count === 0);
  expect(waiter.status?.message).toBe(refused.message);
  expect([engine.keyspace.lease(1n)?.keyCount, engine.keyspace.lease(2n)?.keyCount]).toEqual([1, 0]);
});

test.each([
  ["already", async () => put("e/a", "0")],
  ["later", async () => undefined],
])("an observer whose stream ends as it is told of who leads %s leaves no watch", async (_, first) => {
  await first();
  class Ending extends HeldStream {
    override send(message: Uint8Array): void {
      if (this.closed) return;
      super.send(message);
      this.end({ code: 8, message: "too much is queued" });
      listener.onClose();
    }
  }
  const stream = new Ending();
  const listener = observe("e", stream);
  await settled(() => services.watch.streams === 1 || stream.closed);
  await put("e/a", "1");
  await settled(() => stream.closed);
  expect([stream.copied.length, engine.keyspace.watchers.count, services.watch.streams]).toEqual([1, 0, 0]);
});
