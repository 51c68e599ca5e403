/**
 * Chunks in a file of LMDB's, by ordinal. What is to be known about LMDB is known here and in lmdb-needs.ts: it knows no
 * checksums and believes what it maps, so a file is opened only when it has been checked; what it has read counts as this
 * process's memory as long as it is mapped; and a disk that is full is EIO.
 */
import assert from "node:assert/strict";
import { closeSync, fdatasyncSync, fsyncSync, openSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { open } from "lmdb";
import type { RootDatabase, RootDatabaseOptionsWithPath } from "lmdb";
import { FILE_BYTES_MAX, MAPPED_BYTES_MAX, NO_SPACE_BYTES, SYNC_BYTES } from "./limits.ts";
import { provideForReading, provideForWriting } from "./lmdb-needs.ts";
import { corrupt, ioError, noSpace } from "./snapshot-error.ts";
import type { SnapshotError } from "./snapshot-error.ts";

type Env = RootDatabase<Buffer, number>;

const OPTIONS = {
  noSubdir: true,
  encoding: "binary",
  keyEncoding: "uint32",
  maxDbs: 1,
  // Durability is asked for by hand. Left to itself LMDB takes a second database for it.
  noSync: true,
  overlappingSync: false,
} as const;

/** Only LMDB's own types do not know it. */
const PRIVATE = { permissionsMode: 0o600 };

/** A file that is being written: one transaction a chunk. Nobody but its writer may look at it. */
export class ChunkEnvWriter {
  readonly path: string;
  readonly #env: Env;
  /** Another descriptor of the same file, as LMDB gives none. */
  readonly #fd: number;
  #unsynced = 0;
  #isOpen = true;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "wx", PRIVATE.permissionsMode);
    try {
      provideForWriting(path);
      this.#env = openEnv({ ...OPTIONS, ...PRIVATE, path, mapSize: FILE_BYTES_MAX });
    } catch (error) {
      closeSync(this.#fd);
      throw writingFailed(path, 0, error);
    }
  }

  put(ordinal: number, chunk: Buffer): void {
    try {
      this.#env.putSync(ordinal, chunk);
      this.#unsynced += chunk.length;
      if (this.#unsynced < SYNC_BYTES) return;
      fdatasyncSync(this.#fd);
      this.#unsynced = 0;
    } catch (error) {
      throw writingFailed(this.path, chunk.length, error);
    }
  }

  /** Makes what was put durable, and lets go of the file. */
  complete(): void {
    try {
      closeEnv(this.#env);
      fsyncSync(this.#fd);
    } catch (error) {
      throw writingFailed(this.path, 0, error);
    } finally {
      this.#release();
    }
  }

  /** Lets go of the file, as it is; once is enough. */
  abandon(): void {
    if (!this.#isOpen) return;
    closeEnv(this.#env);
    this.#release();
  }

  #release(): void {
    assert(this.#isOpen, "a file is let go of once");
    this.#isOpen = false;
    closeSync(this.#fd);
  }
}

/** A file that was written and checked. */
export class ChunkEnvReader {
  readonly path: string;
  readonly #fileBytes: number;
  #env: Env;
  #mapped = 0;

  constructor(path: string, fileBytes: number) {
    this.path = path;
    this.#fileBytes = fileBytes;
    this.#env = this.#open();
  }

  /**
   * The bytes of a chunk, valid until the next is asked for. They are a part of a longer buffer whose `length` is made to say
   * how much: a view of them needs both ends.
   *
   * @throws SnapshotError `ERR_SNAPSHOT_CORRUPT` when there is none
   */
  get(ordinal: number): Buffer {
    if (this.#mapped >= MAPPED_BYTES_MAX) {
      closeEnv(this.#env);
      this.#env = this.#open();
    }
    let found: Buffer | undefined;
    try {
      found = this.#env.getBinaryFast(ordinal);
    } catch (error) {
      throw ioError(this.path, `reading chunk ${ordinal}`, error);
    }
    if (found === undefined) throw corrupt(this.path, `chunk ${ordinal}`, "it is missing");
    const bytes = Buffer.from(found.buffer, found.byteOffset, found.length);
    this.#mapped += bytes.length;
    return bytes;
  }

  close(): void {
    closeEnv(this.#env);
  }

  #open(): Env {
    this.#mapped = 0;
    try {
      provideForReading(this.path);
      return openEnv({ ...OPTIONS, ...PRIVATE, path: this.path, mapSize: this.#fileBytes, readOnly: true });
    } catch (error) {
      throw ioError(this.path, "opening", error);
    }
  }
}

function openEnv(options: RootDatabaseOptionsWithPath): Env {
  return open<Buffer, number>(options);
}

/** Nothing is under way in an env that is written and read synchronously: it closes at once. */
function closeEnv(env: Env): void {
  void env.close();
}

/** LMDB tells of any write that fell short as EIO: what it was for want of is asked. */
function writingFailed(path: string, bytes: number, error: unknown): SnapshotError {
  const failure = ioError(path, "writing", error);
  return freeBytes(dirname(path)) < bytes + NO_SPACE_BYTES ? noSpace(path, error) : failure;
}

function freeBytes(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    // Then the failure is what it says.
    return Number.POSITIVE_INFINITY;
  }
}
