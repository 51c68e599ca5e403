/**
 * Tells watchers of changes. Nothing is delivered while commands are executed: the applier executes a run and then calls
 * `flush`, which gives every synced watcher its events, one delivery for each revision. Those of a long change are gathered
 * in steps before it is committed (gathering.ts). A watcher that is behind catches up from history, in slices that the server
 * runs when it likes.
 */
import assert from "node:assert/strict";
import { SMALLEST_KEY } from "../interval/interval.ts";
import { CatchUp } from "./catch-up.ts";
import { EventList } from "./event-list.ts";
import { EventForms } from "./events.ts";
import { Gathering } from "./gathering.ts";
import type { StepAllowance } from "./gathering.ts";
import type { ChangeWalk, LogPlace } from "../state/change-walk.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Partition } from "../state/partition.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import type { ReadHost } from "./shared-read.ts";
import { BEHIND, PAUSED, REMOVED, SYNCED, Watcher, WatcherGroup } from "./watcher.ts";
import type { FlushedRevision, WatcherSink } from "./watcher.ts";
import { WatcherGroups } from "./watcher-groups.ts";

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
  /** Those behind whose sinks have room. */
  readonly #behind: CatchUp;
  readonly #piecesMax: number;
  #count = 0;
  #syncedCount = 0;
  #flushedRevision: number;
  /** Null when nothing is gathered. */
  #gathering: Gathering | null = null;

  /** @param piecesMax as WAITING_PIECES_MAX */
  constructor(state: KeyspaceState, piecesMax: number) {
    this.#state = state;
    this.#piecesMax = piecesMax;
    const host: ReadHost = {
      flushedRevision: () => this.#flushedRevision,
      endCompacted: (watcher) => this.#endCompacted(watcher),
      deliver: (watcher, events) => this.#deliverPast(watcher, events),
      settle: (watcher) => this.#settle(watcher),
    };
    this.#behind = new CatchUp(state, this.#groups, host, piecesMax);
    this.#flushedRevision = state.revision;
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

  /**
   * How many watchers there are for the keys of each partition that has any; null when their groups are more than so many.
   * One that watches several partitions counts for each.
   */
  countByPartition(maxGroups: number): Map<Partition, number> | null {
    if (this.#groups.count > maxGroups) return null;
    const counts = new Map<Partition, number>();
    for (const { interval, size } of this.#groups.values()) {
      for (const { partition } of this.#state.partitionMap.owners(interval)) {
        counts.set(partition, (counts.get(partition) ?? 0) + size);
      }
    }
    return counts;
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
    if (group.size === 0) this.#gathering?.missed.add(group);
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
    this.#behind.remove(watcher);
    watcher.state = REMOVED;
    this.#count--;
    const { group } = watcher;
    group.size--;
    if (group.size === 0) this.#groups.remove(group);
  }

  /** Delivers what was committed since the last flush to the synced watchers, revision by revision (WO-02, WO-03). */
  flush(): void {
    const { revision } = this.#state;
    assert(!this.#state.hasUncommitted, "only what is committed is delivered");
    const gathering = this.#gathering;
    if (gathering !== null) this.#deliverGathered(gathering);
    const written = this.#state.takeWritten();
    if (this.#syncedCount > 0) this.#flushChanges(this.#notGathered(gathering, written));
    this.#flushedRevision = revision;
  }

  /**
   * Makes the events of what is uncommitted in steps, so that the flush that follows its commit has them. Whoever watches
   * something new meanwhile is told from history.
   */
  *gather(allowance: StepAllowance): Generator<undefined, void, undefined> {
    // Where more is to be flushed, or nobody listens, the flush does it all.
    if (this.#flushedRevision < this.#state.revision || this.#count === 0) return;
    this.#gathering = new Gathering(this.#state, this.#groups, this.#piecesMax);
    yield* this.#gathering.steps(allowance);
  }

  /**
   * Lets watchers that are behind catch up, each in turn a piece. What they get ends at the flushed revision.
   *
   * @param maxChanges how many changes to look at before returning: a revision with more takes several calls
   * @returns true when no watcher is left that could go on now
   */
  catchUp(maxChanges: number): boolean {
    return this.#behind.step(maxChanges);
  }

  /** The sink of a paused watcher has room again. */
  resume(watcher: Watcher): void {
    if (watcher.state !== PAUSED) return;
    this.#settle(watcher);
  }

  verify(): void {
    this.#groups.verify(this.#gathering !== null);
    assert(this.#flushedRevision <= this.#state.revision, "only what is committed was flushed");
    assert(this.#syncedCount + this.#behind.size <= this.#count, "a watcher is counted once");
    this.#behind.verify();
  }

  #flushChanges(walk: ChangeWalk): void {
    const { versions } = this.#state;
    for (let ref = walk.next(); ref !== NO_VERSION;) {
      const revision = versions.modRevision(ref);
      const touched: WatcherGroup[] = [];
      for (; ref !== NO_VERSION && versions.modRevision(ref) === revision; ref = walk.next()) {
        this.#addEvent(ref, touched);
      }
      this.#flushedRevision = revision;
      for (const group of touched) this.#deliverLive(group, revision);
    }
  }

  #deliverGathered({ revision, touched, missed }: Gathering): void {
    this.#gathering = null;
    this.#flushedRevision = revision;
    for (const group of missed) {
      for (const watcher of Array.from(group.synced)) {
        if (watcher.fromRevision > revision) continue;
        this.#leaveSynced(watcher);
        // It has been told of everything before.
        watcher.fromRevision = revision;
        this.#settle(watcher);
      }
    }
    for (const group of touched) this.#deliverLive(group, revision);
  }

  #notGathered(gathering: Gathering | null, written: readonly LogPlace[]): ChangeWalk {
    if (gathering === null) return this.#state.changesAt(written);
    const partitions = written.map(({ partition }) => partition);
    return this.#state.changesFrom(partitions, gathering.revision + 1);
  }

  #addEvent(ref: VersionRef, touched: WatcherGroup[]): void {
    const { versions } = this.#state;
    const groups: WatcherGroup[] = [];
    this.#groups.collect(versions.keyText(ref), groups);
    if (groups.length === 0) return;
    const forms = new EventForms(versions, ref, null);
    const isTombstone = versions.isTombstone(ref);
    for (const group of groups) {
      if (group.synced.size === 0 || !group.wants(isTombstone)) continue;
      if (group.events === null) {
        group.events = new EventList();
        touched.push(group);
      }
      group.events.add(forms.form(group.prevKv));
    }
  }

  #deliverLive(group: WatcherGroup, revision: number): void {
    const { events } = group;
    assert(events !== null, "a group that was touched has events");
    group.events = null;
    for (const watcher of group.synced) {
      // It may have been told to begin later.
      if (watcher.fromRevision > revision) continue;
      if (watcher.sink.deliver(watcher, revision, events)) continue;
      this.#pause(watcher, revision + 1);
    }
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
      this.#behind.remove(watcher);
      this.#enterSynced(watcher);
    }
  }

  #deliverPast(watcher: Watcher, events: EventList): void {
    if (!watcher.sink.deliver(watcher, this.#flushedRevision, events)) this.#pause(watcher, watcher.fromRevision);
  }

  #endCompacted(watcher: Watcher): void {
    this.remove(watcher);
    watcher.sink.compacted(watcher, this.#state.compactRevision);
  }

  /** The sink was full. It may have removed the watcher at once. */
  #pause(watcher: Watcher, fromRevision: number): void {
    if (watcher.state === REMOVED) return;
    if (watcher.state === SYNCED) this.#leaveSynced(watcher);
    this.#behind.remove(watcher);
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
