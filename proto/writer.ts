/**
 * Writes protobuf's wire format from the last byte to the first.
 *
 * A message's length stands before it and is known only after it. Written backwards the message is there when its
 * length is due: one pass, no size functions, nothing allocated. Whoever uses it therefore writes the last field first,
 * and inside a field the bytes before the length before the tag; the methods for fields take care of the latter.
 *
 *     | free .......... | tag length message |
 *                       ^ start, moves left  ^ end of the scratch memory
 *
 * The memory is kept from message to message.
 */
import { Buffer } from "node:buffer";
import { copyShared } from "./copy-shared.ts";
import { WRITER_BYTES, WRITER_KEPT_BYTES_MAX } from "./limits.ts";
import { idSize, int64Size, putId, putInt64, putUint32, putUint64, uint32Size, uint64Size } from "./varint.ts";

/** Bytes that are made while they are sent: they are asked for once, from the first to the last. */
export interface MadePart {
  readonly length: number;
  /** Writes the next `count` bytes to `target` at `offset`. */
  read(target: Uint8Array, offset: number, count: number): void;
}

export class Writer {
  #memory: Buffer;
  #start: number;

  constructor() {
    this.#memory = Buffer.allocUnsafeSlow(WRITER_BYTES);
    this.#start = WRITER_BYTES;
  }

  /** How many bytes were written since the reset. Also the mark that `nested` takes. */
  get length(): number {
    return this.#memory.length - this.#start;
  }

  /** Forgets what was written. Views given by `bytes` are void from here on. */
  reset(): void {
    if (this.#memory.length > WRITER_KEPT_BYTES_MAX) this.#memory = Buffer.allocUnsafeSlow(WRITER_BYTES);
    this.#start = this.#memory.length;
  }

  /** What was written, as a view that holds until the next write or reset. */
  bytes(): Buffer {
    return this.#memory.subarray(this.#start);
  }

  /** What was written, as bytes of their own. */
  copy(): Buffer {
    const copy = Buffer.allocUnsafe(this.length);
    this.#memory.copy(copy, 0, this.#start);
    return copy;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    const start = this.#claim(bytes.length);
    this.#memory.set(bytes, start);
  }

  /** The same for bytes that lie in memory that threads may share. */
  shared(bytes: Buffer): void {
    const start = this.#claim(bytes.length);
    copyShared(bytes, this.#memory, start);
  }

  /** Bytes that are made now, in one piece. */
  made(part: MadePart): void {
    const start = this.#claim(part.length);
    part.read(this.#memory, start, part.length);
  }

  /** A message that has tag and length already, under another tag of one byte. */
  encoded(tag: number, encoded: Buffer): void {
    this.shared(encoded);
    this.#memory[this.#start] = tag;
  }

  /** A varint of 32 bits: a tag or a length. */
  uint32(value: number): void {
    if (value >= 0 && value < 0x80) {
      const start = this.#claim(1);
      this.#memory[start] = value;
    } else {
      const start = this.#claim(uint32Size(value));
      putUint32(this.#memory, start, value);
    }
  }

  /** Closes an embedded message: all that was written since `mark` becomes its content. */
  nested(tag: number, mark: number): void {
    this.uint32(this.length - mark);
    this.uint32(tag);
  }

  // Fields. Those with a zero value are left out, as proto3 does without presence.

  bytesField(tag: number, value: Uint8Array): void {
    if (value.length !== 0) this.presentBytesField(tag, value);
  }

  stringField(tag: number, value: string): void {
    if (value.length !== 0) this.presentBytesField(tag, Buffer.from(value, "utf8"));
  }

  boolField(tag: number, value: boolean): void {
    if (!value) return;
    this.uint32(1);
    this.uint32(tag);
  }

  /** int64 or enum: a negative enum is extended to 64 bits too. */
  int64Field(tag: number, value: number): void {
    if (value !== 0) this.presentInt64Field(tag, value);
  }

  uint64Field(tag: number, value: number): void {
    if (value === 0) return;
    const start = this.#claim(uint64Size(value));
    putUint64(this.#memory, start, value);
    this.uint32(tag);
  }

  idField(tag: number, value: bigint): void {
    if (value !== 0n) this.presentIdField(tag, value);
  }

  /** A packed list of int64 or enum. */
  packedInt64Field(tag: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const mark = this.length;
    for (let i = values.length - 1; i >= 0; i--) {
      const start = this.#claim(int64Size(values[i]));
      putInt64(this.#memory, start, values[i]);
    }
    this.nested(tag, mark);
  }

  // Fields with presence: members of a oneof are written also when they are zero.

  presentBytesField(tag: number, value: Uint8Array): void {
    this.raw(value);
    this.uint32(value.length);
    this.uint32(tag);
  }

  presentInt64Field(tag: number, value: number): void {
    const start = this.#claim(int64Size(value));
    putInt64(this.#memory, start, value);
    this.uint32(tag);
  }

  presentIdField(tag: number, value: bigint): void {
    const start = this.#claim(idSize(value));
    putId(this.#memory, start, value);
    this.uint32(tag);
  }

  /** Makes room before what was written and returns where it begins. */
  #claim(length: number): number {
    if (length > this.#start) this.#grow(length);
    this.#start -= length;
    return this.#start;
  }

  #grow(length: number): void {
    const written = this.length;
    const memory = Buffer.allocUnsafeSlow(Math.max(2 * this.#memory.length, written + length + WRITER_BYTES));
    this.#memory.copy(memory, memory.length - written, this.#start);
    this.#memory = memory;
    this.#start = memory.length - written;
  }
}
