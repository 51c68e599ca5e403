/** Snapshots moved from one directory to another as they are between zones: piece by piece, against their marks. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../../server/clock.ts";
import { PIECE_BYTES, SUM_BYTES } from "../../../server/snapshot/limits.ts";
import { moveSnapshot } from "../../../server/snapshot/move-snapshot.ts";
import { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import { SnapshotFiles } from "../../../server/snapshot/snapshot-files.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { CLUSTER, openSnapshot, readAll, seededBytes, testDirectory, writeSnapshot } from "./support-snapshots.ts";

function filesOf(path: string, clusterId = CLUSTER): SnapshotFiles {
  return new SnapshotFiles(new SnapshotDirectory({ directory: path, clusterId }), clusterId);
}

function move(
  source: Parameters<typeof moveSnapshot>[0],
  sink: Parameters<typeof moveSnapshot>[1],
  position: number,
  onMoved: (bytes: number, of: number) => void = () => undefined,
): Promise<void> {
  return moveSnapshot(source, sink, { position, bytesPerSecond: 1e12, clock: systemClock, from: "there", onMoved });
}

/** One of more than one sum, of which the last is no whole one. */
function writeLong(path: string, position: number): Buffer[] {
  const random = seededRandom(position);
  const records = Array.from({ length: 30 }, () => seededBytes(random, 200_000));
  writeSnapshot(
    path,
    position,
    records.map((record) => [record]),
  );
  return records;
}

const visible = (path: string): string[] => readdirSync(path).toSorted();

test("what comes is what was there, and an older one of the position is replaced", async () => {
  using from = testDirectory();
  using to = testDirectory();
  const records = writeLong(from.path, 7);
  writeSnapshot(to.path, 7, [[Buffer.from("another")]]);
  const told: number[] = [];
  await move(filesOf(from.path), filesOf(to.path), 7, (bytes, of) => told.push(bytes / of));
  const snapshot = openSnapshot(to.path, 7);
  expect(readAll(snapshot).map(String)).toEqual(records.map(String));
  snapshot.close();
  expect(told.length).toBeGreaterThan(SUM_BYTES / PIECE_BYTES);
  expect(told.at(-1)).toBe(1);
  const name = join(to.path, "0000000000000007.mark");
  expect(readFileSync(name)).toEqual(readFileSync(join(from.path, "0000000000000007.mark")));
});

test("a bit that is turned anywhere, or an end that is cut off, is refused in words and leaves nothing", async () => {
  using from = testDirectory();
  using to = testDirectory();
  writeLong(from.path, 7);
  const file = join(from.path, "0000000000000007.lmdb");
  const bytes = readFileSync(file);
  for (const at of [0, PIECE_BYTES, SUM_BYTES - 1, SUM_BYTES, bytes.length - 1]) {
    const damaged = Buffer.from(bytes);
    damaged[at] ^= 4;
    writeFileSync(file, damaged);
    const part = Math.floor(at / SUM_BYTES) * SUM_BYTES;
    const refused = move(filesOf(from.path), filesOf(to.path), 7);
    await expect(refused).rejects.toMatchObject({ code: "ERR_SNAPSHOT_CORRUPT", isDamage: true });
    await expect(refused).rejects.toThrow(`corrupt between offsets ${part} and `);
    expect(visible(to.path)).toEqual([]);
  }
  writeFileSync(file, bytes);
  for (const length of [0, PIECE_BYTES, bytes.length - 1]) {
    truncateSync(file, length);
    await expect(move(filesOf(from.path), filesOf(to.path), 7)).rejects.toMatchObject({ isDamage: true });
    expect(visible(to.path)).toEqual([]);
    writeFileSync(file, bytes);
  }
});

test("a mark of another cluster, of another position, or none, is refused before a file is begun", async () => {
  using from = testDirectory();
  using to = testDirectory();
  writeSnapshot(from.path, 7, [[Buffer.from("one")]]);
  const mark = readFileSync(join(from.path, "0000000000000007.mark"));
  const other = filesOf(to.path, "f".repeat(32));
  await expect(other.begin(7, mark)).rejects.toMatchObject({ code: "ERR_SNAPSHOT_CLUSTER" });
  await expect(filesOf(to.path).begin(8, mark)).rejects.toThrow("it is that of position 7");
  await expect(filesOf(to.path).begin(7, mark.subarray(9))).rejects.toThrow("it is no mark");
  await expect(move(filesOf(from.path), filesOf(to.path), 9)).rejects.toThrow("the mark is missing");
  expect(visible(to.path)).toEqual([]);
});

test("one that is begun abandons the one before it, whose file is gone", async () => {
  using from = testDirectory();
  using to = testDirectory();
  writeLong(from.path, 7);
  writeLong(from.path, 8);
  const source = filesOf(from.path);
  const sink = filesOf(to.path);
  const first = await sink.begin(7, await source.mark(7));
  await first.write(await source.read(7, 0));
  expect(visible(to.path)).toEqual(["0000000000000007.lmdb.tmp"]);
  await move(source, sink, 8);
  await expect(first.write(await source.read(7, PIECE_BYTES))).rejects.toMatchObject({
    code: "ERR_SNAPSHOT_CANCELLED",
  });
  await expect(first.complete()).rejects.toMatchObject({ code: "ERR_SNAPSHOT_CANCELLED" });
  await first.abandon();
  expect(visible(to.path)).toEqual(["0000000000000008.lmdb", "0000000000000008.mark"]);
  expect(await sink.list()).toEqual([8]);
});

test("what is missing of a file at its end completes nothing", async () => {
  using from = testDirectory();
  using to = testDirectory();
  writeLong(from.path, 7);
  const source = filesOf(from.path);
  const taking = await filesOf(to.path).begin(7, await source.mark(7));
  await taking.write(await source.read(7, 0));
  await expect(taking.complete()).rejects.toThrow(`${PIECE_BYTES} bytes came of `);
  await taking.abandon();
  expect(visible(to.path)).toEqual([]);
});

test("it goes at its rate, and no faster", async () => {
  using from = testDirectory();
  using to = testDirectory();
  writeLong(from.path, 7);
  const waits: number[] = [];
  let nowMs = 0;
  const clock = {
    nowMs: () => nowMs,
    after: (delayMs: number, callback: () => void) => {
      waits.push(delayMs);
      nowMs += delayMs;
      callback();
      return { cancel: () => undefined };
    },
  };
  let length = 0;
  const onMoved = (_: number, of: number): void => void (length = of);
  const options = { position: 7, bytesPerSecond: 1_000_000, clock, from: "there", onMoved };
  await moveSnapshot(filesOf(from.path), filesOf(to.path), options);
  expect(waits.reduce((sum, each) => sum + each, 0)).toBeGreaterThan((0.9 * length) / 1_000);
});
