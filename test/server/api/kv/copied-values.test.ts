/** Puts that keep the value that there is are small, and add as much as it is large: quotas count that before they have a record. */
import { beforeEach, describe, expect, test } from "vitest";
import { compare, nested, put, putRequest, txnRequest } from "../../../../bench/client/requests.ts";
import { NO_SPACE, Refusal } from "../../../../partitions/refusals.ts";
import { TARGET_MOD, UNION_MOD } from "../../../../proto/messages.ts";
import type { PutRequest, TxnRequest } from "../../../../proto/messages.ts";
import { writePutRequest, writeTxnRequest } from "../../../../proto/request-writers.ts";
import { Writer } from "../../../../proto/writer.ts";
import { TOO_MUCH_COPIED } from "../../../../server/api/statuses.ts";
import { systemTurns } from "../../../../server/clock.ts";
import type { Engine } from "../../../../server/engine/engine.ts";
import { PUT } from "../../../../server/engine/kv-commands.ts";
import { JOURNAL_GROWTH_BYTES_MAX, TXN_COPIED_BYTES_MAX } from "../../../../server/limits.ts";
import type { UnaryMethod } from "../../../../server/transport/service.ts";
import { HeldUnaryCall } from "../../../sim/held-unary-call.ts";
import type { MemoryJournal } from "../../../sim/memory-journal.ts";
import { execute, newEngine, takeOver } from "../../../support/engines.ts";
import { newKvService } from "../../../support/kv-service.ts";

const MEBIBYTE = 1024 * 1024;
const PREFIX = "/registry/secrets/";
const KEYS = 8;
const QUOTA_BYTES = 20 * MEBIBYTE;
const KEPT = { ignoreValue: true, ignoreLease: true };
/** Of what is not there does not hold. */
const MISSED = { target: TARGET_MOD, union: UNION_MOD, number: 5 };
const secret = (i: number): string => `${PREFIX}${i}`;
/** Keeps each of the values, and puts them once more. */
const KEEP_ALL: TxnRequest = txnRequest(Array.from({ length: KEYS }, (_, i) => put(secret(i), "", KEPT)));

let engine: Engine;
let journal: MemoryJournal;
let methods: ReadonlyMap<string, UnaryMethod>;

async function start(quotas: { all?: number; partition?: number }): Promise<void> {
  const entries = [{ prefix: PREFIX, quotaBytes: quotas.partition ?? null, weight: 1 }];
  engine = newEngine({
    quotaBytes: quotas.all ?? Number.POSITIVE_INFINITY,
    partitions: { entries, otherResources: true, restWeight: 1 },
  });
  journal = await takeOver(engine);
  const service = newKvService(engine, systemTurns);
  methods = new Map(service.methods.map((method) => [method.path, method as UnaryMethod]));
  await settled();
}

function putLater(request: PutRequest): HeldUnaryCall {
  const writer = new Writer();
  writePutRequest(writer, request);
  return send("/etcdserverpb.KV/Put", writer);
}

function txnLater(request: TxnRequest): HeldUnaryCall {
  const writer = new Writer();
  writeTxnRequest(writer, request);
  return send("/etcdserverpb.KV/Txn", writer);
}

function send(path: string, writer: Writer): HeldUnaryCall {
  const call = new HeldUnaryCall();
  methods.get(path)?.handle(call, Buffer.from(writer.bytes()));
  return call;
}

