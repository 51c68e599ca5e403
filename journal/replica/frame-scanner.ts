/**
 * Walks the frames of one segment from its first, as far as they are intact and each continues the one before.
 *
 *     while (await scanner.fill()) while (scanner.next()) use(scanner.frame);
 *
 * Two calls instead of one, so that a promise is made for a stretch of the file and not for every frame.
 */
import assert from "node:assert/strict";
import type { DiskFile } from "./disk.ts";
import { readFully } from "./disk.ts";
import { FrameHeader, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, readFrame } from "../frame.ts";
import type { LogEnd } from "./log-end.ts";
import { continues } from "./log-end.ts";
import type { SegmentHeader } from "./segment.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";

/** A place between two frames. */
export interface FramePosition extends LogEnd {
  /** Of the next frame, in the segment's file. */
  readonly offset: number;
}

/** The place before a segment's first frame. */
export function startOf({ firstIndex, firstPosition, previousEpoch }: SegmentHeader): FramePosition {
  const offset = SEGMENT_HEADER_BYTES;
  return { offset, lastIndex: firstIndex - 1, lastPosition: firstPosition - 1, lastEpoch: previousEpoch };
}

export class FrameScanner {
  /** The frame that `next` moved to. */
  readonly frame = new FrameHeader();
  /** Frames up to this offset may be read; it may be moved forward between two fills. */
  end: number;
  /** Index, position and epoch of the last intact frame, at first those before where it starts. */
  lastIndex: number;
  lastPosition: number;
  lastEpoch: number;
  /** True after bytes at `offset` that are not the frame that must follow. */
  stopped = false;

  readonly #file: DiskFile;
  readonly #salt: number;
  readonly #readBytes: number;
  #buffer: Buffer;
  /** Offset in the file of the buffer's first byte. */
  #base: number;
  #filled = 0;
  /** Where in the buffer the frame after `frame` begins. */
  #next = 0;
  /** Bytes the next frame is known to need. */
  #needed = FRAME_HEADER_BYTES;

  /** @param start - where it begins: before the segment's first frame unless given */
  constructor(
    file: DiskFile,
    header: SegmentHeader,
    end: number,
    readBytes: number,
    start: FramePosition = startOf(header),
  ) {
    assert(start.offset >= SEGMENT_HEADER_BYTES, "frames lie behind the segment's header");
    assert(end >= start.offset, "a scanner begins before its end");
    this.#file = file;
    this.#salt = header.salt;
    this.#readBytes = Math.max(FRAME_HEADER_BYTES, Math.min(readBytes, end - start.offset));
    this.#buffer = Buffer.allocUnsafeSlow(this.#readBytes);
    this.end = end;
    this.#base = start.offset;
    this.lastIndex = start.lastIndex;
    this.lastPosition = start.lastPosition;
    this.lastEpoch = start.lastEpoch;
  }

  /** Offset in the file behind the last intact frame. */
  get offset(): number {
    return this.#base + this.#next;
  }

  /** The place behind the last intact frame. */
  get position(): FramePosition {
    const { offset, lastIndex, lastPosition, lastEpoch } = this;
    return { offset, lastIndex, lastPosition, lastEpoch };
  }

  /** The bytes that hold `frame`, which begins at `frameStart`. Valid until the next `fill`. */
  get bytes(): Buffer {
    return this.#buffer;
  }

  get frameStart(): number {
    return this.#next - this.frame.length;
  }

  /** Reads on, so that the next frame lies in the buffer. False when `end` leaves no room for it, or after damage. */
  async fill(): Promise<boolean> {
    const left = this.end - this.offset;
    assert(left >= 0, "no frame is read beyond the end");
    if (this.stopped || left < this.#needed) return false;
    this.#base = this.offset;
    this.#next = 0;
    // A buffer of a large frame's size is not kept for the small ones that follow.
    const bytes = Math.max(this.#readBytes, this.#needed);
    if (this.#buffer.length !== bytes) this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#filled = Math.min(left, this.#buffer.length);
    const count = await readFully(this.#file, this.#buffer, this.#filled, this.#base);
    // A file may be shorter than its segment: what was never written reads as zeros.
    this.#buffer.fill(0, count, this.#filled);
    return true;
  }

  /** Moves to the next frame. False when the buffer does not hold all of it, or after damage. */
  next(): boolean {
    const available = this.#filled - this.#next;
    if (this.stopped || available < this.#needed) return false;
    const length = this.#buffer.readUInt32LE(this.#next);
    if (length > available && length <= Math.min(FRAME_BYTES_MAX, this.end - this.offset)) {
      this.#needed = length;
      return false;
    }
    const { frame } = this;
    this.stopped = !readFrame(this.#buffer, this.#next, this.#filled, this.#salt, frame) || !continues(frame, this);
    if (this.stopped) return false;
    this.#next += frame.length;
    assert(this.#next <= this.#filled, "a frame is taken when all of it was read");
    assert(frame.lastPosition >= this.lastPosition, "positions only grow");
    assert(frame.epoch >= this.lastEpoch, "epochs only grow");
    this.#needed = FRAME_HEADER_BYTES;
    this.lastIndex = frame.index;
    this.lastPosition = frame.lastPosition;
    this.lastEpoch = frame.epoch;
    return true;
  }
}
