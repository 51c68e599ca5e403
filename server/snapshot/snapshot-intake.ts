/**
 * Takes in a snapshot that comes from elsewhere, piece by piece. What comes is held against its mark before it is written, and
 * read again behind that; when all is there, durable and right, it gets its name. A piece is all that is kept of it in memory.
 */
import type { FileHandle } from "node:fs/promises";
import { open, rename, rm } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { SUM_BYTES, SYNC_BYTES } from "./limits.ts";
import { cancelled, corrupt, ioError, readOtherwise } from "./snapshot-error.ts";
import { encodeMark } from "./snapshot-mark.ts";
import type { SnapshotMark } from "./snapshot-mark.ts";
import { lockOf, snapshotNames } from "./snapshot-names.ts";
import type { SnapshotNames } from "./snapshot-names.ts";

export class SnapshotIntake {
  readonly #directory: string;
  readonly #names: SnapshotNames;
  readonly #mark: SnapshotMark;
  readonly #file: FileHandle;
  /** Bytes of the file that were written. */
  #written = 0;
  #syncedTo = 0;
  /** Of the part that is under way: as it came, and as it was read again. */
  #sumCome = 0;
  #sumRead = 0;
  #isOver = false;
  /** What is at the disk. */
  #working: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, names: SnapshotNames, mark: SnapshotMark, file: FileHandle) {
    this.#directory = directory;
    this.#names = names;
    this.#mark = mark;
    this.#file = file;
  }

  /** @throws SnapshotError */
  static async begin(directory: string, mark: SnapshotMark): Promise<SnapshotIntake> {
    const names = snapshotNames(directory, mark.info.position);
    try {
      await rm(names.unfinishedFile, { force: true });
      const file = await open(names.unfinishedFile, "wx+", 0o600);
      return new SnapshotIntake(directory, names, mark, file);
    } catch (error) {
      throw ioError(names.unfinishedFile, "beginning", error);
    }
  }

  /** @throws SnapshotError `ERR_SNAPSHOT_CORRUPT` when it is not what the mark says */
  write(bytes: Buffer): Promise<void> {
    return this.#do("writing", () => this.#write(bytes));
  }

  /** Replaces what there is of this position. */
  complete(): Promise<void> {
    return this.#do("completing", () => this.#complete());
  }

  async abandon(): Promise<void> {
    const isOver = this.#isOver;
    this.#isOver = true;
    await this.#working.catch(() => undefined);
    if (isOver) return;
    try {
      await this.#file.close();
      await rm(this.#names.unfinishedFile, { force: true });
    } catch (error) {
      throw ioError(this.#names.unfinishedFile, "removing", error);
    }
  }

  #do(act: string, work: () => Promise<void>): Promise<void> {
    const { unfinishedFile } = this.#names;
    if (this.#isOver) return Promise.reject(cancelled(unfinishedFile));
    const working = work().catch((error: unknown) => {
      throw ioError(unfinishedFile, act, error);
    });
    this.#working = working;
    return working;
  }

  async #write(bytes: Buffer): Promise<void> {
    const { file, info } = { file: this.#file, info: this.#mark.info };
    const from = this.#written;
    const room = Math.min(SUM_BYTES - (from % SUM_BYTES), info.fileBytes - from);
    if (bytes.length === 0 || bytes.length > room)
      throw corrupt(this.#names.file, "as a whole", "it has another length");
    this.#sumCome = crc32(bytes, this.#sumCome);
    await writeAll(file, bytes, from);
    const again = Buffer.allocUnsafe(bytes.length);
    const { bytesRead } = await file.read(again, 0, again.length, from);
    this.#sumRead = crc32(again.subarray(0, bytesRead), this.#sumRead);
    this.#written = from + bytes.length;
    if (bytes.length === room) this.#endPart();
    if (this.#written - this.#syncedTo >= SYNC_BYTES) await this.#sync();
  }

  #endPart(): void {
    const index = Math.ceil(this.#written / SUM_BYTES) - 1;
    const from = index * SUM_BYTES;
    const { file, unfinishedFile } = this.#names;
    if (this.#sumCome !== this.#mark.sums[index])
      throw corrupt(file, `between offsets ${from} and ${this.#written}`, "its checksum is wrong");
    if (this.#sumRead !== this.#sumCome) throw readOtherwise(unfinishedFile, from, this.#written);
    this.#sumCome = 0;
    this.#sumRead = 0;
  }

  async #sync(): Promise<void> {
    await this.#file.datasync();
    this.#syncedTo = this.#written;
  }

  async #complete(): Promise<void> {
    const { file, mark, unfinishedFile, unfinishedMark } = this.#names;
    const { fileBytes } = this.#mark.info;
    if (this.#written !== fileBytes) throw corrupt(file, "as a whole", `${this.#written} bytes came of ${fileBytes}`);
    await this.#file.sync();
    await rm(mark, { force: true });
    await nodeDisk.syncDirectory(this.#directory);
    await rm(lockOf(file), { force: true });
    await rename(unfinishedFile, file);
    await rm(unfinishedMark, { force: true });
    const markFile = await open(unfinishedMark, "wx", 0o600);
    try {
      await writeAll(markFile, encodeMark(this.#mark), 0);
      await markFile.sync();
    } finally {
      await markFile.close();
    }
    await nodeDisk.syncDirectory(this.#directory);
    // Last: with it the snapshot is there.
    await rename(unfinishedMark, mark);
    await nodeDisk.syncDirectory(this.#directory);
    this.#isOver = true;
    await this.#file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, at + written);
    written += bytesWritten;
  }
}
