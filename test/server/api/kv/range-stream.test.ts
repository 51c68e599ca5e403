import { beforeEach, expect, test } from "vitest";
import { Keyspace } from "../../../../partitions/keyspace.ts";
import { writeRangeRequest } from "../../../../proto/request-writers.ts";
import { decodeRangeStreamResponse } from "../../../../proto/response-readers.ts";
import { Writer } from "../../../../proto/writer.ts";
import { Headers } from "../../../../server/api/header.ts";
import { rangeStreamMethod } from "../../../../server/api/kv/range-stream.ts";
import { RANGE_STREAM_CHUNK_KEYS } from "../../../../server/limits.ts";
import { Counters } from "../../../../server/metrics/counters.ts";
import type { StreamListener } from "../../../../server/transport/service.ts";
import { OK } from "../../../../proto/grpc-codes.ts";
import { callersOf } from "../../../support/callers.ts";
import { prefixEnd, putRequest, rangeRequest } from "../../../../bench/client/requests.ts";
import { HeldStream } from "../../../sim/held-stream.ts";

const KEYS = 2 * RANGE_STREAM_CHUNK_KEYS + 10;

let keyspace: Keyspace;
let call: HeldStream;

beforeEach(() => {
  keyspace = new Keyspace();
  for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(`k/${String(i).padStart(6, "0")}`, "v"));
  call = new HeldStream();
});

/** Begins a stream of all keys. */
function open(): StreamListener {
  const method = rangeStreamMethod({
    keyspace,
    callers: callersOf(keyspace),
    headers: new Headers(1n, 2n, { epoch: 1 }),
    counters: new Counters(),
  });
  const writer = new Writer();
  writeRangeRequest(writer, rangeRequest("k/", { rangeEnd: prefixEnd("k/") }));
  return method.handle(call, writer.bytes());
}

/** Lets everything that can happen by itself happen. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
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
  expect(call.copied).toHaveLength(3);
  expect(call.status?.code).toBe(OK);
});

test("messages of streams that are read by turns do not mix", async () => {
  open();
  const first = call;
  call = new HeldStream();
  open();
  await turns();
  expect(first.copied).toHaveLength(3);
  expect(Buffer.concat(call.copied).equals(Buffer.concat(first.copied))).toBe(true);
});
