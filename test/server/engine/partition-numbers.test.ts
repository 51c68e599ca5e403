import { beforeEach, expect, test } from "vitest";
import { deleteRequest, put, putRequest, range, rangeRequest, txnRequest } from "../../../bench/client/requests.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { COMPACTION, DELETE_RANGE, PUT, TXN } from "../../../server/engine/kv-commands.ts";
import type { PartitionNumbers } from "../../../server/engine/partition-numbers.ts";
import { REST_NAME } from "../../../server/engine/partition-numbers.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { execute, newEngine, takeOver } from "../../support/engines.ts";

const PODS = "/registry/pods/";
const END = Buffer.from("/registry/pods0");

let store: MemoryStore;
let engine: Engine;

beforeEach(async () => {
  store = new MemoryStore();
  engine = newEngine();
  await takeOver(engine, store);
});

function numbers(): Record<string, PartitionNumbers> {
  return Object.fromEntries(engine.partitionTally.partitions().map((each) => [each.name, each]));
}

test("each partition has its keys, writes and reads", async () => {
  for (const key of ["a", "b"]) await execute(engine, PUT, putRequest(`${PODS}${key}`));
  await execute(engine, TXN, txnRequest([put("rest"), range(`${PODS}a`), range(PODS, { rangeEnd: END })]));
  engine.keyspace.range(rangeRequest("rest"));
  engine.keyspace.range(rangeRequest("a", { rangeEnd: Buffer.from("z") }));
  expect(numbers()).toMatchObject({
    [REST_NAME]: { keys: 1, writes: 1, reads: 2 },
    [PODS]: { keys: 2, writes: 2, reads: 2, waiting: 0, refused: 0, quotaBytes: null },
  });
});

test("live bytes are what compaction would leave", async () => {
  for (let i = 0; i < 50; i++) await execute(engine, PUT, putRequest(`${PODS}${i % 10}`, "x".repeat(i)));
  await execute(engine, DELETE_RANGE, deleteRequest(`${PODS}3`));
  engine.keyspace.verify();
  const { liveBytes, retainedBytes } = numbers()[PODS];
  expect(liveBytes).toBeLessThan(retainedBytes);
  await execute(engine, PUT, putRequest("rest"));
  await execute(engine, COMPACTION, { revision: engine.keyspace.revision, physical: true });
  await new Promise<void>((resolve) => engine.compactor.whenRemoved(resolve));
  engine.keyspace.verify();
  expect(numbers()[PODS]).toMatchObject({ liveBytes, retainedBytes: liveBytes });
});

test("what was written before the start does not count", async () => {
  await execute(engine, PUT, putRequest(`${PODS}a`));
  engine = newEngine();
  await takeOver(engine, store);
  await execute(engine, PUT, putRequest(`${PODS}b`));
  expect(numbers()[PODS]).toMatchObject({ keys: 2, writes: 1 });
});

test("a watcher counts for each partition whose keys it watches, unless too many different ones are watched", async () => {
  await execute(engine, PUT, putRequest(`${PODS}a`));
  const sink = { deliver: () => true, compacted: () => {} };
  const watch = (key: string, rangeEnd = ""): void => {
    const bytes = { key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd, "latin1") };
    engine.keyspace.watchers.create({ ...bytes, startRevision: 0, filters: [], prevKv: false, sink });
  };
  watch(PODS, "/registry/pods0");
  watch(PODS, "/registry/pods0");
  watch(`${PODS}a`);
  watch("a", "\0");
  expect(engine.partitionTally.watchers()).toEqual(
    new Map([
      [PODS, 3],
      [REST_NAME, 1],
    ]),
  );
  for (let i = 0; i < 10_000; i++) watch(`k${i}`);
  expect(engine.partitionTally.watchers()).toBeNull();
});
