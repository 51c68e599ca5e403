/** A frame being filled: records are encoded in place, the header is written when the frame is sent. */
import assert from "node:assert/strict";
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "./frame.ts";

export class Batch {
  readonly frame: Buffer;
  /** Bytes in use, header included. */
  length = FRAME_HEADER_BYTES;
  recordCount = 0;

  constructor(capacity: number) {
    assert(capacity >= Batch.bytesFor(0), "a batch has room for a record");
    assert(capacity <= FRAME_BYTES_MAX, "a batch is no larger than readers accept");
    // The slow allocator gives the batch a memory block of its own, which the small-buffer pool never shares.
    this.frame = Buffer.allocUnsafeSlow(capacity);
  }

  /** Bytes of a frame that holds one record of this size and nothing else. */
  static bytesFor(recordBytes: number): number {
    return FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + recordBytes;
  }

  fits(recordBytes: number): boolean {
    return this.length + RECORD_HEADER_BYTES + recordBytes <= this.frame.length;
  }

  /** Copies the record to the end of the frame; the caller saw that it fits. */
  add(record: Uint8Array): void {
    assert(this.fits(record.length), "the record fits into its batch");
    this.frame.writeUInt32LE(record.length, this.length);
    this.frame.set(record, this.length + RECORD_HEADER_BYTES);
    this.length += RECORD_HEADER_BYTES + record.length;
    this.recordCount++;
  }

  /** Bytes of the records alone, as their appenders gave them. */
  get recordBytes(): number {
    return this.length - FRAME_HEADER_BYTES - this.recordCount * RECORD_HEADER_BYTES;
  }

  /** Asserts that the records lie one behind the other from the header's place to the end of the bytes in use. */
  verify(): void {
    assert(this.length <= this.frame.length, "a batch lies within its bytes");
    let offset = FRAME_HEADER_BYTES;
    for (let i = 0; i < this.recordCount; i++) offset += RECORD_HEADER_BYTES + this.frame.readUInt32LE(offset);
    assert(offset === this.length, "a batch holds the records it counts");
  }

  clear(): void {
    this.length = FRAME_HEADER_BYTES;
    this.recordCount = 0;
  }
}
