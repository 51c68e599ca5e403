/**
 * The encoded kvs of versions, made one after the other while they are sent: of each a reference is kept, and its bytes lie
 * where they are, pinned, until the list is let go of.
 */
import assert from "node:assert/strict";
import { kvWithoutValue } from "../../proto/encoded-kv.ts";
import type { EncodedKv } from "../../proto/messages.ts";
import type { Hold } from "../state/hold.ts";
import type { VersionRef, Versions } from "../state/versions.ts";

const NOTHING: EncodedKv = Buffer.alloc(0);

export class KvList {
  readonly #versions: Versions;
  readonly #hold: Hold;
  readonly #keysOnly: boolean;
  readonly #slices: (readonly VersionRef[])[] = [];
  #length = 0;
  /** The one that is being read: which of which slice, how much of it was read, and how long it is, 0 before it is known. */
  #slice = 0;
  #at = 0;
  #read = 0;
  #bytes = 0;
  /** It without its value, if only keys are asked for. */
  #key = NOTHING;

  /** @param hold is this list's own */
  constructor(versions: Versions, hold: Hold, keysOnly: boolean) {
    this.#versions = versions;
    this.#hold = hold;
    this.#keysOnly = keysOnly;
  }

  /** Bytes of all encoded kvs. */
  get length(): number {
    return this.#length;
  }

  /** Takes the next ones, got in this turn or pinned; the list of them belongs to this object from now on. */
  add(refs: readonly VersionRef[]): void {
    if (refs.length === 0) return;
    this.#slices.push(refs);
    for (const ref of refs) {
      this.#hold.pin(ref);
      this.#length += this.#keysOnly ? this.#versions.keyKvBytes(ref) : this.#versions.kvBytes(ref);
    }
  }

  /** Writes the next `count` bytes to `target` at `offset`. */
  read(target: Uint8Array, offset: number, count: number): void {
    let at = offset;
    for (const end = offset + count; at < end;) {
      assert(this.#slice < this.#slices.length, "no more is read than there is");
      const ref = this.#slices[this.#slice][this.#at];
      if (this.#bytes === 0) this.#begin(ref);
      const piece = Math.min(end - at, this.#bytes - this.#read);
      if (this.#keysOnly) this.#key.copy(target, at, this.#read, this.#read + piece);
      else this.#versions.copyKv(ref, this.#read, piece, target, at);
      this.#read += piece;
      at += piece;
      if (this.#read === this.#bytes) this.#goOn();
    }
  }

  /** Nothing is read any more. */
  release(): void {
    this.#key = NOTHING;
    this.#hold.release();
  }

  #begin(ref: VersionRef): void {
    if (this.#keysOnly) this.#key = kvWithoutValue(this.#versions.kv(ref));
    this.#bytes = this.#keysOnly ? this.#key.length : this.#versions.kvBytes(ref);
  }

  #goOn(): void {
    this.#read = 0;
    this.#bytes = 0;
    if (++this.#at < this.#slices[this.#slice].length) return;
    this.#slices[this.#slice++] = [];
    this.#at = 0;
  }
}
