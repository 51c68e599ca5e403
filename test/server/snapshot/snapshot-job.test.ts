import { readdirSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import {
  CHUNK_BYTES,
  READING_BYTES_MAX,
  WRITING_BYTES_MAX,
  WRITING_NICENESS,
} from "../../../server/snapshot/limits.ts";
import { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import type { WritingOrders } from "../../../server/snapshot/thread-messages.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { Producer, takeAll } from "./support-jobs.ts";
import { CLUSTER, openSnapshot, seededBytes, testDirectory } from "./support-snapshots.ts";

const RATE = 10_000_000_000;

async function tidyDirectory(path: string, bytesPerSecond = RATE): Promise<SnapshotDirectory> {
  const directory = new SnapshotDirectory({ directory: path, clusterId: CLUSTER, bytesPerSecond });
  await directory.tidy();
  return directory;
}

/** More of them than are under way at a time. */
function* manyRecords(bytes = 3 * Math.max(WRITING_BYTES_MAX, READING_BYTES_MAX)): Generator<Buffer> {
  const random = seededRandom(11);
  const content = seededBytes(random, 64 * 1024);
  for (let made = 0; made < bytes;) {
    const length = Math.floor(random() ** 8 * 60_000);
    const from = Math.floor(random() * (content.length - length));
    made += length;
    yield Buffer.from(content.subarray(from, from + length));
  }
}

test("what a thread has written another one reads, in order and to the last record", async () => {
  using path = testDirectory();
  const directory = await tidyDirectory(path.path);
  const producer = new Producer(directory, 7);
  const records = [...manyRecords()];
  await producer.put(records);
  const meta = { leases: new Map([[5n, 60]]) };
  const info = await producer.job.complete(meta);
  expect(info.records).toBe(records.length);
  expect(producer.timesFull).toBeGreaterThan(0);
  expect(await directory.list()).toEqual([{ position: 7, info, error: null }]);
  const taken = await takeAll(directory, 7);
  expect(taken.meta).toEqual(meta);
  expect(Buffer.concat(taken.records).equals(Buffer.concat(records))).toBe(true);
  expect(taken.records.map(({ length }) => length)).toEqual(records.map(({ length }) => length));
  expect(readdirSync(path.path)).toHaveLength(3);
});

test("a snapshot without records is one, too", async () => {
  using path = testDirectory();
  const directory = await tidyDirectory(path.path);
  const info = await new Producer(directory, 0).job.complete({ revision: 1 });
  expect(info.records).toBe(0);
  expect(await takeAll(directory, 0)).toEqual({ records: [], meta: { revision: 1 } });
});

test("a record that is longer than a chunk has one of its own", async () => {
  using path = testDirectory();
  const directory = await tidyDirectory(path.path);
  const producer = new Producer(directory, 1);
  const long = seededBytes(seededRandom(2), 3 * CHUNK_BYTES);
  await producer.put([Buffer.from("before"), long, Buffer.from("behind")]);
  await producer.job.complete(null);
  const snapshot = openSnapshot(path.path, 1);
  expect(snapshot.contents.entries.map(({ count }) => count)).toEqual([1, 1, 1]);
  snapshot.close();
  const { records } = await takeAll(directory, 1);
  expect(records.map(({ length }) => length)).toEqual([6, long.length, 6]);
  expect(records[1].equals(long)).toBe(true);
});

test("who is faster than the disk waits, and has no more under way than the limit and one chunk", async () => {
  using path = testDirectory();
  // At this rate a chunk takes longer than the test has.
  const directory = await tidyDirectory(path.path, 1_000);
  const { job } = new Producer(directory, 1);
  let bytes = 0;
  while (job.hasRoom) {
    const memory = job.reserve(1_000);
    memory.writeUInt32LE(memory.length - 4);
    bytes += memory.length;
    job.commit(memory.length, 1, memory);
  }
  expect(bytes).toBeLessThan(WRITING_BYTES_MAX + 2 * CHUNK_BYTES);
  await job.cancel();
  expect(job.failure?.code).toBe("ERR_SNAPSHOT_CANCELLED");
  expect(job.hasRoom).toBe(false);
});

test("a snapshot that is cancelled at any point leaves nothing, and the next one can begin", async () => {
  using path = testDirectory();
  const directory = await tidyDirectory(path.path);
  const records = [...manyRecords(4 * CHUNK_BYTES)];
  for (const share of [0, 0.3, 0.7, 1]) {
    const producer = new Producer(directory, 3);
    await producer.put(records.slice(0, records.length * share));
    await producer.job.cancel();
    await producer.put([Buffer.from("too late")]);
    expect(readdirSync(path.path)).toEqual([]);
    await expect(producer.job.complete(null)).rejects.toMatchObject({ code: "ERR_SNAPSHOT_CANCELLED" });
  }
  const producer = new Producer(directory, 3);
  await producer.put(records);
  const completed = producer.job.complete(null);
  const isComplete = completed.then(
    () => true,
    () => false,
  );
  await producer.job.cancel();
  expect(readdirSync(path.path)).toHaveLength((await isComplete) ? 3 : 0);
});

test.each(["throws", "exits"])("of a thread that %s in the midst nothing is left but what it says", async (mistake) => {
  using path = testDirectory();
  const directory = await tidyDirectory(path.path);
  const startThread = (orders: WritingOrders): Worker =>
    new Worker(new URL("./failing-thread.ts", import.meta.url), { workerData: { ...orders, mistake } });
  const producer = new Producer(directory, 5, startThread);
  await producer.put(manyRecords());
  await expect(producer.job.complete(null)).rejects.toMatchObject({ code: "ERR_SNAPSHOT_THREAD" });
  expect(producer.job.failure?.message).toContain(mistake === "throws" ? "a mistake" : "without a word");
  expect(readdirSync(path.path)).toEqual([]);
  const second = new Producer(directory, 5);
  await second.put([Buffer.from("a")]);
  await second.job.complete(null);
  expect((await takeAll(directory, 5)).records).toEqual([Buffer.from("a")]);
});

test("a position that has a snapshot is refused, and keeps it", async () => {
  using path = testDirectory();
  const directory = await tidyDirectory(path.path);
  await new Producer(directory, 5).job.complete("first");
  await expect(new Producer(directory, 5).job.complete("second")).rejects.toMatchObject({
    code: "ERR_SNAPSHOT_EXISTS",
  });
  expect(await takeAll(directory, 5)).toEqual({ records: [], meta: "first" });
});

test("who reads a part and leaves ends the thread and disturbs no other", async () => {
  using path = testDirectory();
  const directory = await tidyDirectory(path.path);
  const producer = new Producer(directory, 7);
  const records = [...manyRecords()];
  await producer.put(records);
  await producer.job.complete(null);
  const whole = takeAll(directory, 7);
  const reading = directory.read(7);
  for await (const body of reading.chunks()) {
    expect(body.length).toBeGreaterThan(0);
    break;
  }
  await directory.read(7).close();
  expect((await whole).records).toHaveLength(records.length);
});

/** That of each thread of this process, of which some may end meanwhile. */
function nicenesses(): number[] {
  const found: number[] = [];
  for (const id of readdirSync("/proc/self/task")) {
    try {
      const stat = readFileSync(`/proc/self/task/${id}/stat`, "latin1");
      // Behind the name, which may hold anything, fields are counted from the third one on.
      found.push(Number(stat.split(") ")[1].split(" ")[16]));
    } catch {
      // It has ended.
    }
  }
  return found;
}

test.runIf(process.platform === "linux")(
  "the thread that writes stands behind all others, and no other does",
  async () => {
    using path = testDirectory();
    const directory = await tidyDirectory(path.path);
    const before = Math.max(...nicenesses());
    const producer = new Producer(directory, 1);
    await expect.poll(() => Math.max(...nicenesses())).toBe(Math.max(before, WRITING_NICENESS));
    expect(nicenesses()[0]).toBe(before);
    await producer.job.cancel();
  },
);
