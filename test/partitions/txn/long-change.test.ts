import { expect, test } from "vitest";
import type { DeleteRangeResponse } from "../../../proto/messages.ts";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { PartitionMap } from "../../../partitions/state/partition-map.ts";
import { BlockPool } from "../../../partitions/store/block-pool.ts";
import { LongChange } from "../../../partitions/txn/long-change.ts";
import { Harness } from "../harness.ts";
import { plainKv } from "../outcome.ts";
import { deleteRequest, FROM_KEY } from "../requests.ts";

const KEYS = 200;

/** All keys are to be deleted, and their previous kvs told. */
function begin(answerBytesMax: number): { harness: Harness; change: LongChange<DeleteRangeResponse> } {
  const partitionMap = new PartitionMap({ pool: new BlockPool({ blockBytes: 1_024 }) });
  const harness = new Harness(new Keyspace({ partitionMap, shortChangeKeys: 10 }));
  for (let i = 0; i < KEYS; i++) harness.put(`key ${String(i).padStart(3, "0")}`, "value");
  harness.flush();
  const change = harness.keyspace.beginDeleteRange(deleteRequest(FROM_KEY, FROM_KEY, true), answerBytesMax);
  if (!(change instanceof LongChange)) throw new Error("it is a long change");
  return { harness, change };
}

test("the previous kvs of a long delete stay what they are until they have been told, whatever moves meanwhile", () => {
  const { harness, change } = begin(1_000_000);
  const { keyspace } = harness;
  expect(keyspace.compact(keyspace.revision)).toBeNull();
  while (!change.step(3)) {
    keyspace.compactStep(50);
    keyspace.reclaimStep(50);
    keyspace.verify();
  }
  const { deleted, prevKvs } = change.response;
  expect(deleted).toBe(KEYS);
  expect(prevKvs.map((kv) => Buffer.from(plainKv(kv).value, "hex").toString())).toEqual(
    Array.from({ length: KEYS }, () => "value"),
  );
  expect(keyspace.pinnedBytes).toBeGreaterThan(0);
  change.end();
  expect(keyspace.pinnedBytes).toBe(0);
});

test("of previous kvs no more are kept than show that they are too many for an answer", () => {
  const { harness, change } = begin(100);
  while (!change.step(3));
  const { deleted, prevKvs } = change.response;
  expect(deleted).toBe(KEYS);
  const bytes = prevKvs.reduce((sum, kv) => sum + kv.length, 0);
  expect(bytes).toBeGreaterThan(100);
  expect(bytes - prevKvs[prevKvs.length - 1].length).toBeLessThanOrEqual(100);
  change.end();
  harness.keyspace.verify();
});

test("a step looks at no more keys than it may, and nothing else can be changed before the last", () => {
  const { harness, change } = begin(1_000_000);
  const { keyspace } = harness;
  for (let before = keyspace.versionCount; !change.step(7); before = keyspace.versionCount) {
    expect(keyspace.versionCount - before).toBeLessThanOrEqual(7);
    expect(() => harness.put("another")).toThrow("nothing is changed while a long change rests");
  }
  change.end();
  expect(harness.put("another").prevKv).toBeNull();
});
