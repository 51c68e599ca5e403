/** The records of one frame, as a reader of the journal gets them: views into the reader's buffer. */
import assert from "node:assert/strict";
import { FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "../frame.ts";
import type { FrameHeader } from "../frame.ts";
import type { RecordRun } from "../journal.ts";

/** One object serves a reader for all its frames, one after the other. */
export class FrameRun implements RecordRun {
  first = 1;
  count = 0;
  #bytes: Buffer = Buffer.alloc(0);
  /** Where each record begins, its length in front; the last one is where the frame ends. */
  readonly #offsets: number[] = [];
  /** How many of the frame's records come before `first`. */
  #skipped = 0;

  /** Takes the records of an intact frame that begins at `start`: `from`, which it has, and on to `last` or its end. */
  set(bytes: Buffer, start: number, frame: FrameHeader, from: number, last: number): void {
    assert(frame.previousPosition < from, "no record is passed over");
    assert(from <= frame.lastPosition, "a frame has the record that is asked of it");
    assert(from <= last, "a run has a record");
    this.first = from;
    this.count = Math.min(last, frame.lastPosition) - from + 1;
    this.#bytes = bytes;
    this.#skipped = from - frame.previousPosition - 1;
    const offsets = this.#offsets;
    let offset = start + FRAME_HEADER_BYTES;
    const records = frame.lastPosition - frame.previousPosition;
    for (let i = 0; i < records; i++) {
      offsets[i] = offset;
      offset += RECORD_HEADER_BYTES + bytes.readUInt32LE(offset);
    }
    offsets[records] = offset;
    assert(offset === start + frame.length, "the records fill their frame");
  }

  bytes(i: number): Buffer {
    assert(i >= 0, "a run begins with its first record");
    assert(i < this.count, "a run has the records it counts");
    const at = i + this.#skipped;
    return this.#bytes.subarray(this.#offsets[at] + RECORD_HEADER_BYTES, this.#offsets[at + 1]);
  }
}
