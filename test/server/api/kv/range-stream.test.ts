import { beforeEach, expect, test } from "vitest";
import type { EncodedKv, RangeRequest } from "../../../../proto/messages.ts";
import { SORT_BY_VALUE } from "../../../../proto/messages.ts";
import { Keyspace } from "../../../../partitions/keyspace.ts";
import { COMPACTED, Refusal } from "../../../../partitions/refusals.ts";
import { writeRangeRequest } from "../../../../proto/request-writers.ts";
import { decodeRangeStreamResponse } from "../../../../proto/response-readers.ts";
import { Writer } from "../../../../proto/writer.ts";
import { Headers } from "../../../../server/api/header.ts";
import { rangeStreamMethod } from "../../../../server/api/kv/range-stream.ts";
import { RANGE_STREAM_CHUNK_KEYS, SORTED_STREAMS_MAX } from "../../../../server/limits.ts";
import { systemClock, systemTurns } from "../../../../server/clock.ts";
import { ReadGate } from "../../../../server/engine/read-gate.ts";
import { TOO_MANY_REQUESTS } from "../../../../server/engine/refusals.ts";
import { Counters } from "../../../../server/metrics/counters.ts";
import type { ServerStreamMethod, StreamListener } from "../../../../server/transport/service.ts";
import { OK } from "../../../../proto/grpc-codes.ts";
import { callersOf } from "../../../support/callers.ts";
import { prefixEnd, putRequest, rangeRequest } from "../../../../bench/client/requests.ts";
import { HeldStream } from "../../../sim/held-stream.ts";

const KEYS = 2 * RANGE_STREAM_CHUNK_KEYS + 10;
/** How many keys its messages have: etcd begins with ten and goes on with twice as many. */
const LENGTHS = [10, 20, 40, 80, 160, 320, 640, 740];

let keyspace: Keyspace;
let call: HeldStream;
let method: ServerStreamMethod;

beforeEach(() => {
  keyspace = new Keyspace();
  for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(`k/${String(i).padStart(6, "0")}`, "v"));
  call = new HeldStream();
  method = rangeStreamMethod({
    keyspace,
    reads: new ReadGate(systemClock, true),
    callers: callersOf(keyspace),
    headers: new Headers(1n, 2n, { epoch: 1 }),
    turns: systemTurns,
    counters: new Counters(),
  });
});

/** Begins a stream of all keys. */
function open(fields: Partial<RangeRequest> = {}): StreamListener {
  const writer = new Writer();
  writeRangeRequest(writer, rangeRequest("k/", { rangeEnd: prefixEnd("k/"), ...fields }));
  return method.handle(call, writer.bytes());
}

/** What has come on the call: how many keys each message has, and all of them. */
function received(): { lengths: number[]; kvs: EncodedKv[] } {
  const messages = call.copied.map((message) => decodeRangeStreamResponse(message)?.kvs ?? []);
  return { lengths: messages.map(({ length }) => length), kvs: messages.flat() };
}

/** Lets everything that can happen by itself happen. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("a stream that is not writable is sent nothing until it drains, not even a first message", async () => {
  call.writable = false;
  const listener = open();
  await turns();
  expect([call.copied.length, call.referenced.length]).toEqual([0, 0]);

  call.writable = true;
  listener.onDrain();
  await turns();
  expect(call.status?.code).toBe(OK);
  const messages = call.copied.map((message) => decodeRangeStreamResponse(message));
  expect(messages.flatMap((message) => message?.kvs ?? [])).toHaveLength(KEYS);
});

test("a stream that drains while a message is due is sent nothing twice", async () => {
  const listener = open();
  listener.onDrain();
  await turns();
  expect(call.copied).toHaveLength(LENGTHS.length);
  expect(call.status?.code).toBe(OK);
});

test("a count that takes turns comes with the last keys, and not behind them", async () => {
  const { revision } = keyspace;
  // So much has come since that the keys of then are counted one by one.
  for (let i = 0; i < 2 * KEYS; i++) keyspace.put(putRequest(`k/new-${i}`, "v"));
  open({ limit: 100, revision });
  await turns();
  const messages = call.copied.map((message) => decodeRangeStreamResponse(message));
  expect(messages.map((message) => [message?.kvs.length, message?.more, message?.count])).toEqual([
    [10, false, 0],
    [20, false, 0],
    [40, false, 0],
    [30, true, KEYS],
  ]);
});

test("messages of streams that are read by turns do not mix", async () => {
  open();
  const first = call;
  call = new HeldStream();
  open();
  await turns();
  expect(first.copied).toHaveLength(LENGTHS.length);
  expect(Buffer.concat(call.copied).equals(Buffer.concat(first.copied))).toBe(true);
});

test("RS-06: one that is sorted begins when its keys are known, with no message that has none, and loses no key", async () => {
  for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(`k/${String(i).padStart(6, "0")}`, String((i * 7) % 1_000)));
  const expected = keyspace.range(rangeRequest("k/", { rangeEnd: prefixEnd("k/"), sortTarget: SORT_BY_VALUE }));
  if (expected instanceof Refusal) throw new Error(expected.message);
  open({ sortTarget: SORT_BY_VALUE });
  keyspace.put(putRequest("k/new", "0"));
  await turns();
  const { lengths, kvs } = received();
  expect(lengths).toEqual([RANGE_STREAM_CHUNK_KEYS, RANGE_STREAM_CHUNK_KEYS, 10]);
  expect(Buffer.concat(kvs).equals(Buffer.concat(expected.kvs))).toBe(true);
  expect(call.status?.code).toBe(OK);
});

test("RS-02: one that is sorted ends, too, when a compaction has passed its revision", async () => {
  open({ sortTarget: SORT_BY_VALUE });
  keyspace.put(putRequest("k/new"));
  keyspace.compact(keyspace.revision);
  await turns();
  expect([received().lengths, call.status]).toEqual([[], COMPACTED]);
});

test("so many that are sorted may be open, and who closes one makes room", () => {
  const listeners = Array.from({ length: SORTED_STREAMS_MAX }, () => {
    call = new HeldStream();
    call.writable = false;
    return open({ sortTarget: SORT_BY_VALUE });
  });
  const next = (fields: Partial<RangeRequest>): typeof call.status => {
    call = new HeldStream();
    open(fields);
    return call.status;
  };
  expect([next({ sortTarget: SORT_BY_VALUE }), next({})]).toEqual([TOO_MANY_REQUESTS, null]);
  listeners[3].onClose();
  expect([next({ sortTarget: SORT_BY_VALUE }), next({ sortTarget: SORT_BY_VALUE })]).toEqual([null, TOO_MANY_REQUESTS]);
});
