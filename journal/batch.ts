import { frameHeaderBytes, recordHeaderBytes } from "./frame.ts";

/** A frame being filled: records are encoded in place, the header is written when the frame is sent. */
export class Batch {
  readonly frame: Buffer;
  /** Bytes in use, header included. */
  length = frameHeaderBytes;
  recordCount = 0;

  constructor(capacity: number) {
    // The slow allocator gives the batch a memory block of its own, which the small-buffer pool never shares.
    this.frame = Buffer.allocUnsafeSlow(capacity);
  }

  /** Bytes of a frame that holds one record of this size and nothing else. */
  static bytesFor(recordBytes: number): number {
    return frameHeaderBytes + recordHeaderBytes + recordBytes;
  }

  fits(recordBytes: number): boolean {
    return this.length + recordHeaderBytes + recordBytes <= this.frame.length;
  }

  /** Copies the record to the end of the frame; the caller saw that it fits. */
  add(record: Uint8Array): void {
    this.frame.writeUInt32LE(record.length, this.length);
    this.frame.set(record, this.length + recordHeaderBytes);
    this.length += recordHeaderBytes + record.length;
    this.recordCount++;
  }

  /** Bytes of the records alone, as their appenders gave them. */
  get recordBytes(): number {
    return this.length - frameHeaderBytes - this.recordCount * recordHeaderBytes;
  }

  clear(): void {
    this.length = frameHeaderBytes;
    this.recordCount = 0;
  }
}
