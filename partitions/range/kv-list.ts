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
  /** The next one to be made: which of which slice. */
  #slice = 0;
  #at = 0;
  /** The one that is being read, and how much of it was. */
  #kv = NOTHING;
  #read = 0;

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

  /** All of them, to be looked at in this turn. */
  all(): EncodedKv[] {
    return this.#slices.flatMap((slice) => slice.map((ref) => this.#kvOf(ref)));
  }

  /** Takes the next ones, got in this turn or pinned; the list of them belongs to this object from now on. */
  add(refs: readonly VersionRef[]): void {
    if (refs.length === 0) return;
    this.#slices.push(refs);
    for (const ref of refs) {
      this.#hold.pin(ref);
      this.#length += this.#keysOnly ? this.#kvOf(ref).length : this.#versions.kvBytes(ref);
    }
  }

  /** Writes the next `count` bytes to `target` at `offset`. */
  read(target: Uint8Array, offset: number, count: number): void {
    let at = offset;
    for (const end = offset + count; at < end;) {
      if (this.#read === this.#kv.length) this.#next();
      const piece = Math.min(end - at, this.#kv.length - this.#read);
      this.#kv.copy(target, at, this.#read, this.#read + piece);
      this.#read += piece;
      at += piece;
    }
  }

  /** Nothing is read any more. */
  release(): void {
    this.#kv = NOTHING;
    this.#read = 0;
    this.#hold.release();
  }

  #next(): void {
    assert(this.#slice < this.#slices.length, "no more is read than there is");
    const slice = this.#slices[this.#slice];
    this.#kv = this.#kvOf(slice[this.#at]);
    this.#read = 0;
    if (++this.#at < slice.length) return;
    this.#slices[this.#slice++] = [];
    this.#at = 0;
  }

  #kvOf(ref: VersionRef): EncodedKv {
    const kv = this.#versions.kv(ref);
    return this.#keysOnly ? kvWithoutValue(kv) : kv;
  }
}
