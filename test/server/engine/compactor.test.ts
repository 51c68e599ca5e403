import { expect, test } from "vitest";
import { deleteRequest, putRequest, rangeRequest } from "../../../bench/client/requests.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { BlockPool } from "../../../partitions/store/block-pool.ts";
import { COMPACTION, DELETE_RANGE, PUT } from "../../../server/engine/kv-commands.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { SeededTurns } from "../../sim/seeded-turns.ts";
import { execute, newEngine, takeOver } from "../../support/engines.ts";

test("what compaction removes is counted, and not once more by a replay", async () => {
  const store = new MemoryStore();
  const engine = newEngine();
  await takeOver(engine, store);
  for (const value of ["1", "2", "3"]) await execute(engine, PUT, putRequest("a", value));
  await execute(engine, PUT, putRequest("b"));
  await execute(engine, DELETE_RANGE, deleteRequest("b"));
  await execute(engine, PUT, putRequest("c"));
  expect(engine.keyspace.versionCount).toBe(6);
  expect(engine.counters.compactedVersions).toBe(0);
  await execute(engine, COMPACTION, { revision: engine.keyspace.revision, physical: false });
  await new Promise<void>((resolve) => engine.compactor.whenRemoved(resolve));
  // Two versions of a, and b with its tombstone.
  expect(engine.counters.compactedVersions).toBe(4);
  expect(engine.keyspace.versionCount).toBe(2);
  const replayed = newEngine();
  await takeOver(replayed, store);
  expect(replayed.keyspace.versionCount).toBe(2);
  expect(replayed.counters.compactedVersions).toBe(0);
});

test("memory that was being read while compaction went on follows what is kept once it has been let go of", async () => {
  const pool = new BlockPool({ blockBytes: 16_384 });
  const turns = new SeededTurns(() => 0);
  const { keyspace, compactor } = newEngine({ pool, turns });
  for (let i = 0; i < 1_000; i++) keyspace.put(putRequest(`k${i}`, Buffer.alloc(200)));
  const all = { rangeEnd: Buffer.from("l") };
  const holds = ["k", "k5"].map((start) => {
    const hold = keyspace.openHold();
    const answer = keyspace.range(rangeRequest(start, all));
    if (answer instanceof Refusal) throw new Error(answer.message);
    for (const kv of answer.kvs) hold.pinKv(kv);
    return hold;
  });
  const full = pool.usedBytes;
  for (let i = 0; i < 1_000; i++) if (i % 10 > 0) keyspace.deleteRange(deleteRequest(`k${i}`));
  keyspace.put(putRequest("last"));
  keyspace.compact(keyspace.revision);
  compactor.run();
  await turns.settle();
  expect(pool.usedBytes, "nothing moves while it is read").toBeGreaterThanOrEqual(full);
  holds[0].release();
  await turns.settle();
  expect(pool.usedBytes).toBeLessThan((full * 5) / 6);
  holds[1].release();
  await turns.settle();
  expect(pool.usedBytes).toBeLessThan(full / 4);
  keyspace.verify();
});
