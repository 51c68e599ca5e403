/**
 * The snapshots of a directory as files: listed, read and taken in piece by piece, for who moves them from one zone to another.
 * What is in them it does not look at.
 */
import { open, readFile } from "node:fs/promises";
import { SnapshotIntake } from "./snapshot-intake.ts";
import { PIECE_BYTES } from "./limits.ts";
import type { SnapshotDirectory } from "./snapshot-directory.ts";
import { checkMark } from "./snapshot-file.ts";
import { incomplete, ioError, isMissing } from "./snapshot-error.ts";
import { decodeMark } from "./snapshot-mark.ts";
import { snapshotNames } from "./snapshot-names.ts";

export class SnapshotFiles {
  readonly #directory: SnapshotDirectory;
  readonly #clusterId: string;
  /** The last that was begun. */
  #intake: SnapshotIntake | null = null;

  constructor(directory: SnapshotDirectory, clusterId: string) {
    this.#directory = directory;
    this.#clusterId = clusterId;
  }

  async list(): Promise<number[]> {
    return (await this.#directory.list()).map(({ position }) => position);
  }

  /** @throws SnapshotError as each of them */
  async mark(position: number): Promise<Buffer> {
    const { mark } = snapshotNames(this.#directory.path, position);
    try {
      return await readFile(mark);
    } catch (error) {
      throw isMissing(error) ? incomplete(mark) : ioError(mark, "reading", error);
    }
  }

  async read(position: number, offset: number): Promise<Buffer> {
    const { file: path } = snapshotNames(this.#directory.path, position);
    try {
      await using file = await open(path, "r");
      const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, offset);
      return piece.subarray(0, bytesRead);
    } catch (error) {
      throw ioError(path, "reading", error);
    }
  }

  async begin(position: number, mark: Buffer): Promise<SnapshotIntake> {
    const { mark: path } = snapshotNames(this.#directory.path, position);
    const checked = checkMark(path, decodeMark(path, mark), position, this.#clusterId);
    await this.#intake?.abandon();
    this.#intake = null;
    await this.#directory.tidy();
    this.#intake = await SnapshotIntake.begin(this.#directory.path, checked);
    return this.#intake;
  }

  remove(position: number): Promise<void> {
    return this.#directory.remove(position);
  }
}
