import { existsSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MAPPED_BYTES_MAX } from "../../../server/snapshot/limits.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import {
  CLUSTER,
  chunkOf,
  openSnapshot,
  readAll,
  seededBytes,
  testDirectory,
  writer,
  writeSnapshot,
} from "./support-snapshots.ts";

const chunks = fc.array(fc.array(fc.uint8Array({ maxLength: 2_000 }), { minLength: 1, maxLength: 8 }), {
  maxLength: 8,
});

const META = {
  leases: new Map<bigint, unknown>([
    [7n, { ttl: 60 }],
    [-(2n ** 63n), { ttl: 1 }],
  ]),
  revision: 2 ** 53 - 1,
  alarms: ["NOSPACE"],
  name: Uint8Array.of(0, 255),
};

test("a snapshot gives back the records, the totals and what its owner keeps beside them", () => {
  fc.assert(
    fc.property(chunks, fc.nat(), (list, position) => {
      using directory = testDirectory();
      const info = writeSnapshot(directory.path, position, list, META);
      const snapshot = openSnapshot(directory.path, position);
      expect(snapshot.info).toEqual(info);
      expect(snapshot.contents.meta).toEqual({ ...META, name: Buffer.from(META.name) });
      expect(snapshot.contents.entries.map(({ count }) => count)).toEqual(list.map((records) => records.length));
      const labels = snapshot.contents.entries.map(({ label }) => Buffer.from(label));
      expect(labels).toEqual(list.map(([first]) => Buffer.from(first.subarray(0, 64))));
      expect(readAll(snapshot)).toEqual(list.flat().map((record) => Buffer.from(record)));
      expect(info.records).toBe(list.flat().length);
      snapshot.close();
      expect(readdirSync(directory.path)).toHaveLength(3);
    }),
    { numRuns: 30 },
  );
});

test("its files are for their owner alone", () => {
  using directory = testDirectory();
  writeSnapshot(directory.path, 1, [[Buffer.from("secret")]]);
  for (const name of readdirSync(directory.path)) expect(statSync(join(directory.path, name)).mode & 0o777).toBe(0o600);
});

test("the same records give the same digest, others and another order do not", () => {
  using directory = testDirectory();
  const [a, b] = [Buffer.from("a"), Buffer.from("b")];
  const { digest } = writeSnapshot(directory.path, 1, [[a], [b]]);
  expect(writeSnapshot(directory.path, 2, [[a], [b]]).digest).toBe(digest);
  expect(writeSnapshot(directory.path, 3, [[b], [a]]).digest).not.toBe(digest);
  expect(writeSnapshot(directory.path, 4, [[a], [a]]).digest).not.toBe(digest);
});

test("a snapshot that is larger than what may be mapped at a time is read to its end", () => {
  using directory = testDirectory();
  const random = seededRandom(1);
  const record = seededBytes(random, 1024 * 1024);
  const count = (2 * MAPPED_BYTES_MAX) / record.length + 3;
  const snapshot = writer(directory.path, 5);
  for (let i = 0; i < count; i++) {
    record.writeUInt32LE(i);
    snapshot.write(chunkOf([record]), 1, Buffer.from(String(i)));
  }
  snapshot.complete(null);
  const opened = openSnapshot(directory.path, 5);
  expect(readAll(opened).map((bytes) => bytes.readUInt32LE())).toEqual(Array.from({ length: count }, (_, i) => i));
  opened.close();
});

test("two readers read one snapshot at once, and one that leaves does not disturb the other", () => {
  using directory = testDirectory();
  const list = Array.from({ length: 20 }, (_, i) => [Buffer.from(`record ${i}`)]);
  writeSnapshot(directory.path, 9, list);
  const first = openSnapshot(directory.path, 9);
  const second = openSnapshot(directory.path, 9);
  const chunksOfFirst = first.chunks();
  const chunksOfSecond = second.chunks();
  for (let i = 0; i < 10; i++) {
    expect(chunksOfFirst.next().value?.body.toString("latin1", 4)).toBe(`record ${i}`);
    expect(chunksOfSecond.next().value?.body.toString("latin1", 4)).toBe(`record ${i}`);
  }
  first.close();
  for (let i = 10; i < 20; i++) expect(chunksOfSecond.next().value?.body.toString("latin1", 4)).toBe(`record ${i}`);
  expect(chunksOfSecond.next().done).toBe(true);
  second.close();
});

test("what has no mark is no snapshot, and what is another cluster's is refused", () => {
  using directory = testDirectory();
  writeSnapshot(directory.path, 3, [[Buffer.from("a")]]);
  expect(() => openSnapshot(directory.path, 4)).toThrow(expect.objectContaining({ code: "ERR_SNAPSHOT_INCOMPLETE" }));
  const other = "f".repeat(32);
  expect(() => openSnapshot(directory.path, 3, other)).toThrow(`a snapshot of cluster ${CLUSTER}, and not of ${other}`);
  const mark = (position: number): string => join(directory.path, `${position.toString(16).padStart(16, "0")}.mark`);
  renameSync(mark(3), mark(4));
  expect(() => openSnapshot(directory.path, 4)).toThrow("it is that of position 3");
});

test("a snapshot that is given up leaves nothing, and one that exists is not written again", () => {
  using directory = testDirectory();
  const snapshot = writer(directory.path, 3);
  snapshot.write(chunkOf([Buffer.from("a")]), 1, Buffer.from("a"));
  expect(readdirSync(directory.path)).not.toEqual([]);
  snapshot.cancel();
  expect(readdirSync(directory.path)).toEqual([]);
  writeSnapshot(directory.path, 3, [[Buffer.from("b")]]);
  expect(() => writer(directory.path, 3)).toThrow(expect.objectContaining({ code: "ERR_SNAPSHOT_EXISTS" }));
  expect(existsSync(join(directory.path, "0000000000000003.mark"))).toBe(true);
});
