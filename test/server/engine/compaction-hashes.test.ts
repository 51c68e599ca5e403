import { beforeEach, expect, test } from "vitest";
import { putRequest } from "../../../bench/client/requests.ts";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { CompactionHashes } from "../../../server/engine/compaction-hashes.ts";
import { COMPACTION_HASH_SLICE_MS } from "../../../server/limits.ts";

let keyspace: Keyspace;
let isMemoryShort: boolean;
let nowMs: number;
let hashes: CompactionHashes;

beforeEach(() => {
  keyspace = new Keyspace();
  isMemoryShort = false;
  nowMs = 0;
  // Each look at the clock takes a slice's time, so that a slice is one step.
  const clock = { nowMs: () => (nowMs += COMPACTION_HASH_SLICE_MS) };
  hashes = new CompactionHashes(keyspace, clock, () => isMemoryShort);
  hashes.begin();
});

/** Puts many keys and compacts at the last of them. What HashKV said there before is given. */
function compactMany(): { hash: number; compactRevision: number; hashRevision: number } {
  for (let i = 0; i < 2_000; i++) keyspace.put(putRequest(`k${i % 1_500}`, "v"));
  keyspace.watchers.flush();
  const told = keyspace.hash(0);
  if (told instanceof Refusal) throw told;
  keyspace.compact(keyspace.revision);
  hashes.compacted();
  return told;
}

test("what a compaction allows to remove is hashed in slices, and nothing of it is removed before", () => {
  const told = compactMany();
  const { versionCount } = keyspace;
  expect(hashes.step()).toBe(false);
  keyspace.compactStep(10_000);
  expect(keyspace.versionCount).toBe(versionCount);
  expect(hashes.at(told.hashRevision)).toBeNull();
  while (!hashes.step());
  expect(hashes.at(told.hashRevision)).toEqual(told);
  keyspace.compactStep(10_000);
  expect(keyspace.versionCount).toBe(1_500);
});

test("a compaction that comes before the one before has been hashed is not, the next one is since the last", () => {
  const first = compactMany();
  const second = compactMany();
  while (!hashes.step());
  const third = compactMany();
  while (!hashes.step());
  expect(hashes.at(first.hashRevision)).toEqual(first);
  expect(hashes.at(second.hashRevision)).toBeNull();
  expect(hashes.at(third.hashRevision)).toEqual(third);
  expect(third.compactRevision).toBe(second.hashRevision);
});

test("none is hashed while memory is short, and one that was begun is given up", () => {
  const begun = compactMany();
  expect(hashes.step()).toBe(false);
  isMemoryShort = true;
  expect(hashes.step()).toBe(true);
  const other = compactMany();
  expect(hashes.step()).toBe(true);
  expect([hashes.at(begun.hashRevision), hashes.at(other.hashRevision)]).toEqual([null, null]);
  expect(keyspace.removalHeld).toBe(false);
});
