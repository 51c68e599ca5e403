import { beforeEach, expect, test, vi } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { decodeWatchResponse } from "../../../proto/response-readers.ts";
import { writeWatchRequest } from "../../../proto/request-writers.ts";
import type { WatchCreateRequest, WatchRequest, WatchResponse } from "../../../proto/messages.ts";
import { Writer } from "../../../proto/writer.ts";
import { Headers } from "../../../server/api/header.ts";
import { WatchService } from "../../../server/api/watch.ts";
import { systemTurns } from "../../../server/clock.ts";
import { CatchUp } from "../../../server/engine/catch-up.ts";
import { Leadership } from "../../../server/engine/leadership.ts";
import { ReadGate } from "../../../server/engine/read-gate.ts";
import { Counters } from "../../../server/metrics/counters.ts";
import type { BidiMethod, StreamListener } from "../../../server/transport/service.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { callersOf } from "../../support/callers.ts";
import { putRequest, watchCreateRequest } from "../../../bench/client/requests.ts";
import { HeldStream } from "../../sim/held-stream.ts";
import { SeededTurns } from "../../sim/seeded-turns.ts";
import { Watcher } from "../../../partitions/watch/watcher.ts";
import { SLICE_PROGRESS_WATCHES } from "../../../server/limits.ts";

const PROGRESS_INTERVAL_MS = 600_000;

let keyspace: Keyspace;
let call: HeldStream;
let stream: StreamListener;
let clock: ManualClock;
let turns: SeededTurns;

beforeEach(() => {
  keyspace = new Keyspace();
  clock = new ManualClock();
  turns = new SeededTurns(() => 0);
  const service = new WatchService({
    keyspace,
    callers: callersOf(keyspace),
    catchUp: new CatchUp(keyspace, systemTurns, () => {}),
    headers: new Headers(1n, 2n, { epoch: 1 }),
    clock,
    turns,
    counters: new Counters(),
    leadership: new Leadership(new ReadGate(clock, true), clock),
    reads: new ReadGate(clock, true),
    progressIntervalMs: PROGRESS_INTERVAL_MS,
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

function send(request: WatchRequest): void {
  const writer = new Writer();
  writeWatchRequest(writer, request);
  stream.onMessage(writer.bytes());
}

test("a request for progress costs the same however many watches the stream has", () => {
  const watches = 500;
  const requests = 100;
  // All begin behind, and so have to be looked at once.
  put("a", "v");
  for (let i = 0; i < watches; i++) create(watchCreateRequest("a", { startRevision: 1 }));
  keyspace.watchers.catchUp(Number.POSITIVE_INFINITY);
  call.copied.length = 0;
  const looks = vi.spyOn(Watcher.prototype, "synced", "get");
  for (let i = 0; i < requests; i++) send({ case: "progress" });
  expect(call.copied).toHaveLength(requests);
  expect(looks.mock.calls.length).toBeLessThanOrEqual(watches + requests);
  looks.mockRestore();
});

test("a request for progress is dropped while one watch is not told everything, and answered afterwards", () => {
  create(watchCreateRequest("a"));
  create(watchCreateRequest("b"));
  call.writable = false;
  put("a", "v");
  call.writable = true;
  call.copied.length = 0;
  send({ case: "progress" });
  expect(call.copied).toHaveLength(0);
  stream.onDrain();
  send({ case: "progress" });
  expect(decodeWatchResponse(call.copied[0])).toMatchObject({ watchId: -1, header: { revision: 2 } });
});

test("a watch that has ended does not keep the others from progress", () => {
  create(watchCreateRequest("a"));
  create(watchCreateRequest("b", { startRevision: 1_000 }));
  call.copied.length = 0;
  send({ case: "progress" });
  expect(call.copied).toHaveLength(0);
  send({ case: "cancel", watchId: 1 });
  send({ case: "progress" });
  expect(call.copied.map((response) => decodeWatchResponse(response).watchId)).toEqual([1, -1]);
});

test("periodic progress of many watches is told in slices, with turns for others between them", async () => {
  const watches = SLICE_PROGRESS_WATCHES * 2 + 1;
  for (let i = 0; i < watches; i++) create(watchCreateRequest("a", { progressNotify: true }));
  call.copied.length = 0;
  await clock.advance(PROGRESS_INTERVAL_MS * 1.1);
  expect(call.copied).toHaveLength(SLICE_PROGRESS_WATCHES);
  await turns.turn();
  expect(call.copied).toHaveLength(SLICE_PROGRESS_WATCHES * 2);
  await turns.turn();
  expect(call.copied).toHaveLength(watches);
  await clock.advance(PROGRESS_INTERVAL_MS * 1.1);
  await turns.settle();
  expect(call.copied).toHaveLength(watches * 2);
});

test("periodic progress ends with its stream", async () => {
  for (let i = 0; i <= SLICE_PROGRESS_WATCHES; i++) create(watchCreateRequest("a", { progressNotify: true }));
  await clock.advance(PROGRESS_INTERVAL_MS * 1.1);
  call.closed = true;
  stream.onClose();
  await turns.settle();
  expect(clock.pending).toBe(0);
});
