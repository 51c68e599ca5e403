/**
 * Looks from time to time how much room is left on the disk of a directory, and warns before there is none. Also notices
 * that the directory is gone, which writes to a file that is open do not.
 */
import { statfs } from "node:fs/promises";
import type { Clock, Timer } from "../clock.ts";
import { DISK_CHECK_MS, DISK_LOW_BYTES, DISK_LOW_SHARE, DISK_ROOM_AGAIN_FACTOR } from "../limits.ts";
import type { Logger } from "./logger.ts";

/** As statfs tells it: blocks of a size, and those of them that this process may still use. */
export interface FileSystem {
  readonly bsize: number;
  readonly blocks: number;
  readonly bavail: number;
}

export interface DiskRoomOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The directory does not exist any more. Called once, and once more when it was there again meanwhile. */
  readonly onGone: (error: Error) => void;
  readonly look?: (directory: string) => Promise<FileSystem>;
}

export class DiskRoom {
  /** As it was found last; 0 before the first look. */
  freeBytes = 0;
  totalBytes = 0;
  /** At the last look the directory did not exist. */
  isGone = false;
  readonly #options: DiskRoomOptions;
  readonly #look: (directory: string) => Promise<FileSystem>;
  #isLow = false;
  #isStopped = false;
  #timer: Timer | null = null;

  constructor(options: DiskRoomOptions) {
    this.#options = options;
    this.#look = options.look ?? statfs;
  }

  /** Looks for the first time, and from then on until it is stopped. Never rejects. */
  async begin(): Promise<void> {
    await this.#check();
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.after(DISK_CHECK_MS, () => void this.begin());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #check(): Promise<void> {
    const { directory, onGone } = this.#options;
    try {
      const { bsize, blocks, bavail } = await this.#look(directory);
      this.totalBytes = blocks * bsize;
      this.freeBytes = bavail * bsize;
      this.isGone = false;
    } catch (error) {
      // What cannot be looked at for now is as it was: a disk that fails is noticed by who writes to it.
      if (!isGone(error) || this.isGone || this.#isStopped) return;
      this.isGone = true;
      return onGone(new Error(`${directory} is gone`, { cause: error }));
    }
    this.#tell();
  }

  /** Tells each crossing once. It is low below a mark, and no longer so when there is clearly more. */
  #tell(): void {
    const { directory, logger } = this.#options;
    const { freeBytes, totalBytes } = this;
    const lowBytes = Math.min(totalBytes * DISK_LOW_SHARE, DISK_LOW_BYTES);
    const fields = { path: directory, "free-bytes": freeBytes, "total-bytes": totalBytes };
    if (!this.#isLow && freeBytes < lowBytes) {
      this.#isLow = true;
      logger.warn(fields, "little room is left on the journal's disk; writes stop when there is none");
    } else if (this.#isLow && freeBytes > lowBytes * DISK_ROOM_AGAIN_FACTOR) {
      this.#isLow = false;
      logger.info(fields, "there is room on the journal's disk again");
    }
  }
}

function isGone(error: unknown): error is Error {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
