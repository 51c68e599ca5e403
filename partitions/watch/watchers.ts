/**
 * Tells watchers of changes. Nothing is delivered while commands are executed: the applier executes a run and then calls
 * `flush`, which gives every synced watcher its events, one delivery for each revision. A watcher that is behind
 * catches up from the revision log, in slices that the server runs when it likes.
 */
import assert from "node:assert/strict";
import type { EncodedEvent } from "../../proto/messages.ts";
import { SMALLEST_KEY } from "../interval/interval.ts";
import { EventCache, EventForms } from "./events.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { versionOf } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import { BEHIND, PAUSED, REMOVED, SYNCED, Watcher, WatcherGroup } from "./watcher.ts";
import type { FlushedRevision, WatcherSink } from "./watcher.ts";
import { WatcherGroups } from "./watcher-groups.ts";

/** A delivery to a watcher that catches up ends with the revision that reaches one of these bounds (WO-04). */
export const CATCH_UP_REVISIONS_MAX = 1_000;
const CATCH_UP_EVENTS_MAX = 1_000;
const CATCH_UP_BYTES_MAX = 1024 * 1024;

/** Encoded events kept for watchers that catch up. */
const CACHED_EVENT_BYTES_MAX = 8 * 1024 * 1024;

/** A watch as its client asks for it. The server has refused empty intervals and negative revisions before. */
export interface WatcherOptions {
  /** Empty means the smallest key there is (WA-01). */
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  /** 0 for the revision after the current one. */
  readonly startRevision: number;
  /** FILTER_NOPUT, FILTER_NODELETE; others are ignored (WA-10). */
  readonly filters: readonly number[];
  readonly prevKv: boolean;
  readonly sink: WatcherSink;
  readonly context?: unknown;
}

export class Watchers implements FlushedRevision {
  readonly #state: KeyspaceState;
  readonly #groups = new WatcherGroups();
  readonly #cache: EventCache;
  /** Those behind whose sinks have room, the one to serve next in front. */
  readonly #behind = new Set<Watcher>();
  #count = 0;
  #syncedCount = 0;
  #flushedRevision: number;
  /** Where the changes above the flushed revision begin in the log. */
  #flushedIndex: number;

  constructor(state: KeyspaceState) {
    this.#state = state;
    this.#cache = new EventCache(state.versions, CACHED_EVENT_BYTES_MAX);
    this.#flushedRevision = state.revision;
    this.#flushedIndex = state.log.end;
  }

  /** How many watchers there are. */
  get count(): number {
    return this.#count;
  }

  get syncedCount(): number {
    return this.#syncedCount;
  }

  /** How many are behind or paused. */
  get unsyncedCount(): number {
    return this.#count - this.#syncedCount;
  }

  /** How many are paused. */
  get pausedCount(): number {
    return this.unsyncedCount - this.#behind.size;
  }

  /** Every synced watcher has been told of everything up to this revision: the revision to report as progress. */
  get flushedRevision(): number {
    return this.#flushedRevision;
  }

  /** The lowest revision whose changes are still needed whatever is compacted: synced watchers wait for it (CO-08). */
  get neededFrom(): number {
    return this.#syncedCount === 0 ? Number.POSITIVE_INFINITY : this.#flushedRevision + 1;
  }

  /** Begins a watch. Nothing is delivered before this has returned. */
  create(options: WatcherOptions): Watcher {
    const { rangeEnd, startRevision, filters, prevKv, sink, context = null } = options;
    assert(startRevision >= 0, "the server refuses negative start revisions");
    const key = options.key.length === 0 ? SMALLEST_KEY : options.key;
    const group = this.#groups.findOrAdd(new WatcherGroup(key, rangeEnd, prevKv, filters));
    const fromRevision = startRevision === 0 ? this.#state.revision + 1 : startRevision;
    const watcher = new Watcher(group, sink, context, startRevision, fromRevision, BEHIND, this);
    group.size++;
    this.#count++;
    this.#settle(watcher);
    return watcher;
  }

  /** Ends a watch. Nothing is delivered to it any more. Does nothing when the watcher has been removed before. */
  remove(watcher: Watcher): void {
    if (watcher.state === REMOVED) return;
    if (watcher.state === SYNCED) this.#leaveSynced(watcher);
    this.#behind.delete(watcher);
    watcher.state = REMOVED;
    this.#count--;
    const { group } = watcher;
    group.size--;
    if (group.size === 0) this.#groups.remove(group);
  }

