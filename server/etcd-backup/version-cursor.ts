/**
 * The versions of keys in etcd's database, in the order in which they were made: by revision, and in one by sub-revision. Each is
 * looked at for what it must be, so that damage which bbolt cannot notice is refused with its place.
 *
 * A database holds more than counts: what the last compaction has not removed yet, deletions at its revision, and an element
 * without anything for the revision to which `etcdutl snapshot restore --bump-revision` went.
 */
import type { Buffer } from "node:buffer";
import { DecodeError } from "../../proto/decode-error.ts";
import type { BucketCursor } from "../bolt/bucket-cursor.ts";
import { readKeyValue, StoredKeyValue } from "./decode.ts";
import { EtcdRefusal } from "./etcd-refusal.ts";
import { REVISION_BYTES, TOMBSTONE_BYTES } from "./schema.ts";

const UNDERSCORE = 0x5f;
const TOMBSTONE = 0x74;

/** Which versions up to a compact revision a compaction leaves, of those that it had still to look at. */
export interface Compacted {
  readonly revision: number;
  /** The last change up to it, of keys that were changed since the compaction before. */
  readonly last: ReadonlyMap<string, Place>;
}

/** A revision and a sub-revision. */
export interface Place {
  readonly main: number;
  readonly sub: number;
}

export class VersionCursor extends StoredKeyValue {
  /** The revision. That in the KeyValue is the same, but a deletion's has none. */
  main = 0;
  sub = 0;
  isTombstone = false;
  /** Whether it is nothing but a revision. */
  isMarker = false;
  readonly #cursor: BucketCursor;
  readonly #compacted: Compacted;

  constructor(cursor: BucketCursor, compacted: Compacted) {
    super();
    this.#cursor = cursor;
    this.#compacted = compacted;
  }

  /** The bytes of etcd's own element, for its hash. */
  get stored(): { readonly key: Buffer; readonly value: Buffer } {
    return this.#cursor;
  }

  /** Finds the next version that counts: what it is is good until this is called again. */
  next(): boolean {
    while (this.nextStored()) {
      if (this.counts) return true;
    }
    return false;
  }

  /** Finds the next version, whether it counts or not. */
  nextStored(): boolean {
    if (!this.#cursor.next()) return false;
    const { key, value } = this.#cursor;
    this.isTombstone = key.length === TOMBSTONE_BYTES;
    const isRevision = key.length === REVISION_BYTES || (this.isTombstone && key[REVISION_BYTES] === TOMBSTONE);
    if (!isRevision || key[8] !== UNDERSCORE) this.#refuse("its key is no revision");
    this.main = readUint64(key, 0);
    this.sub = readUint64(key, 9);
    if (!(this.main <= Number.MAX_SAFE_INTEGER && this.sub <= 0xffff_ffff)) this.#refuse("its revision is too large");
    try {
      readKeyValue(value, this);
    } catch (error) {
      if (error instanceof DecodeError) this.#refuse(error.message);
      throw error;
    }
    this.isMarker = !this.isTombstone && value.length === 0;
    this.#check();
    return true;
  }

  #check(): void {
    const { main, createRevision: create, modRevision: mod, version } = this;
    if (this.isMarker) {
      if (main > this.#compacted.revision) this.#refuse("it has no key");
      return;
    }
    if (this.key.length === 0) this.#refuse("it has no key");
    if (this.isTombstone) {
      const hasMore = create !== 0 || mod !== 0 || version !== 0 || this.lease !== 0n || this.value.length > 0;
      if (hasMore) this.#refuse("it is a deletion and has more than a key");
      return;
    }
    if (mod !== main) this.#refuse(`its mod revision is ${mod}, and not ${main}`);
    if (create < 1 || create > main) this.#refuse(`its create revision is ${create}, at ${main}`);
    if (version < 1) this.#refuse(`its version is ${version}`);
    // More than one change of a key in one revision is rare, and only possible behind another one.
    const isFirst = create === main;
    if (version === 1 ? !isFirst : isFirst && this.sub === 0)
      this.#refuse(`its version is ${version}, created at ${create}`);
  }

  /** Whether a compaction leaves it, and it is a change of a key. */
  get counts(): boolean {
    const { revision, last } = this.#compacted;
    if (this.main > revision) return true;
    if (this.isTombstone || this.isMarker) return false;
    if (last.size === 0) return true;
    const other = last.get(this.key.toString("latin1"));
    return other === undefined || (other.main === this.main && other.sub === this.sub);
  }

  #refuse(why: string): never {
    throw new EtcdRefusal(`${this.#cursor.place}: ${why}`);
  }
}

function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
