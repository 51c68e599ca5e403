/**
 * Encoded kvs under another tag than their own, as previous kvs are told: made while they are sent, so that of half a gigabyte
 * nothing is copied before.
 */
import type { EncodedKv } from "./messages.ts";
import type { MadePart } from "./writer.ts";

export class RetaggedKvs implements MadePart {
  readonly length: number;
  readonly #kvs: readonly EncodedKv[];
  readonly #tag: number;
  /** The one that is read next, and how much of it was read. */
  #at = 0;
  #read = 0;

  /**
   * @param tag has one byte
   * @param bytes the sum of their lengths
   */
  constructor(kvs: readonly EncodedKv[], tag: number, bytes: number) {
    this.#kvs = kvs;
    this.#tag = tag;
    this.length = bytes;
  }

  read(target: Uint8Array, offset: number, count: number): void {
    for (let at = offset, left = count; left > 0;) {
      const kv = this.#kvs[this.#at];
      const piece = Math.min(left, kv.length - this.#read);
      target.set(piece === kv.length ? kv : kv.subarray(this.#read, this.#read + piece), at);
      if (this.#read === 0) target[at] = this.#tag;
      at += piece;
      left -= piece;
      this.#read += piece;
      if (this.#read === kv.length) {
        this.#at++;
        this.#read = 0;
      }
    }
  }
}
