/**
 * How everything outside this room looks at what is kept: a version of a key is a reference, a key is a slot, and this
 * tells what they are. Nobody else looks into them, so that what is behind them may be laid out in any way.
 *
 *     slot of "a" ── newest ──► version 9 ── previous ──► version 6 (tombstone) ── previous ──► version 4 ──► NO_VERSION
 *
 * A reference is valid in the turn in which it was got. Over turns the bytes of its kv stay what they are while a hold has
 * it pinned (hold.ts), but neither its slot nor what was before it may be asked for then. A slot is valid over turns while
 * a revision is held at which its key exists.
 */
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import type { EncodedKv } from "../../proto/messages.ts";
import { keyBytes } from "../interval/interval.ts";
import { stateBefore } from "./key-history.ts";
import type { Change, KeyHistory } from "./key-history.ts";

declare const VERSION: unique symbol;
declare const SLOT: unique symbol;

/** One put or one deletion (a tombstone) of a key. To be compared with `===` alone. */
export interface VersionRef {
  readonly [VERSION]: true;
}

/** A key that is kept, whether it exists or not. To be compared with `===` alone. */
export interface Slot {
  readonly [SLOT]: true;
}

// Casts: in this room a reference is a Change or null, and a slot a KeyHistory or null.
export const NO_VERSION = null as unknown as VersionRef;
export const NO_SLOT = null as unknown as Slot;

export function versionOf(change: Change | null): VersionRef {
  return change as unknown as VersionRef;
}

export function slotOf(history: KeyHistory | null): Slot {
  return history as unknown as Slot;
}

/** The change behind a reference that is not NO_VERSION. */
export function changeOf(ref: VersionRef): Change {
  return ref as unknown as Change;
}

/** The history behind a slot that is not NO_SLOT. */
export function historyOf(slot: Slot): KeyHistory {
  return slot as unknown as KeyHistory;
}

/** Is asked about references other than NO_VERSION and slots other than NO_SLOT. */
export class Versions {
  modRevision(ref: VersionRef): number {
    return changeOf(ref).modRevision;
  }

  /** How many changes its revision has before it, in all partitions. */
  subRevision(ref: VersionRef): number {
    return changeOf(ref).subRevision;
  }

  /** 0 for a tombstone. */
  createRevision(ref: VersionRef): number {
    return changeOf(ref).createRevision;
  }

  /** Puts since the key was created, this one included; 0 for a tombstone. */
  version(ref: VersionRef): number {
    return changeOf(ref).version;
  }

  isTombstone(ref: VersionRef): boolean {
    return changeOf(ref).isTombstone;
  }

  /** 0n for none. */
  lease(ref: VersionRef): bigint {
    return changeOf(ref).lease;
  }

  /** The encoded KeyValue, valid in this turn or while it is pinned: of a tombstone, its key and modRevision alone. */
  kv(ref: VersionRef): EncodedKv {
    return changeOf(ref).kv;
  }

  kvBytes(ref: VersionRef): number {
    return changeOf(ref).kv.length;
  }

  /** Valid as long as the kv. */
  value(ref: VersionRef): Buffer {
    return decodeKeyValue(changeOf(ref).kv).value;
  }

  keyText(ref: VersionRef): string {
    return changeOf(ref).history.key;
  }

  slot(ref: VersionRef): Slot {
    return slotOf(changeOf(ref).history);
  }

  /** The version before this one; NO_VERSION when there is none or compaction has dropped it. */
  previous(ref: VersionRef): VersionRef {
    return versionOf(changeOf(ref).previous);
  }

  /**
   * The state of the key right before the revision of a version: what an event tells as `prev_kv`. NO_VERSION for a
   * creation, and when the key did not exist. Of two versions in one revision both have the state before that revision.
   */
  stateBefore(ref: VersionRef): VersionRef {
    return versionOf(stateBefore(changeOf(ref)));
  }

  newest(slot: Slot): VersionRef {
    return versionOf(historyOf(slot).newest);
  }

  /** The current state, or NO_VERSION when the key does not exist. */
  liveNewest(slot: Slot): VersionRef {
    return versionOf(historyOf(slot).live);
  }

  /** The state at a revision that is not compacted, or NO_VERSION when the key did not exist then. */
  liveAt(slot: Slot, revision: number): VersionRef {
    return versionOf(historyOf(slot).liveAt(revision));
  }

  slotKeyText(slot: Slot): string {
    return historyOf(slot).key;
  }

  slotKey(slot: Slot): Buffer {
    return keyBytes(historyOf(slot).key);
  }
}
