import { expect, test } from "vitest";
import { deleteRequest, putRequest } from "../../../bench/client/requests.ts";
import { COMPACTION, DELETE_RANGE, PUT } from "../../../server/engine/kv-commands.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
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
