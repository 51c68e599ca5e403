/**
 * Makes the next segment's file in the background: full size, then ZEROS step by step. Writing over ZEROS touches no
 * file system metadata. A file that is taken before its ZEROS are complete is sparse behind them: correct, a little
 * slower at the first touch of each block. Nobody writes to a file while it is here, so a zero never meets a record.
 * A roll then needs no descriptor for it and hardly any room. So the room reserve is seen to first.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";
import { writeDurably } from "./disk.ts";
import { PREPARE_AFTER_SHARE, PREPARE_RETRY_MS, ZERO_STEP_BYTES, ZERO_STEP_PAUSE_MS } from "../limits.ts";
import type { RoomReserve } from "./room-reserve.ts";
import type { Clock, Timer } from "../time.ts";
import { UNNAMED_SEGMENT } from "./segment.ts";

const ZEROS = Buffer.alloc(ZERO_STEP_BYTES);

export class SegmentPreparer {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #segmentBytes: number;
  readonly #reserve: RoomReserve;
  #file: DiskFile | null = null;
  #zeroed = 0;
  /** The step at the disk; it does not reject. */
  #step: Promise<void> | null = null;
  #timer: Timer | null = null;
  #stopped = true;
  /** A step failed before, and is not tried again before this moment, except by `take`, which reports it. */
  #retryAtMs = 0;

  constructor(disk: Disk, clock: Clock, directory: string, segmentBytes: number, reserve: RoomReserve) {
    this.#disk = disk;
    this.#clock = clock;
    this.#path = join(directory, UNNAMED_SEGMENT);
    this.#segmentBytes = segmentBytes;
    this.#reserve = reserve;
  }

  /** Tells how far the segment in use is filled; begins when that is far enough. */
  advance(usedBytes: number): void {
    assert(usedBytes > 0, "a segment in use has a header at least");
    if (!this.#stopped || usedBytes < this.#segmentBytes * PREPARE_AFTER_SHARE) return;
    if (this.#retryAtMs > 0 && this.#clock.nowMs() < this.#retryAtMs) return;
    this.#stopped = false;
    this.#step = this.#run();
  }

  /** The file in the state it is in, empty of data; the caller owns it and names it. Waits for one step at most. */
  async take(): Promise<DiskFile> {
    await this.#halt();
    const file = this.#file ?? (await this.#create());
    assert(file.path === this.#path, "a file that is prepared has no segment's name");
    this.#file = null;
    this.#zeroed = 0;
    this.#retryAtMs = 0;
    return file;
  }

  /** Stops and removes the file. What is left of it when that fails is removed at the next open. */
  async close(): Promise<void> {
    await this.#halt();
    await this.#discard().catch(() => undefined);
  }

  async #halt(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    await this.#step;
    this.#step = null;
  }

  async #run(): Promise<void> {
    const from = this.#zeroed;
    const length = Math.min(ZERO_STEP_BYTES, this.#segmentBytes - from);
    assert(!this.#stopped, "a file is only written to while nobody takes it");
    assert(length > 0, "zeros end where the file does");
    let file = this.#file;
    if (from > 0) assert(file !== null, "zeros lie in a file");
    try {
      if (file === null) {
        await this.#reserve.take();
        file = await this.#create();
      }
      this.#file = file;
      await writeDurably(file, ZEROS, length, from);
    } catch {
      // A file that failed once is not written again. If the disk stays like this, the writer hears of it from `take`.
      await this.#discard().catch(() => undefined);
      this.#retryAtMs = this.#clock.nowMs() + PREPARE_RETRY_MS;
      this.#stopped = true;
      return;
    }
    assert(this.#file === file, "who takes the file waits for the step at the disk");
    assert(file.path === this.#path, "zeros go to a file without a segment's name");
    this.#zeroed = from + length;
    if (this.#stopped || this.#zeroed === this.#segmentBytes) return;
    this.#timer = this.#clock.after(ZERO_STEP_PAUSE_MS, () => {
      this.#step = this.#run();
    });
  }

  async #create(): Promise<DiskFile> {
    const file = await this.#disk.create(this.#path);
    try {
      await file.resize(this.#segmentBytes);
    } catch (error) {
      await file.close();
      throw error;
    }
    return file;
  }

  async #discard(): Promise<void> {
    const file = this.#file;
    if (file === null) return;
    this.#file = null;
    this.#zeroed = 0;
    await file.close();
    await this.#disk.remove(this.#path);
  }
}
