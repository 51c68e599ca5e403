/**
 * Compares what a keyspace is with what another one says that it is: both give their versions in one order (SnapshotSource), so the
 * first image that is not the same in both is the first key that differs.
 */
import { isDeepStrictEqual } from "node:util";
import type { KeyspaceFacts } from "../../partitions/state/keyspace-facts.ts";
import { isWholeImage, keyOfImage } from "../../partitions/state/version-image.ts";
import { IMAGE_LENGTH_BYTES } from "../../partitions/walk/snapshot-source.ts";
import type { SnapshotSource } from "../../partitions/walk/snapshot-source.ts";
import type { Difference } from "../engine/self-check.ts";
import { CHUNK_BYTES, LOOKS } from "./limits.ts";

export class Comparison {
  readonly #own: SnapshotSource;
  #difference: Difference | null;
  #bytes = Buffer.allocUnsafe(CHUNK_BYTES);
  #at = 0;
  #end = 0;

  /** @param facts of the other one */
  constructor(own: SnapshotSource, facts: KeyspaceFacts) {
    this.#own = own;
    this.#difference = differingFact(own.facts, facts);
  }

  /** Takes the next images of the other one: whole ones, each behind its length. */
  take(theirs: Buffer): void {
    for (let at = 0; at < theirs.length && this.#difference === null;) {
      const length = theirs.readUInt32LE(at);
      const image = at + IMAGE_LENGTH_BYTES;
      if (!isWholeImage(theirs, image, length)) {
        this.#difference = { key: null, fact: "an image that is no whole one" };
        return;
      }
      this.#compare(theirs, image, image + length);
      at = image + length;
    }
  }

  /** The other one has given all. */
  end(): Difference | null {
    if (this.#difference === null && this.#next()) this.#difference = { key: Buffer.from(this.#ownKey()), fact: null };
    return this.#difference;
  }

  #compare(theirs: Buffer, start: number, end: number): void {
    const key = keyOfImage(theirs, start);
    if (!this.#next()) {
      this.#difference = { key: Buffer.from(key), fact: null };
      return;
    }
    const ownStart = this.#at + IMAGE_LENGTH_BYTES;
    const ownEnd = ownStart + this.#bytes.readUInt32LE(this.#at);
    if (this.#bytes.compare(theirs, start, end, ownStart, ownEnd) === 0) {
      this.#at = ownEnd;
      return;
    }
    const own = this.#ownKey();
    // One of the two lacks the smaller key.
    this.#difference = { key: Buffer.from(key.compare(own) <= 0 ? key : own), fact: null };
  }

  /** Whether there is one more of its own, at `#at`. */
  #next(): boolean {
    while (this.#at === this.#end) {
      if (this.#own.isFinished) return false;
      if (this.#own.needed > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(this.#own.needed);
      this.#at = 0;
      this.#end = this.#own.fill(this.#bytes, 0, LOOKS);
    }
    return true;
  }

  #ownKey(): Buffer {
    return keyOfImage(this.#bytes, this.#at + IMAGE_LENGTH_BYTES);
  }
}

/** The first of the facts that are not the same. */
function differingFact(own: KeyspaceFacts, theirs: KeyspaceFacts): Difference | null {
  // The others have come from another thread, where a Buffer is no Buffer any more.
  const plain = structuredClone(own);
  for (const [name, value] of Object.entries(plain)) {
    const other: unknown = theirs[name as keyof KeyspaceFacts]; // A key of `own` is one of a KeyspaceFacts.
    if (!isDeepStrictEqual(value, other)) return { key: null, fact: FACTS[name as keyof KeyspaceFacts] };
  }
  return null;
}

const FACTS: Readonly<Record<keyof KeyspaceFacts, string>> = {
  revision: "revision",
  compactRevision: "compacted revision",
  leaseIds: "leases",
  leaseTtls: "TTLs of leases",
  alarms: "alarms",
  quotas: "quotas of partitions",
  reached: "quotas that are reached",
  auth: "users and roles",
};
