/** What an answer keeps until its client has taken it, however it is read: the bytes, no revision, and nothing afterwards. */
import { beforeEach, expect, test } from "vitest";
import type { DeleteRangeResponse, EncodedKv, RangeRequest, TxnRequest } from "../../../../proto/messages.ts";
import { SORT_BY_VALUE } from "../../../../proto/messages.ts";
import { writeDeleteRangeRequest, writeRangeRequest, writeTxnRequest } from "../../../../proto/request-writers.ts";
import {
  decodeDeleteRangeResponse,
  decodeRangeResponse,
  decodeTxnResponse,
} from "../../../../proto/response-readers.ts";
import { Writer } from "../../../../proto/writer.ts";
import type { KvService } from "../../../../server/api/kv/kv.ts";
import type { Engine } from "../../../../server/engine/engine.ts";
import { COPIED_RESPONSE_BYTES, RANGE_SLICE_KEYS } from "../../../../server/limits.ts";
import type { MessageParts, ServerStreamMethod, UnaryMethod } from "../../../../server/transport/service.ts";
import {
  compare,
  del,
  deleteRequest,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
} from "../../../../bench/client/requests.ts";
import { newEngine, takeOver } from "../../../support/engines.ts";
import { newKvService } from "../../../support/kv-service.ts";
import { HeldStream } from "../../../sim/held-stream.ts";
import { HeldUnaryCall } from "../../../sim/held-unary-call.ts";
import { SeededTurns } from "../../../sim/seeded-turns.ts";

const KEYS = 2 * RANGE_SLICE_KEYS + 10;
const ALL = { rangeEnd: Buffer.from("l") };
const FIRST_100 = { rangeEnd: Buffer.from("k00100") };

/** A call whose client takes its answer when the test says so. */
class SlowCall extends HeldUnaryCall {
  take: (() => void) | null = null;

  override replyParts(parts: MessageParts, length: number, onTaken?: () => void): void {
    super.replyParts(parts, length);
    this.take = onTaken ?? null;
  }
}

let engine: Engine;
let turns: SeededTurns;
let service: KvService;

beforeEach(async () => {
  turns = new SeededTurns(() => 0);
  engine = newEngine();
  await takeOver(engine);
  for (let i = 0; i < KEYS; i++) engine.keyspace.put(putRequest(keyOf(i), Buffer.alloc(i < 100 ? 1_000 : 100, i)));
  engine.keyspace.put(putRequest("large", Buffer.alloc(2 * COPIED_RESPONSE_BYTES)));
  service = newKvService(engine, turns);
});

const keyOf = (i: number): string => `k${String(i).padStart(5, "0")}`;

/** Calls a method with one message. */
function call(name: string, write: (writer: Writer) => void): SlowCall {
  const made = new SlowCall();
  const writer = new Writer();
  write(writer);
  const method = service.methods.find(({ path }) => path === `/etcdserverpb.KV/${name}`) as UnaryMethod;
  method.handle(made, writer.bytes());
  return made;
}

const ranged = (key: string, fields: Partial<RangeRequest>): SlowCall =>
  call("Range", (writer) => writeRangeRequest(writer, rangeRequest(key, fields)));
const txn = (request: TxnRequest): SlowCall => call("Txn", (writer) => writeTxnRequest(writer, request));

function streamed(fields: Partial<RangeRequest>): { stream: HeldStream; close: () => void } {
  const stream = new HeldStream();
  const writer = new Writer();
  writeRangeRequest(writer, rangeRequest("k", { ...ALL, ...fields }));
  const method = service.methods.find(({ path }) => path === "/etcdserverpb.KV/RangeStream") as ServerStreamMethod;
  const listener = method.handle(stream, writer.bytes());
  return { stream, close: () => listener.onClose() };
}

const isLong = compare("k", { ...ALL, result: 1, number: 0 });
const ANSWERS: readonly [name: string, ask: () => SlowCall][] = [
  ["a long list", () => ranged("k", ALL)],
  ["a long list without values", () => ranged("k", { ...ALL, keysOnly: true })],
  ["a long list that is sorted", () => ranged("k", { ...ALL, sortTarget: SORT_BY_VALUE })],
  ["a short list of many bytes", () => ranged("k", FIRST_100)],
  ["a large value", () => ranged("large", {})],
  ["a txn that reads in one go", () => txn(txnRequest([range("k", FIRST_100), range("large")]))],
  ["a txn that reads in slices", () => txn(txnRequest([range("k", ALL), range("large")], [], Array(20).fill(isLong)))],
];

