/** The journal knows no partitions: whatever map it is replayed with, the keyspace is the same. */
import { expect, test } from "vitest";
import { deleteRequest, putRequest, rangeRequest } from "../../../bench/client/requests.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { DEFAULT_PARTITIONS } from "../../../server/config/partition-settings.ts";
import type { PartitionSettings } from "../../../server/config/partition-settings.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { COMPACTION, DELETE_RANGE, PUT } from "../../../server/engine/kv-commands.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { execute, newEngine, takeOver } from "../../support/engines.ts";

function entry(prefix: string): PartitionSettings["entries"][number] {
  return { prefix, quotaBytes: null, weight: 1 };
}

const MAPS: readonly PartitionSettings[] = [
  DEFAULT_PARTITIONS,
  { entries: [entry("/registry/pods/a")], otherResources: false, restWeight: 1 },
  { entries: [entry("/registry/")], otherResources: true, restWeight: 1 },
  { entries: [entry("/registry/events/"), entry("/registry/example.com/")], otherResources: true, restWeight: 3 },
];

async function started(partitions: PartitionSettings, store: MemoryStore): Promise<Engine> {
  const engine = newEngine({ partitions });
  await takeOver(engine, store);
  engine.keyspace.verify();
  return engine;
}

test("a start with another partition map routes the keys anew, and revisions go on", async () => {
  const store = new MemoryStore();
  let revision = 1;
  const hashes: number[] = [];
  for (const [i, map] of MAPS.entries()) {
    const engine = await started(map, store);
    expect(engine.keyspace.revision).toBe(revision);
    for (const resource of ["pods/a", "events/x", "example.com/widgets/w", "b"]) {
      await execute(engine, PUT, putRequest(`/registry/${resource}/${i}`));
    }
    if (i > 0) await execute(engine, DELETE_RANGE, deleteRequest(`/registry/events/x/${i - 1}`));
    if (i === 2) await execute(engine, COMPACTION, { revision: engine.keyspace.revision - 2, physical: false });
    ({ revision } = engine.keyspace);
    hashes.push(engine.keyspace.hashAll());
  }
  const counts = await Promise.all(
    MAPS.map(async (map) => {
      const { keyspace } = await started(map, store);
      expect(keyspace.revision).toBe(revision);
      expect(keyspace.hashAll()).toBe(hashes.at(-1));
      const all = keyspace.range(rangeRequest("/registry/", { rangeEnd: Buffer.from("/registry0") }));
      if (all instanceof Refusal) throw new Error(all.message);
      expect(all.count).toBe(13);
      return keyspace.partitions.map(({ prefix, keyCount }) => `${prefix} ${keyCount}`);
    }),
  );
  expect(counts).toEqual([
    [" 0", "/registry/pods/ 4", "/registry/events/ 1", "/registry/example.com/widgets/ 4", "/registry/b/ 4"],
    [" 9", "/registry/pods/a 4"],
    [" 0", "/registry/ 13"],
    [" 0", "/registry/events/ 1", "/registry/example.com/ 4", "/registry/pods/ 4", "/registry/b/ 4"],
  ]);
});
