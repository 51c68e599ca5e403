/**
 * Cuts frames out of what a socket delivers. Frames are parsed where they lie; only a frame that a chunk cuts in two is
 * copied, and completed with exactly the bytes it lacks.
 */

import { FRAME_HEADER_BYTES, PREFACE, readUint31 } from "./frames.ts";

export interface FrameHandler {
  /** True when nothing more is to be read. */
  readonly stopped: boolean;
  /** Whether to leave what is not read yet to the next turn of the event loop. Asked now and then: it reads a clock. */
  turnOver(): boolean;
  /**
   * One frame with its payload [start, end), which is valid only during the call.
   *
   * @returns true to read no further for now
   */
  onFrame(bytes: Buffer, type: number, flags: number, streamId: number, start: number, end: number): boolean;
  onFrameTooLarge(type: number, length: number): void;
  onBadPreface(): void;
}

/** Frames read between two looks at the clock, at most; fewer after a turn that was too long. */
const FRAMES_PER_LOOK_MAX = 8;
/** A frame counts once more for every so many bytes (as a shift): a frame of the largest size is enough for a look. */
const WEIGHT_SHIFT = 11;

export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #frameBytesMax: number;
  #prefaceRead = 0;
  /** The frame, or the part of its header, that the last chunk left incomplete. */
  #partial: Buffer = EMPTY;
  #partialLength = 0;
  /** What the handler said to the frame that was completed last. */
  #interrupted = false;
  #framesPerLook = 1;
  #framesToLook = 1;

  /** @param frameBytesMax our SETTINGS_MAX_FRAME_SIZE */
  constructor(handler: FrameHandler, frameBytesMax: number) {
    this.#handler = handler;
    this.#frameBytesMax = frameBytesMax;
  }

  /**
   * Reads [start, end) of `chunk`, one frame at least, and keeps nothing of it.
   *
   * @returns where the next call has to go on: `end`, unless the turn is over before, or the handler is interrupted
   */
  read(chunk: Buffer, start: number, end: number): number {
    let at = start;
    if (this.#prefaceRead < PREFACE.length) at = this.#readPreface(chunk, start, end);
    const handler = this.#handler;
    if (this.#partialLength > 0 && at < end) {
      this.#interrupted = false;
      at = this.#completePartial(chunk, at, end);
      if (this.#interrupted) return at;
    }
    while (end - at >= FRAME_HEADER_BYTES && !handler.stopped) {
      const length = (chunk[at] << 16) | (chunk[at + 1] << 8) | chunk[at + 2];
      const type = chunk[at + 3];
      if (length > this.#frameBytesMax) {
        handler.onFrameTooLarge(type, length);
        return end;
      }
      const payload = at + FRAME_HEADER_BYTES;
      const next = payload + length;
      if (next > end) break;
      const interrupted = handler.onFrame(chunk, type, chunk[at + 4], readUint31(chunk, at + 5), payload, next);
      at = next;
      if (interrupted) return at;
      this.#framesToLook -= 1 + (length >> WEIGHT_SHIFT);
      if (this.#framesToLook <= 0 && this.#look()) return at;
    }
    if (at < end && !handler.stopped) this.#startPartial(chunk, at, end);
    return end;
  }

  /** Looks at the clock, and sets when to look again: frames that take long are likely followed by more of them. */
  #look(): boolean {
    const over = this.#handler.turnOver();
    this.#framesPerLook = over ? 1 : Math.min(2 * this.#framesPerLook, FRAMES_PER_LOOK_MAX);
    this.#framesToLook = this.#framesPerLook;
    return over;
  }

  #readPreface(chunk: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#prefaceRead < PREFACE.length) {
      if (chunk[at] !== PREFACE[this.#prefaceRead]) {
        this.#handler.onBadPreface();
        return end;
      }
      at++;
      this.#prefaceRead++;
    }
    return at;
  }

  /** Keeps the incomplete frame at the end of a chunk. */
  #startPartial(chunk: Buffer, at: number, end: number): void {
    const available = end - at;
    let capacity = FRAME_HEADER_BYTES;
    if (available >= FRAME_HEADER_BYTES) {
      capacity += (chunk[at] << 16) | (chunk[at + 1] << 8) | chunk[at + 2];
    }
    this.#partial = Buffer.allocUnsafe(capacity);
    chunk.copy(this.#partial, 0, at, end);
    this.#partialLength = available;
  }

  /** Adds to the kept frame what it lacks and, once it is whole, hands it on. Returns where that ends. */
  #completePartial(chunk: Buffer, start: number, end: number): number {
    let at = start;
    if (this.#partialLength < FRAME_HEADER_BYTES) {
      const count = Math.min(FRAME_HEADER_BYTES - this.#partialLength, end - at);
      chunk.copy(this.#partial, this.#partialLength, at, at + count);
      this.#partialLength += count;
      at += count;
      if (this.#partialLength < FRAME_HEADER_BYTES) return at;
    }
    const header = this.#partial;
    const length = (header[0] << 16) | (header[1] << 8) | header[2];
    if (length > this.#frameBytesMax) {
      this.#handler.onFrameTooLarge(header[3], length);
      return end;
    }
    const whole = FRAME_HEADER_BYTES + length;
    if (this.#partial.length < whole) {
      this.#partial = Buffer.allocUnsafe(whole);
      header.copy(this.#partial, 0, 0, FRAME_HEADER_BYTES);
    }
    const count = Math.min(whole - this.#partialLength, end - at);
    chunk.copy(this.#partial, this.#partialLength, at, at + count);
    this.#partialLength += count;
    at += count;
    if (this.#partialLength === whole) {
      const frame = this.#partial;
      this.#partial = EMPTY;
      this.#partialLength = 0;
      this.#interrupted = this.#handler.onFrame(
        frame,
        frame[3],
        frame[4],
        readUint31(frame, 5),
        FRAME_HEADER_BYTES,
        whole,
      );
    }
    return at;
  }
}

const EMPTY = Buffer.alloc(0);