async function settled(): Promise<void> {
  while (engine.applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
  engine.queue.verify();
  expect([engine.queue.length, engine.queue.growth.bytes, engine.applier.growth.bytes]).toEqual([0, 0, 0]);
}

async function putValues(valueBytes: number): Promise<void> {
  for (let i = 0; i < KEYS; i++) await execute(engine, PUT, putRequest(secret(i), "x".repeat(valueBytes)));
}

const isTaken = (call: HeldUnaryCall): boolean => call.message !== null;
const ofPartition = (): number => engine.keyspace.partitionOf(Buffer.from(secret(0))).bytes;

describe.each([
  { kind: "put", keep: (i: number) => putLater(putRequest(secret(i % KEYS), "", KEPT)) },
  { kind: "txn", keep: () => txnLater(KEEP_ALL) },
  {
    kind: "nested txn",
    keep: () => txnLater(txnRequest([], [nested(KEEP_ALL.success)], [compare("missing", MISSED)])),
  },
])("a $kind that keeps large values", ({ keep }) => {
  test("is refused at the quota by what it copies, however many come at once", async () => {
    await start({ all: QUOTA_BYTES });
    await putValues(MEBIBYTE / 2);
    const calls = Array.from({ length: 100 }, (_, i) => keep(i));
    await settled();
    expect(engine.keyspace.bytes).toBeLessThanOrEqual(QUOTA_BYTES);
    expect(calls.filter(isTaken).length).toBeGreaterThan(0);
    expect(calls.at(-1)?.status).toBe(NO_SPACE);
    expect(engine.keyspace.alarms()).toHaveLength(1);
  });

  test("is refused at its partition's quota by what it copies, and the others go on", async () => {
    await start({ partition: QUOTA_BYTES });
    await putValues(MEBIBYTE / 2);
    const calls = Array.from({ length: 100 }, (_, i) => keep(i));
    const other = putLater(putRequest("/registry/pods/a", "v"));
    await settled();
    expect(ofPartition()).toBeLessThanOrEqual(QUOTA_BYTES);
    expect(calls.filter(isTaken).length).toBeGreaterThan(0);
    expect(calls.at(-1)?.status).toBe(NO_SPACE);
    expect(isTaken(other)).toBe(true);
    expect(engine.keyspace.quotas.reached()).toEqual([PREFIX]);
  });

  test("is refused also when the values have become large while it was on its way", async () => {
    await start({ all: QUOTA_BYTES });
    await putValues(10);
    journal.hold();
    for (let i = 0; i < KEYS; i++) putLater(putRequest(secret(i), "x".repeat(MEBIBYTE)));
    const calls = Array.from({ length: 200 }, (_, i) => keep(i));
    journal.release();
    await settled();
    expect(engine.keyspace.bytes).toBeLessThanOrEqual(QUOTA_BYTES);
    expect(calls.at(-1)?.status).toBe(NO_SPACE);
  });
});

describe("without a quota", () => {
  beforeEach(() => start({}));

  test("what is in the journal's hands copies no more than it may at a time, and all come to their turn", async () => {
    await putValues(MEBIBYTE);
    journal.hold();
    const calls = Array.from({ length: 10 }, () => txnLater(KEEP_ALL));
    expect(engine.queue.length).toBeGreaterThan(5);
    expect(engine.applier.growth.bytes).toBeLessThan(JOURNAL_GROWTH_BYTES_MAX + TXN_COPIED_BYTES_MAX);
    journal.release();
    await settled();
    expect(calls.every(isTaken)).toBe(true);
  });

  test("small values may be kept by many at once", async () => {
    await putValues(1_000);
    journal.hold();
    const calls = Array.from({ length: 500 }, () => txnLater(KEEP_ALL));
    expect(engine.queue.length).toBe(0);
    journal.release();
    await settled();
    expect(calls.every(isTaken)).toBe(true);
  });

  test("a txn that would copy more than any may is refused by that limit, and raises no alarm", async () => {
    const keys = TXN_COPIED_BYTES_MAX / MEBIBYTE;
    const value = "x".repeat(MEBIBYTE);
    for (let i = 0; i < keys; i++) await execute(engine, PUT, putRequest(secret(i), value));
    const keepOf = (count: number): TxnRequest =>
      txnRequest(Array.from({ length: count }, (_, i) => put(secret(i), "", KEPT)));
    const records = engine.proposer.appended;
    expect(txnLater(keepOf(keys)).status).toBe(TOO_MUCH_COPIED);
    expect(engine.proposer.appended).toBe(records);
    const taken = txnLater(keepOf(keys - 1));
    await settled();
    expect(isTaken(taken)).toBe(true);
    expect(engine.keyspace.alarms()).toEqual([]);
  });

  test("a put that keeps the value of a key that is not there is refused as in etcd", async () => {
    const call = putLater(putRequest("missing", "", KEPT));
    await settled();
    expect(call.status).toBeInstanceOf(Refusal);
    expect(call.status?.message).toBe("etcdserver: key not found");
  });
});
