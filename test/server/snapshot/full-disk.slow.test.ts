/** A disk that is really full: a small file system in memory, mounted for the test. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import { MemoryDisk, whyNoDisk } from "../../faults/disks.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { Producer, takeAll } from "./support-jobs.ts";
import { CLUSTER, seededBytes } from "./support-snapshots.ts";

const FILES = ["0000000000000001.lmdb", "0000000000000001.lmdb-lock", "0000000000000001.mark"];
const DISK_BYTES = 16 * 1024 * 1024;

test.skipIf(whyNoDisk() !== null)(
  "a snapshot for which the disk has no room is told as that, leaves nothing, and the one before serves",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "snapshot-disk-"));
    const disk = new MemoryDisk(folder, DISK_BYTES);
    try {
      const directory = new SnapshotDirectory({ directory: join(folder, "snapshots"), clusterId: CLUSTER });
      await directory.tidy();
      const record = seededBytes(seededRandom(1), 500_000);
      const before = new Producer(directory, 1);
      await before.put([record]);
      await before.job.complete(null);
      for (const position of [2, 3, 4, 5, 6]) {
        const producer = new Producer(directory, position);
        await producer.put(Array.from({ length: 40 }, () => record));
        await expect(producer.job.complete(null)).rejects.toMatchObject({
          code: "ERR_SNAPSHOT_NO_SPACE",
          message: expect.stringMatching(/no space is left on the disk$/),
        });
        expect(readdirSync(directory.path)).toEqual(FILES);
      }
      await disk.fill();
      await expect(new Producer(directory, 3).job.complete(null)).rejects.toMatchObject({
        code: "ERR_SNAPSHOT_NO_SPACE",
      });
      expect(readdirSync(directory.path)).toHaveLength(3);
      disk.empty();
      expect((await takeAll(directory, 1)).records).toEqual([record]);
      const smaller = new Producer(directory, 3);
      await smaller.put([record]);
      await smaller.job.complete(null);
      expect((await directory.list()).map(({ position }) => position)).toEqual([3, 1]);
    } finally {
      disk.remove();
      rmSync(folder, { recursive: true });
    }
  },
);

test.skipIf(whyNoDisk() !== null)(
  "a snapshot is read where nothing can be written, with or without its lock",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "snapshot-disk-"));
    const disk = new MemoryDisk(folder, DISK_BYTES);
    try {
      const directory = new SnapshotDirectory({ directory: join(folder, "snapshots"), clusterId: CLUSTER });
      await directory.tidy();
      for (const position of [1, 2]) {
        const producer = new Producer(directory, position);
        await producer.put([Buffer.from("a")]);
        await producer.job.complete(null);
      }
      rmSync(join(directory.path, FILES[1]));
      execFileSync("mount", ["-o", "remount,ro", folder]);
      for (const position of [1, 2]) expect((await takeAll(directory, position)).records).toEqual([Buffer.from("a")]);
      await expect(new Producer(directory, 3).job.complete(null)).rejects.toThrow(/creating failed: EROFS/);
      await expect(directory.remove(1)).rejects.toThrow(/removing failed: EROFS/);
    } finally {
      disk.remove();
      rmSync(folder, { recursive: true });
    }
  },
);
