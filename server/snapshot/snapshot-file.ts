/**
 * Reads a snapshot, chunk by chunk. Before the first one every byte of the file has been held against its mark, by plain
 * reads. All of it blocks: it is for a thread of its own (read-thread.ts), or a program that has nothing else to do.
 */
import { readFileSync } from "node:fs";
import { CONTENTS_ORDINAL, openChunk } from "./chunk.ts";
import type { Chunk } from "./chunk.ts";
import { ChunkEnvReader } from "./chunk-env.ts";
import { checkFile } from "./file-sums.ts";
import type { OnRead } from "./file-sums.ts";
import { ChunkTally, unpackContents } from "./snapshot-contents.ts";
import type { ChunkTotals, SnapshotContents } from "./snapshot-contents.ts";
import { corrupt, incomplete, ioError, isMissing, otherCluster } from "./snapshot-error.ts";
import { decodeMark } from "./snapshot-mark.ts";
import type { SnapshotInfo, SnapshotMark } from "./snapshot-mark.ts";
import { snapshotNames } from "./snapshot-names.ts";

export interface SnapshotFileOptions {
  readonly directory: string;
  readonly position: number;
  /** One of another cluster is refused. */
  readonly clusterId: string;
  /** Told of each part of the file that was checked: it may wait, or throw to end it. */
  readonly onChecked: OnRead;
}

export class SnapshotFile {
  readonly info: SnapshotInfo;
  readonly contents: SnapshotContents;
  readonly #env: ChunkEnvReader;

  /** @throws SnapshotError which says what is wrong with it, and where */
  static open({ directory, position, clusterId, onChecked }: SnapshotFileOptions): SnapshotFile {
    const names = snapshotNames(directory, position);
    const mark = readMark(names.mark, position, clusterId);
    checkFile(names.file, mark, onChecked);
    return SnapshotFile.openChecked(names.file, mark);
  }

  /** Opens a file of which every byte is what the mark says: any other may end the process. */
  static openChecked(path: string, mark: SnapshotMark): SnapshotFile {
    const env = new ChunkEnvReader(path, mark.info.fileBytes);
    try {
      return new SnapshotFile(env, mark.info);
    } catch (error) {
      env.close();
      throw error;
    }
  }

  private constructor(env: ChunkEnvReader, info: SnapshotInfo) {
    this.#env = env;
    this.info = info;
    const { body } = openChunk(env.path, env.get(CONTENTS_ORDINAL), CONTENTS_ORDINAL);
    this.contents = unpackContents(env.path, body);
    const { position, clusterId, totals } = this.contents;
    if (position !== info.position || clusterId !== info.clusterId || !isOf(info, totals)) {
      throw corrupt(env.path, "in its contents", "they are not those of the mark");
    }
  }

  /**
   * All chunks in their order, each valid until the next is asked for. After the last one all are known to be those that were
   * written.
   *
   * @throws SnapshotError `ERR_SNAPSHOT_CORRUPT`
   */
  *chunks(): Generator<Chunk> {
    const { entries } = this.contents;
    const tally = new ChunkTally();
    for (const [index, entry] of entries.entries()) {
      const ordinal = CONTENTS_ORDINAL + 1 + index;
      const bytes = this.#env.get(ordinal);
      const chunk = openChunk(this.#env.path, bytes, ordinal);
      if (chunk.count !== entry.count) throw corrupt(this.#env.path, `chunk ${ordinal}`, "it has another count");
      tally.add(bytes, chunk.count, chunk.body.length);
      yield chunk;
    }
    if (!isOf(this.info, tally.totals()))
      throw corrupt(this.#env.path, "as a whole", "its chunks are not those of the mark");
  }

  close(): void {
    this.#env.close();
  }
}

/** @throws SnapshotError when there is none, or it is not of that snapshot */
export function readMark(path: string, position: number, clusterId: string): SnapshotMark {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw isMissing(error) ? incomplete(path) : ioError(path, "reading", error);
  }
  return checkMark(path, decodeMark(path, bytes), position, clusterId);
}

export function checkMark(path: string, mark: SnapshotMark, position: number, clusterId: string): SnapshotMark {
  const { info } = mark;
  if (info.position !== position) throw corrupt(path, "as a whole", `it is that of position ${info.position}`);
  if (info.clusterId !== clusterId) throw otherCluster(path, info.clusterId, clusterId);
  return mark;
}

function isOf(info: SnapshotInfo, totals: ChunkTotals): boolean {
  return info.records === totals.records && info.recordBytes === totals.recordBytes && info.digest === totals.digest;
}
