/**
 * Gives a complete snapshot to another directory. On the same disk it is the same file under another name: another copy there
 * would be lost with the first. On another disk it is copied, no faster than snapshots are written.
 */
import { copyFile, link, open, rename, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { systemClock } from "../clock.ts";
import { SNAPSHOT_BYTES_PER_SECOND } from "./limits.ts";
import { ioError } from "./snapshot-error.ts";
import { snapshotNames } from "./snapshot-names.ts";

const PIECE_BYTES = 1024 * 1024;

/** Of two directories that are on different disks, or on one that knows no second names. */
const NO_LINKS: ReadonlySet<unknown> = new Set(["EXDEV", "EPERM", "ENOTSUP", "EMLINK", "ENOSYS"]);

/**
 * Replaces what the other directory has of this position, and is there when it resolves.
 *
 * @throws SnapshotError
 */
export async function copySnapshot(from: string, to: string, position: number): Promise<void> {
  const source = snapshotNames(from, position);
  const target = snapshotNames(to, position);
  try {
    await rm(target.mark, { force: true });
    await nodeDisk.syncDirectory(to);
    await rm(target.file, { force: true });
    await giveFile(source.file, target.unfinishedFile);
    await rename(target.unfinishedFile, target.file);
    // Last: with it the snapshot is there.
    await copyFile(source.mark, target.unfinishedMark);
    await syncFile(target.unfinishedMark);
    await nodeDisk.syncDirectory(to);
    await rename(target.unfinishedMark, target.mark);
    await nodeDisk.syncDirectory(to);
  } catch (error) {
    throw ioError(target.file, "copying", error);
  }
}

async function giveFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && NO_LINKS.has(error.code))) throw error;
    await copySlowly(from, to);
  }
}

async function copySlowly(from: string, to: string): Promise<void> {
  await using source = await open(from, "r");
  await using target = await open(to, "wx", 0o600);
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const startedMs = systemClock.nowMs();
  for (let copied = 0; ;) {
    const { bytesRead } = await source.read(piece, 0, piece.length);
    if (bytesRead === 0) break;
    await target.writev([piece.subarray(0, bytesRead)]);
    copied += bytesRead;
    const aheadMs = (copied / SNAPSHOT_BYTES_PER_SECOND) * 1_000 - (systemClock.nowMs() - startedMs);
    if (aheadMs > 1) await sleep(aheadMs);
  }
  await target.sync();
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r+");
  await file.sync();
}
