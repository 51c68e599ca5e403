/**
 * What LMDB must find when it opens a file, looked for before it does: where it runs short of anything, an open does not fail but
 * ends the process. Its lock is a file that it maps and writes to, sparse if it makes it itself: on a disk that is full, that is
 * SIGBUS. And an open that fails for want of room or of a descriptor lets go of things twice.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { OPENING_DESCRIPTORS, OPENING_ROOM_BYTES } from "./limits.ts";
import { ioError, isReadOnly, noSpace } from "./snapshot-error.ts";
import { lockOf, newLockOf } from "./snapshot-names.ts";

/** More than LMDB asks for with the readers that it may have: 64 bytes each. */
const LOCK_BYTES = 16 * 1024;
/** What stat counts blocks in. */
const BLOCK_BYTES = 512;

/**
 * Sees to all that an open for reading needs: descriptors, and a lock that takes no more room. Where nothing can be written at all
 * LMDB does without one.
 *
 * @throws SnapshotError what is missing
 */
export function provideForReading(path: string): void {
  provideDescriptors(path);
  if (!hasLock(path)) makeLock(path);
}

/** The same for an open that makes the first pages of a file, which is there and empty. */
export function provideForWriting(path: string): void {
  provideForReading(path);
  provideRoom(path);
}

/** Takes as many descriptors as LMDB will, and gives them back. */
function provideDescriptors(path: string): void {
  const taken: number[] = [];
  try {
    for (let i = 0; i < OPENING_DESCRIPTORS; i++) taken.push(openSync(path, "r"));
  } catch (error) {
    throw ioError(path, "opening", error);
  } finally {
    taken.forEach(closeSync);
  }
}

/** Writes much more than the first pages are, and takes it back: quotas are not known before either. */
function provideRoom(path: string): void {
  const room = `${path}-room`;
  try {
    writeZeros(room, OPENING_ROOM_BYTES);
  } catch (error) {
    throw ioError(path, "making room", error);
  } finally {
    rmSync(room, { force: true });
  }
}

function hasLock(path: string): boolean {
  const found = statSync(lockOf(path), { throwIfNoEntry: false });
  return found !== undefined && found.size >= LOCK_BYTES && found.blocks * BLOCK_BYTES >= LOCK_BYTES;
}

/** Under another name first, as one that somebody else has mapped must not change. */
function makeLock(path: string): void {
  const unfinished = newLockOf(path, randomBytes(4).toString("hex"));
  try {
    writeZeros(unfinished, LOCK_BYTES);
    renameSync(unfinished, lockOf(path));
  } catch (error) {
    if (isReadOnly(error)) return;
    rmSync(unfinished, { force: true });
    throw ioError(path, "making a lock", error);
  }
}

function writeZeros(path: string, bytes: number): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    if (writeSync(fd, Buffer.alloc(bytes)) !== bytes) throw noSpace(path, null);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
