/**
 * The snapshots in a directory: which there are, one that is made, one that is read, those that go. Which to take and when,
 * and what is in them, others know. Nobody else writes there: a data directory has a lock.
 *
 *     snapshots/
 *       00000000000186a0.lmdb       of journal position 100,000: chunks of records
 *       00000000000186a0.lmdb-lock  LMDB's, and of no meaning to us
 *       00000000000186a0.mark       says that it is complete, and its checksums
 *       0000000000030d40.lmdb.tmp   one that is being made
 */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { SNAPSHOT_BYTES_PER_SECOND } from "./limits.ts";
import { corrupt, ioError, isMissing, isThere } from "./snapshot-error.ts";
import type { SnapshotError } from "./snapshot-error.ts";
import { checkMark } from "./snapshot-file.ts";
import { SnapshotJob } from "./snapshot-job.ts";
import type { SnapshotJobOptions } from "./snapshot-job.ts";
import { decodeMark } from "./snapshot-mark.ts";
import type { SnapshotInfo } from "./snapshot-mark.ts";
import { isLeftover, lockOf, parseName, snapshotNames } from "./snapshot-names.ts";
import { SnapshotReading } from "./snapshot-reading.ts";

export interface SnapshotDirectoryOptions {
  readonly directory: string;
  /** 32 hex digits. Those of other clusters are listed with that error, and not opened. */
  readonly clusterId: string;
  readonly bytesPerSecond?: number;
}

/** A snapshot whose mark is there: what it is, or what is wrong with it as far as that can be told without reading the file. */
export type ListedSnapshot =
  | { readonly position: number; readonly info: SnapshotInfo; readonly error: null }
  | { readonly position: number; readonly info: null; readonly error: SnapshotError };

export type WriteOptions = Pick<SnapshotJobOptions, "onRoom" | "startThread">;

export class SnapshotDirectory {
  readonly path: string;
  readonly #clusterId: string;
  readonly #bytesPerSecond: number;
  #job: SnapshotJob | null = null;

  constructor({ directory, clusterId, bytesPerSecond = SNAPSHOT_BYTES_PER_SECOND }: SnapshotDirectoryOptions) {
    this.path = directory;
    this.#clusterId = clusterId;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Makes the directory where there is none, within one that is there, and takes away what a process that was killed has left. */
  async tidy(): Promise<void> {
    // What is being written is nothing that was left.
    if (this.#job !== null) return;
    try {
      // Not what it lies in: a disk that is away is not to be replaced by a directory of that name.
      await mkdir(this.path, { mode: 0o700 }).catch((error: unknown) => {
        if (!isThere(error)) throw error;
      });
      const names = await readdir(this.path);
      const marked = new Set(names.map(parseName).flatMap((name) => (name?.isMark === true ? [name.position] : [])));
      const isWorthNothing = (name: string): boolean => {
        const parsed = parseName(name);
        return parsed === null ? isLeftover(name) : !parsed.isMark && !marked.has(parsed.position);
      };
      await this.#removeNames(names.filter(isWorthNothing));
    } catch (error) {
      throw ioError(this.path, "tidying", error);
    }
  }

  /** All that are complete, the newest first. */
  async list(): Promise<ListedSnapshot[]> {
    const names = await this.#read();
    const positions = names.map(parseName).flatMap((name) => (name?.isMark === true ? [name.position] : []));
    positions.sort((a, b) => b - a);
    return Promise.all(positions.map((position) => this.#look(position)));
  }

  /** Begins one of what the journal's records up to `position` have done; one at a time. */
  write(position: number, options: WriteOptions): SnapshotJob {
    assert(this.#job === null, "one snapshot is written at a time");
    const job = new SnapshotJob({
      ...options,
      directory: this.path,
      position,
      clusterId: this.#clusterId,
      bytesPerSecond: this.#bytesPerSecond,
      onEnded: async () => {
        this.#job = null;
        if (job.failure?.code === "ERR_SNAPSHOT_THREAD") await this.#removeUnfinished(position);
      },
    });
    this.#job = job;
    return job;
  }

  /** Reads one that is listed. */
  read(position: number): SnapshotReading {
    return new SnapshotReading({ directory: this.path, position, clusterId: this.#clusterId });
  }

  /** The mark goes first: what is left of it after a crash is none. */
  async remove(position: number): Promise<void> {
    const { mark, file } = snapshotNames(this.path, position);
    try {
      await rm(mark, { force: true });
      await nodeDisk.syncDirectory(this.path);
      await rm(file, { force: true });
      await rm(lockOf(file), { force: true });
    } catch (error) {
      throw ioError(mark, "removing", error);
    }
  }

  async #look(position: number): Promise<ListedSnapshot> {
    const { mark, file } = snapshotNames(this.path, position);
    try {
      const { info } = checkMark(mark, decodeMark(mark, await readFile(mark)), position, this.#clusterId);
      const { size } = await stat(file);
      if (size !== info.fileBytes) throw corrupt(file, "as a whole", `it has ${size} bytes of ${info.fileBytes}`);
      return { position, info, error: null };
    } catch (error) {
      return {
        position,
        info: null,
        error: isMissing(error) ? corrupt(file, "as a whole", "it is missing") : ioError(mark, "reading", error),
      };
    }
  }

  /** Of a thread that could not do so itself. */
  async #removeUnfinished(position: number): Promise<void> {
    const { mark, file, unfinishedFile, unfinishedMark } = snapshotNames(this.path, position);
    const marks = await stat(mark).catch(() => null);
    const files = marks === null ? [unfinishedMark, unfinishedFile, file] : [unfinishedMark, unfinishedFile];
    // What cannot be removed now is removed at the next start.
    await Promise.all(files.flatMap((path) => [rm(path, { force: true }), rm(lockOf(path), { force: true })])).catch(
      () => {},
    );
  }

  async #read(): Promise<string[]> {
    try {
      return await readdir(this.path);
    } catch (error) {
      if (isMissing(error)) return [];
      throw ioError(this.path, "reading", error);
    }
  }

  async #removeNames(names: readonly string[]): Promise<void> {
    for (const name of names) await rm(join(this.path, name), { force: true });
  }
}