  /** Delivers what was committed since the last flush to the synced watchers, revision by revision (WO-02, WO-03). */
  flush(): void {
    const { log, revision } = this.#state;
    assert(!this.#state.hasUncommitted, "only what is committed is delivered");
    const end = log.end;
    if (this.#syncedCount > 0) {
      // Compaction may have forgotten changes while nobody was there to wait for them.
      let index = Math.max(this.#flushedIndex, log.start);
      while (index < end) index = this.#flushRevision(index);
    }
    this.#flushedIndex = end;
    this.#flushedRevision = revision;
  }

  /**
   * Lets watchers that are behind catch up, each in turn a piece. What they get ends at the flushed revision.
   *
   * @param maxChanges how many changes to look at before returning; exceeded only to end a revision
   * @returns true when no watcher is left that could go on now
   */
  catchUp(maxChanges: number): boolean {
    let left = maxChanges;
    for (const watcher of this.#behind) {
      if (left <= 0) return false;
      // A watcher that is not through yet goes to the end of the set, where this loop comes to it again.
      left -= this.#advance(watcher, left);
    }
    this.#cache.clear();
    return true;
  }

  /** The sink of a paused watcher has room again. */
  resume(watcher: Watcher): void {
    if (watcher.state !== PAUSED) return;
    this.#settle(watcher);
  }

  verify(): void {
    this.#groups.verify();
    assert(this.#flushedRevision <= this.#state.revision, "only what is committed was flushed");
    assert(this.#syncedCount + this.#behind.size <= this.#count, "a watcher is counted once");
    for (const watcher of this.#behind) {
      assert(watcher.state === BEHIND, "those who can go on are behind");
      assert(!watcher.group.synced.has(watcher), "a watcher behind is not synced");
    }
    const { log } = this.#state;
    const index = Math.max(this.#flushedIndex, log.start);
    assert(index === log.end || log.at(index).modRevision > this.#flushedRevision, "the flushed index is right");
  }

  /** Delivers the revision that begins at `start` in the log and returns where the next one begins. */
  #flushRevision(start: number): number {
    const { log } = this.#state;
    const { modRevision } = log.at(start);
    const touched: WatcherGroup[] = [];
    let index = start;
    for (; index < log.end; index++) {
      const change = log.at(index);
      if (change.modRevision !== modRevision) break;
      this.#addEvent(versionOf(change), touched);
    }
    this.#flushedRevision = modRevision;
    for (const group of touched) this.#deliverLive(group, modRevision);
    return index;
  }

  #addEvent(ref: VersionRef, touched: WatcherGroup[]): void {
    const { versions } = this.#state;
    const groups: WatcherGroup[] = [];
    this.#groups.collect(versions.keyText(ref), groups);
    if (groups.length === 0) return;
    const forms = new EventForms(versions, ref);
    const isTombstone = versions.isTombstone(ref);
    for (const group of groups) {
      if (group.synced.size === 0 || !group.wants(isTombstone)) continue;
      if (group.events.length === 0) touched.push(group);
      group.events.push(forms.form(group.prevKv));
    }
  }

  #deliverLive(group: WatcherGroup, revision: number): void {
    const { events } = group;
    group.events = [];
    for (const watcher of group.synced) {
      // It may have been told to begin later.
      if (watcher.fromRevision > revision) continue;
      if (watcher.sink.deliver(watcher, revision, events)) continue;
      this.#pause(watcher, revision + 1);
    }
  }

  /** One delivery to a watcher that is behind. Returns how many changes it looked at, at least 1. */
  #advance(watcher: Watcher, maxChanges: number): number {
    const { log, compactRevision } = this.#state;
    if (watcher.fromRevision < compactRevision) {
      this.remove(watcher);
      watcher.sink.compacted(watcher, compactRevision);
      return 1;
    }
    const start = log.search(watcher.fromRevision);
    const piece = this.#readPiece(watcher.group, start, maxChanges);
    watcher.fromRevision = piece.nextRevision;
    this.#behind.delete(watcher);
    const isFull = piece.events.length > 0 && !watcher.sink.deliver(watcher, this.#flushedRevision, piece.events);
    if (isFull) this.#pause(watcher, watcher.fromRevision);
    else if (watcher.state === BEHIND) this.#settle(watcher);
    return Math.max(1, piece.looked);
  }

  #readPiece(group: WatcherGroup, start: number, maxChanges: number): Piece {
    const { log, compactRevision } = this.#state;
    const end = this.#flushedIndex;
    const events: EncodedEvent[] = [];
    let bytes = 0;
    let revisions = 0;
    let lastRevision = 0;
    let lastMatch = 0;
    let index = start;
    for (; index < end; index++) {
      const change = log.at(index);
      const isNewRevision = change.modRevision !== lastRevision;
      const isFull =
        index - start >= maxChanges ||
        revisions >= CATCH_UP_REVISIONS_MAX ||
        events.length >= CATCH_UP_EVENTS_MAX ||
        bytes >= CATCH_UP_BYTES_MAX;
      if (isNewRevision && isFull) break;
      lastRevision = change.modRevision;
      if (!group.contains(change.history.key) || !group.wants(change.isTombstone)) continue;
      if (lastMatch !== lastRevision) revisions++;
      lastMatch = lastRevision;
      // What was before the compact revision is compacted, whether it has been removed yet or not (CO-09).
      const event = this.#cache.event(versionOf(change), group.prevKv && change.modRevision > compactRevision);
      bytes += event.length;
      events.push(event);
    }
    const nextRevision = index < end ? log.at(index).modRevision : this.#flushedRevision + 1;
    return { events, nextRevision, looked: index - start };
  }

  /**
   * A watcher that can go on is behind while it has to be told of what was flushed already. It is behind, too, when its
   * next revision is compacted: that history may be gone before the next flush, so it must not wait for it.
   */
  #settle(watcher: Watcher): void {
    if (watcher.fromRevision <= this.#flushedRevision || watcher.fromRevision < this.#state.compactRevision) {
      watcher.state = BEHIND;
      this.#behind.add(watcher);
    } else {
      this.#behind.delete(watcher);
      this.#enterSynced(watcher);
    }
  }

  /** The sink was full. It may have removed the watcher at once. */
  #pause(watcher: Watcher, fromRevision: number): void {
    if (watcher.state === REMOVED) return;
    if (watcher.state === SYNCED) this.#leaveSynced(watcher);
    this.#behind.delete(watcher);
    watcher.fromRevision = fromRevision;
    watcher.state = PAUSED;
  }

  #enterSynced(watcher: Watcher): void {
    watcher.state = SYNCED;
    watcher.group.synced.add(watcher);
    this.#syncedCount++;
  }

  #leaveSynced(watcher: Watcher): void {
    watcher.group.synced.delete(watcher);
    this.#syncedCount--;
  }
}

interface Piece {
  readonly events: readonly EncodedEvent[];
  /** The revision to go on from. */
  readonly nextRevision: number;
  /** How many changes were read. */
  readonly looked: number;
}
