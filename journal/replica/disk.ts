/**
 * What the journal needs of a file system. The seam exists so that a test can be the disk that fails, tears writes and
 * loses power; the real one is `nodeDisk`.
 *
 * Durability: a file's content is durable when its `write` has called back without an error; names (create, rename,
 * remove) when `syncDirectory` has resolved. Nothing else is.
 */
import assert from "node:assert/strict";
import {
  accessSync,
  close,
  constants,
  fsync,
  ftruncate,
  fstat,
  mkdir,
  open,
  read,
  readdir,
  rename,
  stat,
  unlink,
  write,
} from "node:fs";
import type { BigIntStats } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { JournalError } from "../journal.ts";
import { corrupt, locked } from "../journal-errors.ts";
import type { FileLock } from "./file-lock.ts";
import { isNoDatabase, isNotOpened, lockExistingFile, lockHolder } from "./file-lock.ts";

export interface Disk {
  /** Makes the directory and its parents where they are missing. Its name is durable then, whoever made it. */
  makeDirectory(path: string): Promise<void>;
  list(directory: string): Promise<string[]>;
  /** Creates an empty file for reading and writing, replacing one of that name. */
  create(path: string): Promise<DiskFile>;
  openForWriting(path: string): Promise<DiskFile>;
  openForReading(path: string): Promise<DiskFile>;
  /**
   * Opens a file that begins as an empty SQLite database does, for writing, and holds the kernel's lock on it until it is
   * closed. Nothing else in the process may open it meanwhile: the first close of it ends the lock.
   *
   * @throws JournalError `ERR_JOURNAL_LOCKED` when another owner has it, `ERR_JOURNAL_CORRUPT` when it begins otherwise
   */
  openLocked(path: string): Promise<DiskFile>;
  /** Whether the name is still that of the file, and not of another one or of none. */
  isNameOf(path: string, file: DiskFile): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

export interface DiskFile {
  /** For messages; who renames the file says so here. */
  path: string;
  /**
   * Writes `bytes[0 … length)` from the offset `at` of the file on and makes them durable. Tells how many bytes were
   * written: fewer than asked for is a failure too, and what is on the disk is then unknown.
   */
  write(bytes: Uint8Array, length: number, at: number, onWritten: OnWritten): void;
  /**
   * Reads the file from `at` on into `bytes` from `offset` on, up to `length` bytes; resolves to their number, 0 at the
   * end of the file.
   */
  read(bytes: Uint8Array, offset: number, length: number, at: number): Promise<number>;
  /** Its size, and how many bytes of that it takes from the disk: fewer where it is sparse. */
  size(): Promise<{ readonly bytes: number; readonly allocated: number }>;
  /** Cuts the file or extends it with zeros. */
  resize(bytes: number): Promise<void>;
  close(): Promise<void>;
}

export type OnWritten = (error: Error | null, count: number) => void;

const closeFile = promisify(close);
const openFile = promisify(open);
const readFile = promisify(read);
const resizeFile = promisify(ftruncate);
const statFile = promisify(fstat);
const syncFile = promisify(fsync);
const statPath = promisify(stat);
const makePath = promisify(mkdir);

class NodeFile implements DiskFile {
  path: string;
  /** Device and inode, for `isNameOf`. */
  #identity: string | null = null;
  readonly #fd: number;
  readonly #lock: FileLock | null;

  constructor(path: string, fd: number, lock: FileLock | null) {
    this.path = path;
    this.#fd = fd;
    this.#lock = lock;
  }

