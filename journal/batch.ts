/** A frame being filled: records are encoded in place, the header is written when the frame is sent. */
import { FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "./frame.ts";

export class Batch {
  readonly frame: Buffer;
  /** Bytes in use, header included. */
  length = FRAME_HEADER_BYTES;
  recordCount = 0;

  constructor(capacity: number) {
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
    this.frame.writeUInt32LE(record.length, this.length);
    this.frame.set(record, this.length + RECORD_HEADER_BYTES);
    this.length += RECORD_HEADER_BYTES + record.length;
    this.recordCount++;
  }

  /** Bytes of the records alone, as their appenders gave them. */
  get recordBytes(): number {
    return this.length - FRAME_HEADER_BYTES - this.recordCount * RECORD_HEADER_BYTES;
  }

  clear(): void {
    this.length = FRAME_HEADER_BYTES;
    this.recordCount = 0;
  }
}