test.each(ANSWERS)("%s is pinned until it is taken", async (_name, ask) => {
  const { keyspace } = engine;
  const asked = ask();
  await turns.settle();
  expect(asked.message?.length).toBeGreaterThan(COPIED_RESPONSE_BYTES);
  expect(keyspace.pinnedBytes).toBeGreaterThan(COPIED_RESPONSE_BYTES);
  expect(keyspace.pinnedBytes, "once").toBeLessThan(1.5 * 300 * KEYS);
  keyspace.put(putRequest("k", "later"));
  keyspace.watchers.flush();
  keyspace.compact(keyspace.revision);
  expect(keyspace.removalHeld, "no revision is held for a client that is slow").toBe(false);
  asked.take?.();
  expect(keyspace.pinnedBytes).toBe(0);
});

test.each(ANSWERS)("%s is let go of when its call closes amid the reading", async (_name, ask) => {
  for (let turn = 0; turn < 4; turn++) {
    const asked = ask();
    for (let i = 0; i < turn; i++) await turns.turn();
    asked.closed = true;
    // Who is answered nevertheless, as the call is gone, is told at once.
    await turns.settle();
    asked.take?.();
    expect(engine.keyspace.pinnedBytes).toBe(0);
    expect(engine.keyspace.removalHeld).toBe(false);
  }
});

test.each<[string, () => SlowCall, (message: Buffer) => EncodedKv[]]>([
  [
    "a delete",
    () => call("DeleteRange", (writer) => writeDeleteRangeRequest(writer, deleteRequest("k", "l", true))),
    (message) => decodeDeleteRangeResponse(message).prevKvs,
  ],
  [
    "a txn",
    () => txn(txnRequest([put("large", "", { prevKv: true }), del("k", "l", true)])),
    (message) => {
      const [, { response }] = decodeTxnResponse(message).responses as { response: DeleteRangeResponse }[];
      return response.prevKvs;
    },
  ],
])(
  "what %s tells of before is pinned until it is taken, and copied by nobody before",
  async (_name, ask, prevKvsOf) => {
    const { keyspace } = engine;
    const asked = ask();
    while (engine.applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(asked.status).toBeNull();
    expect(asked.take, "it came in parts").not.toBeNull();
    expect(prevKvsOf(asked.message!)).toHaveLength(KEYS);
    expect(keyspace.pinnedBytes).toBeGreaterThan(100 * KEYS);
    asked.take?.();
    expect(keyspace.pinnedBytes).toBe(0);
    expect(keyspace.removalHeld).toBe(false);
  },
);

test("an answer that is copied pins nothing", async () => {
  const few = ranged("k", { rangeEnd: Buffer.from("k00010") });
  const one = txn(txnRequest([range("k00001")]));
  await turns.settle();
  expect(decodeRangeResponse(few.message!).kvs).toHaveLength(10);
  expect(decodeTxnResponse(one.message!).responses).toHaveLength(1);
  expect([few.take, one.take, engine.keyspace.pinnedBytes]).toEqual([null, null, 0]);
});

test("who may not read any more when a long list is known is refused, and nothing is kept of it", async () => {
  const asked = ranged("k", ALL);
  await turns.turn();
  expect(engine.keyspace.pinnedBytes).toBeGreaterThan(0);
  const { auth } = engine.keyspace;
  auth.addUser("root", null);
  auth.addRole("root");
  auth.grantRole("root", "root");
  auth.enable();
  await turns.settle();
  expect(asked.status).not.toBeNull();
  expect([asked.take, engine.keyspace.pinnedBytes]).toEqual([null, 0]);
});

test.each([{}, { keysOnly: true }, { sortTarget: SORT_BY_VALUE }])(
  "a stream of %j pins what it has looked ahead and what its client has not taken, and no revision",
  async (fields) => {
    const { keyspace } = engine;
    const { stream, close } = streamed(fields);
    for (let i = 0; i < 6; i++) await turns.turn();
    expect(keyspace.pinnedBytes).toBeGreaterThan(0);
    expect(keyspace.removalHeld).toBe(false);
    await turns.settle();
    expect(stream.status).toMatchObject({ code: 0 });
    expect(stream.copied.length + stream.referenced.length).toBeGreaterThan(KEYS / 1_000);
    close();
    for (const taken of stream.untaken) taken();
    expect(keyspace.pinnedBytes).toBe(0);
  },
);

test.each([{}, { sortTarget: SORT_BY_VALUE }])(
  "a stream of %j that closes early lets go of all it has",
  async (fields) => {
    for (let turn = 0; turn < 40; turn += 3) {
      const { stream, close } = streamed(fields);
      for (let i = 0; i < turn; i++) await turns.turn();
      stream.closed = true;
      close();
      for (const taken of stream.untaken) taken();
      await turns.settle();
      expect(engine.keyspace.pinnedBytes).toBe(0);
    }
  },
);
