/**
 * How everything outside this room looks at what is kept: a version of a key is a reference, a key is a slot, both of them
 * numbers, and this tells what they are. What is behind them moves, and its memory is used again.
 *
 *     slot of "a" ── newest ──► version 9 ── previous ──► version 6 (tombstone) ── previous ──► version 4 ──► NO_VERSION
 *
 * A reference is valid in the turn in which it was got. Over turns the bytes of its kv stay what they are while a hold has
 * it pinned (hold.ts), but neither its slot nor what was before it may be asked for then. A slot is valid over turns while
 * a revision is held at which its key exists.
 */
import { Buffer } from "node:buffer";
import { bytesWithoutValue } from "../../proto/encoded-kv.ts";
import type { EncodedKv } from "../../proto/messages.ts";
import type { Records } from "../store/records.ts";
import type { Slots } from "../store/slots.ts";
import type { VersionStore } from "../store/version-store.ts";

declare const VERSION: unique symbol;
declare const SLOT: unique symbol;

/** One put or one deletion (a tombstone) of a key. */
export type VersionRef = number & { readonly [VERSION]: true };

/** A key that is kept, whether it exists or not. */
export type Slot = number & { readonly [SLOT]: true };

// Casts: in this room both are plain numbers, and 0 is none.
export const NO_VERSION = 0 as VersionRef;
export const NO_SLOT = 0 as Slot;

/** Is asked about references other than NO_VERSION and slots other than NO_SLOT. */
export class Versions {
  readonly #records: Records;
  readonly #slots: Slots;
  #passedOver = 0;

  constructor({ records, slots }: VersionStore) {
    this.#records = records;
    this.#slots = slots;
  }

  modRevision(ref: VersionRef): number {
    return this.#records.modRevision(ref);
  }

  /** How many changes its revision has before it, in all partitions. */
  subRevision(ref: VersionRef): number {
    return this.#records.subRevision(ref);
  }

  /** 0 for a tombstone. */
  createRevision(ref: VersionRef): number {
    return this.#records.createRevision(ref);
  }

  /** Puts since the key was created, this one included; 0 for a tombstone. */
  version(ref: VersionRef): number {
    return this.#records.version(ref);
  }

  isTombstone(ref: VersionRef): boolean {
    return this.#records.isTombstone(ref);
  }

  /** 0n for none. */
  lease(ref: VersionRef): bigint {
    return this.#records.lease(ref);
  }

  /** The encoded KeyValue, valid in this turn or while it is pinned: of a tombstone, its key and modRevision alone. */
  kv(ref: VersionRef): EncodedKv {
    return this.#records.kv(ref);
  }

  /** Copies `count` bytes of the encoded kv, from its byte `from` on, to `target[at ..)`. */
  copyKv(ref: VersionRef, from: number, count: number, target: Uint8Array, at: number): void {
    this.#records.copyKv(ref, from, count, target, at);
  }

  /** How many bytes its image has. */
  imageBytes(ref: VersionRef): number {
    return this.#records.imageBytes(ref);
  }

  /** Copies its image, which makes the same version of it again. `isOlder` where the image before is the next newer of its key. */
  copyImage(ref: VersionRef, isOlder: boolean, target: Buffer, at: number): void {
    this.#records.copyImage(ref, isOlder, target, at);
  }

  kvBytes(ref: VersionRef): number {
    return this.#records.kvBytes(ref);
  }

  /** How many bytes the encoded kv has without its value. */
  keyKvBytes(ref: VersionRef): number {
    return bytesWithoutValue(this.#records.parts(ref), this.#records.kvBytes(ref));
  }

  /** Valid as long as the kv. */
  value(ref: VersionRef): Buffer {
    return this.#records.value(ref);
  }

  keyText(ref: VersionRef): string {
    return this.#records.keyText(ref);
  }

  slot(ref: VersionRef): Slot {
    return this.#records.slot(ref) as Slot;
  }

  /** The version before this one; NO_VERSION when there is none or compaction has dropped it. */
  previous(ref: VersionRef): VersionRef {
    return this.#records.previous(ref) as VersionRef;
  }

  /**
   * The state of the key right before the revision of a version: what an event tells as `prev_kv`. NO_VERSION for a
   * creation, and when the key did not exist. Of two versions in one revision both have the state before that revision.
   */
  stateBefore(ref: VersionRef): VersionRef {
    const records = this.#records;
    const revision = records.modRevision(ref);
    // A put that follows the creation in the same revision is told as a creation, too: etcd looks at the revisions alone.
    if (records.createRevision(ref) === revision) return NO_VERSION;
    let before = records.previous(ref);
    while (before !== NO_VERSION && records.modRevision(before) === revision) before = records.previous(before);
    return (before === NO_VERSION || records.isTombstone(before) ? NO_VERSION : before) as VersionRef;
  }

  newest(slot: Slot): VersionRef {
    return this.#slots.newest(slot) as VersionRef;
  }

  /** The current state, or NO_VERSION when the key does not exist. */
  liveNewest(slot: Slot): VersionRef {
    const newest = this.#slots.newest(slot);
    return (this.#records.isTombstone(newest) ? NO_VERSION : newest) as VersionRef;
  }

  /** How many newer versions `liveAt` has passed over, ever. Each counts as a look: it costs what one at a key does. */
  get passedOver(): number {
    return this.#passedOver;
  }

  /** The state at a revision that is not compacted, or NO_VERSION when the key did not exist then. */
  liveAt(slot: Slot, revision: number): VersionRef {
    const records = this.#records;
    let ref = this.#slots.newest(slot);
    while (ref !== NO_VERSION && records.modRevision(ref) > revision) {
      ref = records.previous(ref);
      this.#passedOver++;
    }
    return (ref === NO_VERSION || records.isTombstone(ref) ? NO_VERSION : ref) as VersionRef;
  }

  /** The same, or null when more newer versions than so many are to be passed over. */
  liveWithin(slot: Slot, revision: number, maxPassed: number): VersionRef | null {
    const records = this.#records;
    let ref = this.#slots.newest(slot);
    for (let left = maxPassed; ref !== NO_VERSION && records.modRevision(ref) > revision; left--) {
      if (left === 0) return null;
      ref = records.previous(ref);
      this.#passedOver++;
    }
    return (ref === NO_VERSION || records.isTombstone(ref) ? NO_VERSION : ref) as VersionRef;
  }

  /** The state before a version, which may be of its own revision. */
  liveBefore(ref: VersionRef): VersionRef {
    const before = this.#records.previous(ref);
    return (before === NO_VERSION || this.#records.isTombstone(before) ? NO_VERSION : before) as VersionRef;
  }

  slotKeyText(slot: Slot): string {
    return this.#records.keyText(this.#slots.newest(slot));
  }

  /** A copy. */
  slotKey(slot: Slot): Buffer {
    return Buffer.from(this.#records.key(this.#slots.newest(slot)));
  }
}
