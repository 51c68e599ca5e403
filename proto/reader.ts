/**
 * Reads protobuf's wire format in place. It knows tags, varints, lengths and how to skip; it knows no message.
 *
 * Every read checks its bounds against `limit`, the end of the innermost message that was entered, so no bytes of one
 * message can be taken for those of another, and none beyond the input are read.
 */
import { Buffer, isUtf8 } from "node:buffer";
import { DecodeError } from "./decode-error.ts";
import { DEPTH_MAX, FIELDS_MAX } from "./limits.ts";

/** The value of every bytes field that is not on the wire. */
export const EMPTY_BYTES: Buffer = Buffer.alloc(0);

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_LENGTH = 2;
const WIRE_GROUP_START = 3;
const WIRE_GROUP_END = 4;
const WIRE_FIXED32 = 5;

const TWO_32 = 2 ** 32;

const scratch = new DataView(new ArrayBuffer(8));

export class Reader {
  bytes: Buffer;
  /** Offset of the next byte to read. */
  offset: number;
  /** End of the innermost entered message. */
  limit: number;
  #depth = 0;
  /** How many fields may still be read. */
  #fieldsLeft: number;
  /** Halves of the varint read last, as int32. */
  #low = 0;
  #high = 0;

  constructor(bytes: Buffer, fieldsMax: number = FIELDS_MAX) {
    this.#fieldsLeft = fieldsMax;
    this.bytes = bytes;
    this.offset = 0;
    this.limit = bytes.length;
  }

  /** Turns to other bytes: `bytes[offset .. limit)`. */
  open(bytes: Buffer, offset: number, limit: number): void {
    this.bytes = bytes;
    this.offset = offset;
    this.limit = limit;
    this.#depth = 0;
    this.#fieldsLeft = FIELDS_MAX;
  }

  /** True while the entered message has fields left. */
  hasMore(): boolean {
    return this.offset < this.limit;
  }

  /** Reads nothing more of the entered message. */
  toEnd(): void {
    this.offset = this.limit;
  }

