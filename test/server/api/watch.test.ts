import { beforeEach, expect, test } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { decodeWatchResponse } from "../../../proto/response-readers.ts";
import { writeWatchRequest } from "../../../proto/request-writers.ts";
import type { WatchCreateRequest, WatchResponse } from "../../../proto/messages.ts";
import { Writer } from "../../../proto/writer.ts";
import { Headers } from "../../../server/api/header.ts";
import { WatchService } from "../../../server/api/watch.ts";
import { systemTurns } from "../../../server/clock.ts";
import { CatchUp } from "../../../server/engine/catch-up.ts";
import { Counters } from "../../../server/metrics/counters.ts";
import type { BidiMethod, StreamListener } from "../../../server/transport/service.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { callersOf } from "../../support/callers.ts";
import { putRequest, watchCreateRequest } from "../../../bench/client/requests.ts";
import { HeldStream } from "../../sim/held-stream.ts";

let keyspace: Keyspace;
let call: HeldStream;
let stream: StreamListener;

beforeEach(() => {
  keyspace = new Keyspace();
  const service = new WatchService({
    keyspace,
    callers: callersOf(keyspace),
    catchUp: new CatchUp(keyspace, systemTurns, () => {}),
    headers: new Headers(1n, 2n, { epoch: 1 }),
    clock: new ManualClock(),
    counters: new Counters(),
    progressIntervalMs: 600_000,
    fragmentBytes: 2 * 1024 * 1024,
  });
  call = new HeldStream();
  const [method] = service.methods as [BidiMethod];
  stream = method.open(call);
});

/** Asks for a watch and gives the answer. */
function create(request: WatchCreateRequest): WatchResponse {
  const writer = new Writer();
  writeWatchRequest(writer, { case: "create", request });
  stream.onMessage(writer.bytes());
  return decodeWatchResponse(call.copied[call.copied.length - 1]);
}

function put(key: string, value: string): void {
  keyspace.put(putRequest(key, value));
  keyspace.watchers.flush();
}

test("watches of one unread stream share the bytes of an event", () => {
  for (let i = 0; i < 3; i++) create(watchCreateRequest("a"));
  call.copied.length = 0;
  call.writable = false;
  put("a", "v".repeat(1_000));
  expect(call.copied).toHaveLength(0);
  expect(call.referenced).toHaveLength(3);
  const events = call.referenced.map((parts) => parts[parts.length - 1]);
  expect(events[1]).toBe(events[0]);
  expect(events[2]).toBe(events[0]);
  const responses = call.referenced.map((parts) => decodeWatchResponse(Buffer.concat(parts)));
  expect(responses.map(({ watchId, events: { length } }) => [watchId, length])).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
  ]);
});

test("small events of a stream that is read are copied", () => {
  create(watchCreateRequest("a"));
  call.copied.length = 0;
  put("a", "v");
  expect(call.referenced).toEqual([]);
  expect(call.copied).toHaveLength(1);
});

test("a watch id that cannot be told apart from others is refused, and the stream lives", () => {
  const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number;
  for (const watchId of [MAX_SAFE_INTEGER + 1, MIN_SAFE_INTEGER - 1]) {
    expect(create(watchCreateRequest("a", { watchId }))).toMatchObject({
      watchId: -1,
      created: true,
      canceled: true,
      cancelReason: "etcdserver: watch id is out of range",
    });
  }
  for (const watchId of [MAX_SAFE_INTEGER, MIN_SAFE_INTEGER]) {
    expect(create(watchCreateRequest("a", { watchId }))).toMatchObject({ watchId, created: true, canceled: false });
  }
});
