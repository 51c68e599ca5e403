import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import { CLUSTER, testDirectory, writer, writeSnapshot, chunkOf } from "./support-snapshots.ts";

const FILES = ["0000000000000001.lmdb", "0000000000000001.lmdb-lock", "0000000000000001.mark"];
const RECORDS = [[Buffer.from("a")]];

function directoryAt(path: string, clusterId = CLUSTER): SnapshotDirectory {
  return new SnapshotDirectory({ directory: path, clusterId });
}

test("snapshots are listed from their marks, the newest first, with what is wrong with each", async () => {
  using path = testDirectory();
  const file = (name: string): string => join(path.path, name);
  const infos = [1, 2, 3, 0x10, 0x11].map((position) => writeSnapshot(path.path, position, RECORDS));
  const mark = readFileSync(file("0000000000000002.mark"));
  mark[50] ^= 1;
  writeFileSync(file("0000000000000002.mark"), mark);
  rmSync(file("0000000000000003.lmdb"));
  truncateSync(file("0000000000000010.lmdb"), 4096);
  rmSync(file("0000000000000011.mark"));
  const listed = await directoryAt(path.path).list();
  expect(listed.map(({ position }) => position)).toEqual([0x10, 3, 2, 1]);
  expect(listed[3]).toEqual({ position: 1, info: infos[0], error: null });
  expect(listed.slice(0, 3).map(({ error }) => error?.message.replace(path.path, ""))).toEqual([
    expect.stringMatching(/^\/0000000000000010\.lmdb: corrupt as a whole: it has 4096 bytes of \d+$/),
    "/0000000000000003.lmdb: corrupt as a whole: it is missing",
    "/0000000000000002.mark: corrupt as a whole: its checksum is wrong",
  ]);
  const others = await directoryAt(path.path, "f".repeat(32)).list();
  expect(others[3].error?.code).toBe("ERR_SNAPSHOT_CLUSTER");
});

test("what a killed process has left is taken away, and neither a snapshot nor what is not known", async () => {
  using path = testDirectory();
  const file = (name: string): string => join(path.path, name);
  writeSnapshot(path.path, 1, RECORDS);
  writeSnapshot(path.path, 2, RECORDS);
  rmSync(file("0000000000000002.mark"));
  const unfinished = writer(path.path, 3);
  unfinished.write(chunkOf(RECORDS[0]), 1, RECORDS[0][0]);
  for (const name of ["0000000000000001.lmdb-lock", "0000000000000004.mark.tmp", "notes.txt"])
    writeFileSync(file(name), "");
  await directoryAt(path.path).tidy();
  expect(readdirSync(path.path).toSorted()).toEqual([...FILES, "notes.txt"]);
  unfinished.cancel();
});

test("a directory that is missing has no snapshots, and is made for its owner alone", async () => {
  using path = testDirectory();
  const zone = join(path.path, "zone-a");
  const directory = directoryAt(join(zone, "snapshots"));
  expect(await directory.list()).toEqual([]);
  // A disk that is away is not replaced by a directory of its name.
  await expect(directory.tidy()).rejects.toMatchObject({ code: "ERR_SNAPSHOT_IO" });
  expect(readdirSync(path.path)).toEqual([]);
  mkdirSync(zone);
  await directory.tidy();
  await directory.tidy();
  expect(statSync(directory.path).mode & 0o777).toBe(0o700);
});

test("a snapshot that is removed is gone, and what was removed before does no harm", async () => {
  using path = testDirectory();
  writeSnapshot(path.path, 1, RECORDS);
  writeSnapshot(path.path, 2, RECORDS);
  const directory = directoryAt(path.path);
  await directory.remove(1);
  await directory.remove(1);
  expect((await directory.list()).map(({ position }) => position)).toEqual([2]);
  expect(readdirSync(path.path)).toHaveLength(3);
});

test("a snapshot that cannot be read is refused by name, through the thread as well", async () => {
  using path = testDirectory();
  writeSnapshot(path.path, 1, RECORDS);
  truncateSync(join(path.path, "0000000000000001.lmdb"), 4096);
  const directory = directoryAt(path.path);
  await expect(directory.read(1).opened()).rejects.toThrow(
    /0000000000000001\.lmdb: corrupt as a whole: it has 4096 bytes/,
  );
  await expect(directory.read(2).chunks().next()).rejects.toMatchObject({ code: "ERR_SNAPSHOT_INCOMPLETE" });
});