  // One trip to the thread pool: the descriptor is O_DSYNC, so the write returns when its bytes are durable.
  write(bytes: Uint8Array, length: number, at: number, onWritten: OnWritten): void {
    assert(length <= bytes.length, "only bytes that there are can be written");
    assert(at >= 0, "a file begins at 0");
    write(this.#fd, bytes, 0, length, at, onWritten);
  }

  async read(bytes: Uint8Array, offset: number, length: number, at: number): Promise<number> {
    const { bytesRead } = await readFile(this.#fd, bytes, offset, length, at);
    return bytesRead;
  }

  async size(): Promise<{ bytes: number; allocated: number }> {
    const { size, blocks } = await statFile(this.#fd);
    // stat counts in units of 512 bytes, whatever the file system's blocks are.
    return { bytes: size, allocated: blocks * 512 };
  }

  async identity(): Promise<string> {
    this.#identity ??= identityOf(await statFile(this.#fd, { bigint: true }));
    return this.#identity;
  }

  resize(bytes: number): Promise<void> {
    return resizeFile(this.#fd, bytes);
  }

  async close(): Promise<void> {
    try {
      await closeFile(this.#fd);
    } finally {
      this.#lock?.release();
    }
  }
}

class NodeDisk implements Disk {
  readonly list = promisify<string, string[]>(readdir);
  readonly rename = promisify(rename);
  readonly remove = promisify(unlink);

  async makeDirectory(path: string): Promise<void> {
    const found = await exists(path);
    if (!found) {
      await this.makeDirectory(dirname(path));
      await makeOneDirectory(path);
    }
    // Also of one that was found: who made it may have been killed before this. Since it comes before the next level is
    // made, the last level found is the only one that can lack it.
    try {
      await this.syncDirectory(dirname(path));
    } catch (error) {
      if (!found || !isForeign(error)) throw error;
    }
  }

  create(path: string): Promise<DiskFile> {
    return this.#open(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | durableWrites());
  }

  openForWriting(path: string): Promise<DiskFile> {
    return this.#open(path, constants.O_RDWR | durableWrites());
  }

  openForReading(path: string): Promise<DiskFile> {
    return this.#open(path, constants.O_RDONLY);
  }

  async openLocked(path: string): Promise<DiskFile> {
    const lock = lockMade(path);
    if (lock === null) throw locked(path, lockHolder(path));
    try {
      return await this.#open(path, constants.O_RDWR | durableWrites(), lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  async isNameOf(path: string, file: DiskFile): Promise<boolean> {
    assert(file instanceof NodeFile, "a file is of the disk that opened it");
    const identity = await file.identity();
    try {
      return identityOf(await statPath(path, { bigint: true })) === identity;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async syncDirectory(path: string): Promise<void> {
    const fd = await openFile(path, constants.O_RDONLY);
    try {
      await syncFile(fd);
    } finally {
      await closeFile(fd);
    }
  }

  async #open(path: string, flags: number, lock: FileLock | null = null): Promise<DiskFile> {
    return new NodeFile(path, await openFile(path, flags, 0o600), lock);
  }
}

function lockMade(path: string): FileLock | null {
  try {
    return lockExistingFile(path);
  } catch (error) {
    if (isNoDatabase(error)) throw corrupt(path, 0, "it does not begin as it was written");
    if (isNotOpened(error)) throw whyNotOpened(path);
    throw error;
  }
}

/** Why a file cannot be opened, found out without a descriptor: who may open it, and could not, has none left. */
function whyNotOpened(path: string): unknown {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    return error;
  }
  return Object.assign(new Error(`EMFILE: too many open files, open '${path}'`), { code: "EMFILE" });
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

async function exists(path: string): Promise<boolean> {
  try {
    await statPath(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** One directory, which another process may make at the same time. */
async function makeOneDirectory(path: string): Promise<void> {
  try {
    await makePath(path, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
}

/** Whether a directory cannot be synced because it is not ours: we may not read it, or nobody can write there. */
function isForeign(error: unknown): boolean {
  return ["EACCES", "EPERM", "EROFS", "EINVAL"].some((code) => hasCode(error, code));
}

/** What is in a directory; nothing when it is not there. */
export async function namesIn(disk: Disk, directory: string): Promise<string[]> {
  try {
    return await disk.list(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Whether a file or directory was not there. */
export function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT");
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** A platform without the flag would or-in nothing and lose acknowledged records: better no journal than that one. */
function durableWrites(): number {
  const flag: number | undefined = constants.O_DSYNC;
  if (flag === undefined) {
    throw new JournalError(
      "ERR_JOURNAL_IO",
      `this platform (${process.platform}) has no O_DSYNC, which the journal needs`,
    );
  }
  return flag;
}

export const nodeDisk: Disk = new NodeDisk();

/** What became of a write: null when all of it is durable. */
export function writeFailure(
  file: DiskFile,
  length: number,
  at: number,
  error: Error | null,
  count: number,
): JournalError | null {
  if (error === null && count === length) return null;
  const cause = error ?? shortWrite(count, length);
  const text = `${file.path}: writing ${length} bytes at offset ${at} failed: ${cause.message}`;
  return new JournalError("ERR_JOURNAL_IO", text, { cause });
}

/** The kernel takes what there is room for, and says that there is no more at the next write only. */
function shortWrite(count: number, length: number): Error {
  const text = `short write: ${count} of ${length} bytes; the disk may be full`;
  return Object.assign(new Error(text), { code: "ENOSPC" });
}

/** The write for callers that are not in a hurry. */
export function writeDurably(file: DiskFile, bytes: Uint8Array, length: number, at: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(bytes, length, at, (error, count) => {
      const failure = writeFailure(file, length, at, error, count);
      if (failure === null) resolve();
      else reject(failure);
    });
  });
}

/** Reads until `length` bytes or the end of the file; resolves to the number read. */
export async function readFully(file: DiskFile, bytes: Uint8Array, length: number, at: number): Promise<number> {
  assert(length <= bytes.length, "what is read has room");
  let filled = 0;
  while (filled < length) {
    const count = await file.read(bytes, filled, length - filled, at + filled);
    if (count === 0) break;
    filled += count;
    assert(filled <= length, "no more is read than was asked for");
  }
  return filled;
}
