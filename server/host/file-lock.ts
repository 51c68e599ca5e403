/**
 * An exclusive lock on a file that ends with the process that holds it, however that ends.
 *
 * Node offers no file locks. A pid file outlives a killed owner and means nothing in another pid namespace; an abstract
 * socket does not reach across network namespaces; and two containers that mount one volume are just the case to guard
 * against. SQLite, which is part of Node, takes the kernel's own record locks (fcntl) and also tells apart two owners
 * within one process. So the lock is an open exclusive transaction on an empty database that is never written.
 *
 * Record locks belong to the process: nothing else in it may open and close the file, or the lock is gone.
 */
import { chmodSync, readFileSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

export interface FileLock {
  /** Gives the lock up; a second call does nothing. */
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Takes the lock on the file, which is made when missing. Does not wait.
 *
 * @returns null when another owner has it, in this process or another
 * @throws when the file cannot be opened or is not empty
 */
export function lockFile(file: string): FileLock | null {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    chmodSync(file, 0o600);
    // No rollback journal on disk: nothing is written, and nothing but the file itself shall appear beside it.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
      return null;
    }
    throw error;
  }
  return {
    release: () => {
      if (database.isOpen) {
        database.close();
      }
    },
  };
}

/**
 * The process that holds the lock, for a message: as far as the kernel tells, which it does on Linux, and of processes that
 * can be seen from here. Null when that is not known.
 */
export function lockHolder(file: string): number | null {
  try {
    const inode = String(statSync(file).ino);
    // 1: POSIX  ADVISORY  WRITE 4711 fe:00:1835010 1073741824 1073742335
    for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
      const [, , , , pid, place = ""] = line.trim().split(/\s+/);
      if (place.split(":")[2] === inode && Number(pid) > 0) return Number(pid);
    }
  } catch {
    // Not on Linux, or not to be read: the message goes without.
  }
  return null;
}
