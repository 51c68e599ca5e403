/**
 * An exclusive lock on a file that ends with the process that holds it, however that ends.
 *
 * Node offers no file locks. A pid file outlives a killed owner and means nothing in another pid namespace; an abstract
 * socket does not reach across network namespaces; and two containers that mount one volume are just the case to guard
 * against. SQLite, which is part of Node, takes the kernel's own record locks (fcntl) and also tells apart two owners
 * within one process. So the lock is an open exclusive transaction on a database that is never written: an empty file, or
 * one that begins as an empty database does.
 *
 * Record locks belong to the process: when anything in it closes the file, the lock is gone.
 */
import { chmodSync, readFileSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

export interface FileLock {
  /** Gives the lock up; a second call does nothing. */
  release(): void;
}

const SQLITE_BUSY = 5;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

/**
 * Takes the lock on the file, which is made when missing. Does not wait.
 *
 * @returns null when another owner has it, in this process or another
 * @throws when the file cannot be opened or is no database
 */
export function lockFile(file: string): FileLock | null {
  const database = new DatabaseSync(file, { timeout: 0 });
  return lock(database, () => chmodSync(file, 0o600));
}

/** The same for a file that must be there: none is made. */
export function lockExistingFile(file: string): FileLock | null {
  const url = pathToFileURL(file);
  url.search = "?mode=rw";
  return lock(new DatabaseSync(url, { timeout: 0 }));
}

/** Whether a lock was not given because the file does not begin as a database does. */
export function isNoDatabase(error: unknown): boolean {
  return hasCode(error, SQLITE_NOTADB);
}

/** Whether a lock was not given because the file could not be opened. SQLite does not say why. */
export function isNotOpened(error: unknown): boolean {
  return hasCode(error, SQLITE_CANTOPEN);
}

function lock(database: DatabaseSync, prepare: () => void = () => undefined): FileLock | null {
  try {
    prepare();
    // No rollback journal on disk: nothing is written, and nothing but the file itself shall appear beside it.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (hasCode(error, SQLITE_BUSY)) return null;
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

function hasCode(error: unknown, code: number): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === code;
}
