/**
 * What the keyspace knows of one key: its changes, newest first, back to the compact revision.
 *
 *   KeyHistory "a" ── newest ──► Change 9 ── previous ──► Change 6 (tombstone) ── previous ──► Change 4 ──► null
 *
 * At revision 7 the key does not exist, at 5 it is what change 4 made of it, at 3 it does not exist.
 */
import type { EncodedKv } from "../../proto/messages.ts";

/** One put or one deletion (a tombstone) of a key. Never altered, except that compaction cuts `previous` off. */
export class Change {
  readonly history: KeyHistory;
  readonly modRevision: number;
  /** How many changes its revision has before it, in all partitions. */
  readonly subRevision: number;
  /** 0 for a tombstone. */
  readonly createRevision: number;
  /** Puts since the key was created, this one included; 0 for a tombstone. */
  readonly version: number;
  /** 0n for none. */
  readonly lease: bigint;
  /** The encoded KeyValue: of a tombstone, its key and modRevision alone. */
  readonly kv: EncodedKv;
  /** The change before this one, or null when there is none or compaction has dropped it. */
  previous: Change | null;

  constructor(
    history: KeyHistory,
    modRevision: number,
    subRevision: number,
    createRevision: number,
    version: number,
    lease: bigint,
    kv: EncodedKv,
    previous: Change | null,
  ) {
    this.history = history;
    this.modRevision = modRevision;
    this.subRevision = subRevision;
    this.createRevision = createRevision;
    this.version = version;
    this.lease = lease;
    this.kv = kv;
    this.previous = previous;
  }

  get isTombstone(): boolean {
    return this.version === 0;
  }

  /** Whether this put brought the key into being. */
  get isCreation(): boolean {
    return this.version === 1;
  }

  /** How this change altered the number of existing keys: 1, 0 or -1. A tombstone always had a live key before it. */
  get countDelta(): number {
    if (this.version > 1) return 0;
    return this.version === 1 ? 1 : -1;
  }
}

export class KeyHistory {
  readonly key: string;
  /** Null only before the first change, while the history is being made. */
  newest: Change | null;

  constructor(key: string) {
    this.key = key;
    this.newest = null;
  }

  /** The current state, or null when the key does not exist. */
  get live(): Change | null {
    const { newest } = this;
    return newest === null || newest.version === 0 ? null : newest;
  }

  /** The state at a revision that is not compacted, or null when the key did not exist then. */
  liveAt(revision: number): Change | null {
    let change = this.newest;
    while (change !== null && change.modRevision > revision) change = change.previous;
    return change === null || change.version === 0 ? null : change;
  }
}

/**
 * The state of a change's key right before the revision of the change: what an event tells as `prev_kv`. Null for a
 * creation, and when the key did not exist. Of two changes in one revision both have the state before that revision.
 */
export function stateBefore(change: Change): Change | null {
  // A put that follows the creation in the same revision is told as a creation, too: etcd looks at the revisions alone.
  if (change.createRevision === change.modRevision) return null;
  let before = change.previous;
  while (before !== null && before.modRevision === change.modRevision) before = before.previous;
  return before === null || before.isTombstone ? null : before;
}
