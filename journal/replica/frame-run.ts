/** The records of frames that lie in a reader's buffer, as a reader of the journal gets them: views into it. */
import assert from "node:assert/strict";
import { FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "../frame.ts";
import type { FrameHeader } from "../frame.ts";
import type { RecordRun } from "../journal.ts";

/** One object serves a reader for all its frames, one after the other. */
export class FrameRun implements RecordRun {
  first = 1;
  count = 0;
  #bytes: Buffer = Buffer.alloc(0);
  /** Where each record begins, its length in front. */
  readonly #offsets: number[] = [];

  /** Takes the records of an intact frame that begins at `start`: `from`, which it has, and on to `last` or its end. */
  set(bytes: Buffer, start: number, frame: FrameHeader, from: number, last: number): void {
    this.first = from;
    this.count = 0;
    this.#bytes = bytes;
    this.add(start, frame, last);
  }

  /** Takes those of the next frame as well, which lies in the same bytes. */
  add(start: number, frame: FrameHeader, last: number): void {
    const next = this.first + this.count;
    assert(frame.previousPosition < next, "no record is passed over");
    assert(next <= frame.lastPosition, "a frame has the record that is asked of it");
    assert(next <= last, "a run has a record");
    const end = Math.min(last, frame.lastPosition);
    const bytes = this.#bytes;
    const offsets = this.#offsets;
    let offset = start + FRAME_HEADER_BYTES;
    for (let position = frame.previousPosition + 1; position <= frame.lastPosition; position++) {
      if (position >= next && position <= end) offsets[this.count++] = offset;
      offset += RECORD_HEADER_BYTES + bytes.readUInt32LE(offset);
    }
    assert(offset === start + frame.length, "the records fill their frame");
    assert(this.first + this.count === end + 1, "a run has all records up to its last");
  }

  bytes(i: number): Buffer {
    assert(i >= 0, "a run begins with its first record");
    assert(i < this.count, "a run has the records it counts");
    const at = this.#offsets[i];
    const start = at + RECORD_HEADER_BYTES;
    return this.#bytes.subarray(start, start + this.#bytes.readUInt32LE(at));
  }
}
