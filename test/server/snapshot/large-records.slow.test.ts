import { expect, test } from "vitest";
import { RECORD_BYTES_MAX } from "../../../server/snapshot/limits.ts";
import { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import { Producer, takeAll } from "./support-jobs.ts";
import { CLUSTER, testDirectory } from "./support-snapshots.ts";

test("the longest records are written and read among short ones, whether they compress or not", async () => {
  using path = testDirectory();
  const directory = new SnapshotDirectory({ directory: path.path, clusterId: CLUSTER, bytesPerSecond: 10_000_000_000 });
  await directory.tidy();
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
  const pattern = Buffer.alloc(RECORD_BYTES_MAX);
  for (let at = 0; at < pattern.length; at += random.length) random.copy(pattern, at);
  const noise = Buffer.alloc(RECORD_BYTES_MAX);
  for (let at = 0; at < noise.length; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));
  const records = [Buffer.from("a"), pattern, Buffer.from("b"), noise, pattern, Buffer.from("c")];
  const producer = new Producer(directory, 1);
  await producer.put(records);
  await producer.job.complete(null);
  const taken = await takeAll(directory, 1);
  expect(taken.records.map((record, i) => record.equals(records[i]))).toEqual(records.map(() => true));
}, 120_000);

test("a record beyond the limit is not taken", async () => {
  using path = testDirectory();
  const directory = new SnapshotDirectory({ directory: path.path, clusterId: CLUSTER });
  await directory.tidy();
  const { job } = new Producer(directory, 1);
  expect(() => job.reserve(RECORD_BYTES_MAX + 5)).toThrow("a record has a limit");
  await job.cancel();
});
