// Makes the processes of one checkout build peers one after the other: two at once would do the same work twice, and each
// is as parallel as the machine. The lock is the kernel's, so it ends with its holder, however that ends.

import { setTimeout as delay } from "node:timers/promises";

import { lockFile, type FileLock } from "../../journal/replica/file-lock.ts";

// The longest that one process waits for another one's builds; a first build of all peers takes a fraction of it.
const WAIT_MILLISECONDS_MAX = 60 * 60 * 1000;
const POLL_MILLISECONDS = 100;

export interface BuildLockOptions {
  /** Made when missing, never removed: two processes with the lock on two files of one name would both hold it. */
  readonly file: string;
  /** Whether others have done meanwhile what the lock is wanted for. */
  readonly isDone: () => boolean;
  /** Called once when another owner has the lock, before it is waited for. */
  readonly onWait: () => void;
}

/**
 * Gives the lock, or null once it is not needed any more. Who waits is not told when the lock is free, and one that builds
 * many peers takes it again at once: so without that look it could be the last to get it.
 */
export async function takeBuildLock({ file, isDone, onWait }: BuildLockOptions): Promise<FileLock | null> {
  const deadline = performance.now() + WAIT_MILLISECONDS_MAX;
  let waits = false;
  while (!isDone()) {
    const lock = lockFile(file);
    if (lock !== null) return lock;
    if (performance.now() > deadline) throw new Error(`another process holds ${file} for too long`);
    if (!waits) onWait();
    waits = true;
    await delay(POLL_MILLISECONDS);
  }
  return null;
}
