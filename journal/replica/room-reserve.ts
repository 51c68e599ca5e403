/**
 * A file beside the segments that is worth its room only: it is removed when the disk is full, so that a roll or an open
 * finds what little it needs, and made again when there is room.
 *
 *     reserve.tmp   random bytes, which no file system can keep in less room
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";
import { isMissing, writeDurably } from "./disk.ts";
import { RESERVE_BYTES } from "../limits.ts";

/** Of no meaning to recovery, as all names but the segments'. */
export const RESERVE_NAME = "reserve.tmp";

export class RoomReserve {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #bytes: number;

  constructor(disk: Disk, directory: string, segmentBytes: number) {
    this.#disk = disk;
    this.#path = join(directory, RESERVE_NAME);
    this.#bytes = Math.min(RESERVE_BYTES, segmentBytes);
  }

  /**
   * Sets the room aside, if it is not yet.
   *
   * @throws what the disk says when there is none
   */
  async take(): Promise<void> {
    if (await this.#isTaken()) return;
    const file = await this.#disk.create(this.#path);
    try {
      await writeDurably(file, randomBytes(this.#bytes), this.#bytes, 0);
    } catch (error) {
      // What it has got of the room is of no use to it.
      await this.release().catch(() => false);
      throw error;
    } finally {
      await file.close();
    }
  }

  /**
   * Sets the room aside, if it is not yet, and makes sure that there is as much once more: a journal that failed for want
   * of room would fail again if it were opened for the reserve's sake alone.
   *
   * @throws what the disk says when there is not
   */
  async prove(): Promise<void> {
    await this.take();
    const file = await this.#disk.openForWriting(this.#path);
    try {
      // A try that was cut short may have left it longer.
      await file.resize(this.#bytes);
      await writeDurably(file, randomBytes(this.#bytes), this.#bytes, this.#bytes);
    } finally {
      await file.resize(this.#bytes).catch(() => undefined);
      await file.close();
    }
  }

  /** Gives the room back; false when there was none. */
  async release(): Promise<boolean> {
    try {
      await this.#disk.remove(this.#path);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async #isTaken(): Promise<boolean> {
    let file: DiskFile;
    try {
      file = await this.#disk.openForReading(this.#path);
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    try {
      return (await file.size()).bytes >= this.#bytes;
    } finally {
      await file.close();
    }
  }
}
