/** What a partition's quota refuses, what it does not, and how it ends. */
import { beforeEach, describe, expect, test } from "vitest";
import { del, deleteRequest, put, putRequest, rangeRequest, txnRequest } from "../../../bench/client/requests.ts";
import { NO_SPACE, Refusal } from "../../../partitions/refusals.ts";
import type { PutRequest, TxnRequest } from "../../../proto/messages.ts";
import { ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE } from "../../../proto/rare.ts";
import type { PartitionSettings } from "../../../server/config/partition-settings.ts";
import { DEFAULT_PARTITIONS } from "../../../server/config/partition-settings.ts";
import { ALARM } from "../../../server/engine/alarm-commands.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { COMPACTION, DELETE_RANGE, PUT, TXN } from "../../../server/engine/kv-commands.ts";
import { QUOTAS } from "../../../server/engine/quota-commands.ts";
import { decodeRecord } from "../../../server/engine/record.ts";
import { QUOTA_LOOK_MS } from "../../../server/limits.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { execute, MEMBER_ID, newEngine, takeOver } from "../../support/engines.ts";

const EVENTS = "/registry/events/";
const PODS = "/registry/pods/";
const QUOTA_BYTES = 100_000;

function mapOf(...quotas: readonly [prefix: string, quotaBytes: number | null][]): PartitionSettings {
  const entries = quotas.map(([prefix, quotaBytes]) => ({ prefix, quotaBytes, weight: 1 }));
  return { entries, otherResources: true, restWeight: 1 };
}

const MAP = mapOf([EVENTS, QUOTA_BYTES], [PODS, null]);

let clock: ManualClock;
let store: MemoryStore;
let engine: Engine;
let journal: MemoryJournal;

async function start(partitions: PartitionSettings): Promise<void> {
  engine = newEngine({ clock, partitions });
  journal = await takeOver(engine, store);
  await settled();
}

async function settled(): Promise<void> {
  while (engine.applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
}

/** As KvService does it: refused before it has a record, or executed. */
function tryPut(key: string, value = ""): Promise<unknown> {
  const request: PutRequest = putRequest(key, value);
  return new Promise((resolve) => {
    if (engine.partitionGuard.refusePut({ fail: resolve }, request)) return;
    resolve(execute(engine, PUT, request).catch((error: unknown) => error));
  });
}

function tryTxn(request: TxnRequest): Promise<unknown> {
  return new Promise((resolve) => {
    if (engine.partitionGuard.refuseTxn({ fail: resolve }, request)) return;
    resolve(execute(engine, TXN, request).catch((error: unknown) => error));
  });
}

/** Puts events of a kilobyte until one is refused. */
async function fillEvents(): Promise<number> {
  for (let i = 0; ; i++) if ((await tryPut(`${EVENTS}${i}`, "x".repeat(1_000))) === NO_SPACE) return i;
}

async function deleteEvents(): Promise<void> {
  await execute(engine, DELETE_RANGE, deleteRequest(EVENTS, "/registry/events0"));
  await execute(engine, COMPACTION, { revision: engine.keyspace.revision, physical: true });
  await new Promise<void>((resolve) => engine.compactor.whenRemoved(resolve));
}

async function look(): Promise<void> {
  await clock.advance(QUOTA_LOOK_MS);
  await settled();
}

/** What a member that starts with another map, or none, makes of the journal before it writes anything. */
async function expectSameElsewhere(): Promise<void> {
  for (const partitions of [DEFAULT_PARTITIONS, mapOf(["/registry/", 1_000_000])]) {
    const follower = newEngine({ partitions });
    for await (const run of journal.read(1)) follower.applier.apply(run);
    expect(follower.keyspace.revision).toBe(engine.keyspace.revision);
    expect(follower.keyspace.hashAll()).toBe(engine.keyspace.hashAll());
  }
}

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore();
  await start(MAP);
});

