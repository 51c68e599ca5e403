/**
 * Writes one snapshot: chunk after chunk into a file that has no name yet, then the contents, then it is read again as any
 * snapshot is, and then the mark is written, with which it exists. All of it blocks: it is for a thread of its own
 * (write-thread.ts), or a program that has nothing else to do.
 */
import assert from "node:assert/strict";
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { CONTENTS_ORDINAL, CHUNK_HEADER_BYTES, sealChunk } from "./chunk.ts";
import { ChunkEnvWriter } from "./chunk-env.ts";
import { sumFile } from "./file-sums.ts";
import type { OnRead } from "./file-sums.ts";
import { COMPRESSION_PAUSE_CHUNKS, LABEL_BYTES_MAX } from "./limits.ts";
import { ChunkTally, packContents } from "./snapshot-contents.ts";
import type { ChunkEntry } from "./snapshot-contents.ts";
import { corrupt, exists, ioError } from "./snapshot-error.ts";
import { SnapshotFile } from "./snapshot-file.ts";
import { encodeMark } from "./snapshot-mark.ts";
import type { SnapshotInfo, SnapshotMark } from "./snapshot-mark.ts";
import { lockOf, snapshotNames } from "./snapshot-names.ts";
import type { SnapshotNames } from "./snapshot-names.ts";

export interface SnapshotWriterOptions {
  /** It is there. */
  readonly directory: string;
  readonly position: number;
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly wallMs: () => number;
  /** Told of each part that was written, and of each that was read again: they may wait, or throw to end it. */
  readonly onWritten: (bytes: number) => void;
  readonly onRead: OnRead;
}

export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  readonly #names: SnapshotNames;
  readonly #env: ChunkEnvWriter;
  readonly #tally = new ChunkTally();
  readonly #entries: ChunkEntry[] = [];
  /** So many of the next chunks are not tried to be compressed. */
  #untried = 0;

  /** @throws SnapshotError `ERR_SNAPSHOT_EXISTS` when there is one of that position */
  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
    this.#names = snapshotNames(options.directory, options.position);
    if (existsSync(this.#names.mark)) throw exists(this.#names.mark);
    try {
      // Of one that was not completed.
      removeUnfinished(this.#names);
      this.#env = new ChunkEnvWriter(this.#names.unfinishedFile);
    } catch (error) {
      const failure = ioError(this.#names.unfinishedFile, "creating", error);
      removeUnfinished(this.#names);
      throw failure;
    }
  }

  /**
   * @param chunk room for a chunk's header, then whole records. Its bytes may be changed.
   * @param label of the first record, of which the beginning is kept
   */
  write(chunk: Buffer, count: number, label: Uint8Array): void {
    const ordinal = CONTENTS_ORDINAL + 1 + this.#entries.length;
    const sealed = this.#seal(chunk, ordinal, count);
    this.#env.put(ordinal, sealed);
    this.#tally.add(sealed, count, chunk.length - CHUNK_HEADER_BYTES);
    this.#entries.push({ count, label: Uint8Array.from(label.subarray(0, LABEL_BYTES_MAX)) });
    this.#options.onWritten(sealed.length);
  }

  /**
   * The end, after which the snapshot exists, and has been read as it was written. When it throws there is none, and
   * `cancel` takes what is left of it away.
   */
  complete(meta: unknown): SnapshotInfo {
    const { position, clusterId, wallMs, onRead } = this.#options;
    const totals = this.#tally.totals();
    const entries = this.#entries;
    const contents = sealChunk(packContents({ position, clusterId, totals, entries, meta }), CONTENTS_ORDINAL, 0, true);
    this.#env.put(CONTENTS_ORDINAL, contents);
    this.#env.complete();
    const { bytes: fileBytes, sums } = sumFile(this.#env.path, onRead);
    const { records, recordBytes, digest } = totals;
    const info = { position, clusterId, wallMs: wallMs(), records, recordBytes, fileBytes, digest };
    readAgain(this.#env.path, { info, sums }, onRead);
    this.#publish({ info, sums });
    return info;
  }

  /** Takes away what was written; the mark first, where it could not be made durable. */
  cancel(): void {
    this.#env.abandon();
    rmSync(this.#names.mark, { force: true });
    removeUnfinished(this.#names);
  }

  #seal(chunk: Buffer, ordinal: number, count: number): Buffer {
    const isTried = this.#untried === 0;
    const sealed = sealChunk(chunk, ordinal, count, isTried);
    if (!isTried) this.#untried--;
    else if (sealed === chunk) this.#untried = COMPRESSION_PAUSE_CHUNKS;
    return sealed;
  }

  /** The file has its name, durably, before the mark has. Its lock goes along: who reads it on a full disk could make none. */
  #publish(mark: SnapshotMark): void {
    const { file, unfinishedFile, mark: markFile, unfinishedMark } = this.#names;
    const directory = dirname(file);
    try {
      renameSync(lockOf(unfinishedFile), lockOf(file));
      renameSync(unfinishedFile, file);
      syncDirectory(directory);
      writeDurably(unfinishedMark, encodeMark(mark));
      renameSync(unfinishedMark, markFile);
      syncDirectory(directory);
    } catch (error) {
      throw ioError(markFile, "writing", error);
    }
  }
}

/** Takes away what is no snapshot, and nothing else: what has a mark is one. */
function removeUnfinished(names: SnapshotNames): void {
  assert(!existsSync(names.mark), "a snapshot with a mark is complete");
  for (const path of [names.unfinishedMark, names.unfinishedFile, names.file]) {
    rmSync(path, { force: true });
    rmSync(lockOf(path), { force: true });
  }
}

/** What is written has to be read some day: whether it can be is known when it still matters to nobody. */
function readAgain(path: string, mark: SnapshotMark, onRead: OnRead): void {
  const written = SnapshotFile.openChecked(path, mark);
  try {
    for (const chunk of written.chunks()) onRead(chunk.body.length);
  } catch (error) {
    throw ioError(path, "reading it again", error);
  } finally {
    written.close();
  }
}

function writeDurably(path: string, bytes: Buffer): void {
  const fd = openSync(path, "w", 0o600);
  try {
    const written = writeSync(fd, bytes);
    if (written !== bytes.length) throw corrupt(path, "as a whole", "only a part of it could be written");
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