  /**
   * Reads a tag: field number times 8 plus wire type, as an int32 (so that `tag >>> 3` is the field number). A field
   * with an unexpected wire type thus has a tag that no decoder knows and is skipped as unknown, as in Go.
   */
  tag(): number {
    this.#countField();
    const first = this.bytes[this.offset];
    if (this.offset < this.limit && first < 0x80) {
      if (first < 8) throw new DecodeError("field number 0");
      this.offset++;
      return first;
    }
    this.#varint();
    if (this.#high !== 0) throw new DecodeError("field number beyond the largest");
    if (this.#low >>> 3 === 0) throw new DecodeError("field number 0");
    return this.#low;
  }

  /** int64 as a number: the nearest double beyond 2^53. */
  int64(): number {
    const first = this.bytes[this.offset];
    if (this.offset < this.limit && first < 0x80) {
      this.offset++;
      return first;
    }
    this.#varint();
    return this.#high === 0 ? this.#low >>> 0 : this.#high * TWO_32 + (this.#low >>> 0);
  }

  /** uint64 as a number: the nearest double beyond 2^53. */
  uint64(): number {
    this.#varint();
    return (this.#high >>> 0) * TWO_32 + (this.#low >>> 0);
  }

  /** int64 as a bigint. */
  int64Id(): bigint {
    this.#varint();
    if (this.#low === 0 && this.#high === 0) return 0n;
    scratch.setInt32(0, this.#low, true);
    scratch.setInt32(4, this.#high, true);
    return scratch.getBigInt64(0, true);
  }

  /** uint64 as a bigint. */
  uint64Id(): bigint {
    this.#varint();
    if (this.#low === 0 && this.#high === 0) return 0n;
    scratch.setInt32(0, this.#low, true);
    scratch.setInt32(4, this.#high, true);
    return scratch.getBigUint64(0, true);
  }

  /** int32 or enum: the low 32 bits, whatever was written above them. */
  int32(): number {
    this.#varint();
    return this.#low;
  }

  /** The same for an element of a packed list, which counts as a field. */
  packedInt32(): number {
    this.#countField();
    return this.int32();
  }

  /** True for any varint but 0. */
  bool(): boolean {
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  /** A bytes field as a view into the input. */
  view(): Buffer {
    const length = this.#length();
    if (length === 0) return EMPTY_BYTES;
    const start = this.offset;
    this.offset = start + length;
    return this.bytes.subarray(start, start + length);
  }

  /** @throws DecodeError also when the bytes are not UTF-8, which proto3 forbids in a string */
  string(): string {
    const bytes = this.view();
    if (!isUtf8(bytes)) throw new DecodeError("string is not UTF-8");
    return bytes.toString("utf8");
  }

  /**
   * Enters an embedded message (or a packed list): reads its length and makes its end the limit.
   *
   * @returns the limit to `leave` with
   */
  enter(): number {
    const length = this.#length();
    this.#deepen();
    const outer = this.limit;
    this.limit = this.offset + length;
    return outer;
  }

  /** Leaves an embedded message that was read to its end. */
  leave(outer: number): void {
    this.#depth--;
    this.limit = outer;
  }

  /** Passes over the field whose tag was read last. */
  skip(tag: number): void {
    switch (tag & 7) {
      case WIRE_VARINT:
        return this.#varint();
      case WIRE_FIXED64:
        return this.#pass(8);
      case WIRE_LENGTH:
        return this.#pass(this.#length());
      case WIRE_GROUP_START:
        return this.#passGroup(tag >>> 3);
      case WIRE_GROUP_END:
        throw new DecodeError("end of a group that was not begun");
      case WIRE_FIXED32:
        return this.#pass(4);
      default:
        throw new DecodeError(`unknown wire type ${tag & 7}`);
    }
  }

  #passGroup(field: number): void {
    this.#deepen();
    for (;;) {
      if (!this.hasMore()) throw new DecodeError("message ends inside a group");
      const tag = this.tag();
      if ((tag & 7) !== WIRE_GROUP_END) {
        this.skip(tag);
      } else if (tag >>> 3 === field) {
        break;
      } else {
        throw new DecodeError("end of a group that was not begun");
      }
    }
    this.#depth--;
  }

  #countField(): void {
    this.#fieldsLeft--;
    if (this.#fieldsLeft < 0) throw new DecodeError("too many fields");
  }

  #deepen(): void {
    this.#depth++;
    if (this.#depth > DEPTH_MAX) throw new DecodeError(`messages nested deeper than ${DEPTH_MAX}`);
  }

  #pass(length: number): void {
    if (length > this.limit - this.offset) throw new DecodeError("message ends inside a field");
    this.offset += length;
  }

  /** A length that fits into what is left of the entered message. */
  #length(): number {
    const first = this.bytes[this.offset];
    let length = first;
    if (this.offset < this.limit && first < 0x80) {
      this.offset++;
    } else {
      this.#varint();
      if (this.#high !== 0) throw new DecodeError("length beyond the end of the message");
      length = this.#low >>> 0;
    }
    if (length > this.limit - this.offset) throw new DecodeError("length beyond the end of the message");
    return length;
  }

  /** Reads a varint into the two halves. */
  #varint(): void {
    const bytes = this.bytes;
    const limit = this.limit;
    let offset = this.offset;
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (offset >= limit) throw new DecodeError("message ends inside a varint");
      const byte = bytes[offset++];
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.offset = offset;
        this.#low = low;
        this.#high = 0;
        return;
      }
    }
    // The fifth byte has the last 4 bits of the low half and the first 3 of the high half.
    if (offset >= limit) throw new DecodeError("message ends inside a varint");
    let byte = bytes[offset++];
    low |= (byte & 0x0f) << 28;
    let high = (byte & 0x7f) >> 4;
    for (let shift = 3; byte >= 0x80; shift += 7) {
      if (offset >= limit) throw new DecodeError("message ends inside a varint");
      byte = bytes[offset++];
      // The tenth byte has room for one bit.
      if (shift === 31 && byte > 1) throw new DecodeError("varint longer than 64 bits");
      high |= (byte & 0x7f) << shift;
    }
    this.offset = offset;
    this.#low = low;
    this.#high = high;
  }
}
