/**
 * Records on their way into frames: what is appended while frames are under way becomes the next one. A frame is closed
 * when it is full or when it is taken.
 */
import type { Frame } from "./frame-arena.ts";
import { FrameArena } from "./frame-arena.ts";

export class GroupCommit {
  readonly #arena: FrameArena;
  #open: Frame | null = null;
  /** Full ones, oldest first. */
  readonly #full: Frame[] = [];

  /** @param frameBytesMax of a frame, unless one record needs more */
  constructor(frameBytesMax: number) {
    this.#arena = new FrameArena(frameBytesMax);
  }

  /** How many were added and not taken. */
  get recordCount(): number {
    return this.#frames().reduce((sum, frame) => sum + frame.recordCount, 0);
  }

  get recordBytes(): number {
    return this.#frames().reduce((sum, frame) => sum + frame.recordBytes, 0);
  }

  /** Copies the record into the open frame, or the next. */
  add(record: Uint8Array): void {
    if (this.#open !== null && !this.#open.fits(record.length)) this.#close(this.#open);
    this.#open ??= this.#arena.open(record.length);
    this.#open.add(record);
  }

  /** The oldest frame with records, closed; null when there is none. */
  take(): Frame | null {
    const full = this.#full.shift();
    if (full !== undefined) return full;
    const open = this.#open;
    if (open === null) return null;
    this.#open = null;
    this.#arena.close(open);
    return open;
  }

  /** A frame without records. */
  withoutRecords(body: Uint8Array): Frame {
    if (this.#open !== null) this.#close(this.#open);
    const frame = this.#arena.open(body.length);
    frame.fill(body);
    this.#arena.close(frame);
    return frame;
  }

  /** Forgets what was added. */
  clear(): void {
    this.#open?.release();
    this.#open = null;
    for (const frame of this.#full.splice(0)) frame.release();
  }

  #frames(): readonly Frame[] {
    return this.#open === null ? this.#full : [...this.#full, this.#open];
  }

  #close(frame: Frame): void {
    this.#arena.close(frame);
    this.#full.push(frame);
    this.#open = null;
  }
}