describe("a partition that has reached its quota", () => {
  test("refuses what grows it, in every replay the same, and nothing else", async () => {
    const count = await fillEvents();
    expect(count).toBeGreaterThan(20);
    expect(engine.keyspace.quotas.reached()).toEqual([EVENTS]);
    expect(await tryPut(`${EVENTS}0`)).toBe(NO_SPACE);
    expect(await tryTxn(txnRequest([put(`${PODS}a`)], [put(`${EVENTS}a`)]))).toBe(NO_SPACE);
    expect(await tryTxn(txnRequest([{ case: "txn", request: txnRequest([put(`${EVENTS}a`)]) }]))).toBe(NO_SPACE);
    // Who has passed the guard before is refused when it is executed.
    await expect(execute(engine, PUT, putRequest(`${EVENTS}a`))).rejects.toBe(NO_SPACE);
    await expect(execute(engine, TXN, txnRequest([], [put(`${EVENTS}a`)]))).rejects.toBe(NO_SPACE);
    const { revision } = engine.keyspace;
    for (const key of [`${PODS}a`, "/registry/leases/a", "a"]) expect(await tryPut(key)).not.toBeInstanceOf(Refusal);
    expect(await tryTxn(txnRequest([del(`${EVENTS}1`), put(`${PODS}b`)]))).not.toBeInstanceOf(Refusal);
    await execute(engine, DELETE_RANGE, deleteRequest(`${EVENTS}2`));
    expect(engine.keyspace.revision).toBe(revision + 5);
    await expectSameElsewhere();
  });

  test("takes writes again by itself when deletes and compaction have made room", async () => {
    await fillEvents();
    await look();
    expect(engine.keyspace.quotas.reached()).toEqual([EVENTS]);
    await deleteEvents();
    expect(await tryPut(`${EVENTS}a`)).toBe(NO_SPACE);
    await look();
    expect(engine.keyspace.quotas.reached()).toEqual([]);
    expect(await tryPut(`${EVENTS}a`)).not.toBeInstanceOf(Refusal);
    await expectSameElsewhere();
  });

  test("stays so over a restart until there is room", async () => {
    await fillEvents();
    await start(MAP);
    expect(engine.keyspace.quotas.reached()).toEqual([EVENTS]);
    await expect(execute(engine, PUT, putRequest(`${EVENTS}a`))).rejects.toBe(NO_SPACE);
    await deleteEvents();
    await look();
    expect(await tryPut(`${EVENTS}a`)).not.toBeInstanceOf(Refusal);
  });

  test("takes writes again when a start gives it more, or no quota", async () => {
    await fillEvents();
    await start(mapOf([EVENTS, 2 * QUOTA_BYTES]));
    await look();
    await look();
    expect(await tryPut(`${EVENTS}a`)).not.toBeInstanceOf(Refusal);
    await fillEvents();
    await start(DEFAULT_PARTITIONS);
    expect(await tryPut(`${EVENTS}b`)).not.toBeInstanceOf(Refusal);
    await expectSameElsewhere();
  });

  test("takes writes until the next refusal when an operator disarms the alarm", async () => {
    await fillEvents();
    const request = { action: ALARM_ACTION_DEACTIVATE, memberID: MEMBER_ID, alarm: ALARM_NOSPACE };
    expect(await execute(engine, ALARM, request)).toEqual([{ memberId: MEMBER_ID, alarm: ALARM_NOSPACE }]);
    expect(engine.keyspace.quotas.reached()).toEqual([]);
    expect(await tryPut(`${EVENTS}a`, "x".repeat(QUOTA_BYTES))).toBe(NO_SPACE);
    expect(engine.keyspace.quotas.reached()).toEqual([EVENTS]);
    await expectSameElsewhere();
  });
});

test("a start journals quotas when they are not what the keyspace has, and else nothing", async () => {
  expect(engine.keyspace.quotas.list()).toEqual([{ prefix: EVENTS, quotaBytes: QUOTA_BYTES }]);
  const records = (): unknown[] => store.records.map((record) => decodeRecord(Buffer.from(record)).kind);
  expect(records()).toEqual([QUOTAS]);
  await start(MAP);
  await look();
  expect(records()).toEqual([QUOTAS]);
  await start(mapOf([PODS, QUOTA_BYTES], [EVENTS, QUOTA_BYTES]));
  expect(engine.keyspace.quotas.list().map(({ prefix }) => prefix)).toEqual([EVENTS, PODS]);
  await start(DEFAULT_PARTITIONS);
  expect(engine.keyspace.quotas.list()).toEqual([]);
  expect(records()).toEqual([QUOTAS, QUOTAS, QUOTAS]);
});

test("quotas that could not be journaled are proposed again, and an alarm that could not be raised lets the next try", async () => {
  store = new MemoryStore();
  engine = newEngine({ clock, partitions: MAP });
  journal = await takeOver(engine, store);
  journal.failNext(new Error("disk on fire"));
  await settled();
  expect(engine.keyspace.quotas.list()).toEqual([]);
  journal = await takeOver(engine, store);
  await settled();
  expect(engine.keyspace.quotas.list()).toHaveLength(1);
  const range = engine.keyspace.range(rangeRequest(EVENTS));
  expect(range).not.toBeInstanceOf(Refusal);
});
