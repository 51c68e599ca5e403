/** Reads a message that lies in several parts, from its first byte to its last, a window at a time. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { MadePart } from "../writer.ts";
import { PARTS_WINDOW_BYTES } from "./limits.ts";

const NOTHING = Buffer.alloc(0);

export type WireParts = readonly (Uint8Array | readonly Uint8Array[] | MadePart)[];

export class WireSource {
  readonly length: number;
  /** Of the next byte. */
  position = 0;
  readonly #parts: (Uint8Array | MadePart)[];
  #part = 0;
  /** How much of that part has been read into the window. */
  #read = 0;
  /** How much of all parts has been. */
  #filled = 0;
  #window: Buffer = NOTHING;
  #at = 0;

  /** @param length the sum of the parts' lengths */
  constructor(parts: WireParts, length: number) {
    // A list is flattened: that is a reference for each of its parts, which others hold as well.
    this.#parts = (parts as readonly (Uint8Array | MadePart)[]).flat();
    this.length = length;
  }

  /** The next varint of a tag or a length. */
  uint32(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** The next varint, as 64 bits without a sign. */
  varint(): bigint {
    let low = 0;
    let shift = 0;
    for (;;) {
      const byte = this.#byte();
      if (shift >= 28) return this.#long(BigInt(low), BigInt(shift), byte);
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
      shift += 7;
    }
  }

  /** The next `count` bytes, as a view that holds until the next call, or as a copy. */
  bytes(count: number): Buffer {
    if (count === 0) return NOTHING;
    if (this.#at === this.#window.length) this.#fill();
    const start = this.#at;
    if (this.#window.length - start >= count) {
      this.#at += count;
      this.position += count;
      return this.#window.subarray(start, this.#at);
    }
    const copy = Buffer.allocUnsafe(count);
    for (let at = 0; at < count;) {
      if (this.#at === this.#window.length) this.#fill();
      const piece = this.#window.copy(copy, at, this.#at);
      at += piece;
      this.#at += piece;
    }
    this.position += count;
    return copy;
  }

  #long(low: bigint, shift: bigint, first: number): bigint {
    let value = low;
    let byte = first;
    for (let at = shift; ; at += 7n) {
      assert(at < 70n, "a varint has ten bytes at most");
      value |= BigInt(byte & 0x7f) << at;
      if (byte < 0x80) return BigInt.asUintN(64, value);
      byte = this.#byte();
    }
  }

  #byte(): number {
    if (this.#at === this.#window.length) this.#fill();
    this.position++;
    return this.#window[this.#at++];
  }

  #fill(): void {
    assert(this.#filled < this.length, "a message is not read beyond its end");
    const size = Math.min(PARTS_WINDOW_BYTES, this.length - this.#filled);
    const window = this.#window.length === size ? this.#window : Buffer.allocUnsafe(size);
    for (let at = 0; at < size;) {
      const part = this.#parts[this.#part];
      const count = Math.min(size - at, part.length - this.#read);
      if (part instanceof Uint8Array) window.set(part.subarray(this.#read, this.#read + count), at);
      else part.read(window, at, count);
      at += count;
      this.#read += count;
      if (this.#read === part.length) {
        this.#part++;
        this.#read = 0;
      }
    }
    this.#filled += size;
    this.#window = window;
    this.#at = 0;
  }
}
