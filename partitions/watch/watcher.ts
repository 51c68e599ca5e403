/**
 * One watch of an interval. A watcher that is behind is a revision to go on from and never a queue, so what a slow client
 * costs does not grow with the time it is slow.
 *
 *     SYNCED ◄──────────────── caught up ─────────────── BEHIND ── start is compacted ──► REMOVED
 *       └── its sink is full ──► PAUSED ── resume ──► BEHIND
 */
import { FILTER_NODELETE, FILTER_NOPUT } from "../../proto/messages.ts";
import { intervalOf, isSingleKey } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import type { Batch } from "./batch.ts";
import type { EventList } from "./event-list.ts";

/** It is told of every revision when that is flushed. */
export const SYNCED = 0;
/** It reads history until it has caught up. */
export const BEHIND = 1;
/** Its sink is full: it gets nothing until it is resumed. */
export const PAUSED = 2;
export const REMOVED = 3;

export type WatcherState = typeof SYNCED | typeof BEHIND | typeof PAUSED | typeof REMOVED;

/** Where a watcher's events go. It may remove watchers while it is called. */
export interface WatcherSink {
  /**
   * Takes events: all those of one or more whole revisions, in order. The list is shared by the watchers that want the
   * same and is not to be altered.
   *
   * @param headerRevision the revision to tell in the response: that of the events when they are delivered live, else the
   *   flushed revision, which is not below theirs. It never decreases for a watcher (WO-03, WO-04, WO-06)
   * @returns false when the sink is full. It has accepted these events all the same; the watcher gets nothing more until
   *   it is resumed
   */
  deliver(watcher: Watcher, headerRevision: number, events: EventList): boolean;

  /** History that the watcher still needed was compacted (CO-08, WA-08). It has been removed already. */
  compacted(watcher: Watcher, compactRevision: number): void;
}

/** Up to where all watchers that are synced have been told everything. */
export interface FlushedRevision {
  readonly flushedRevision: number;
}

export class Watcher {
  readonly sink: WatcherSink;
  /** Whatever the creator wants to find again with the watcher. */
  readonly context: unknown;
  /** As it was asked for: 0 means from the next revision on. */
  readonly startRevision: number;
  /** Those who watch the same. For this room only, like what can be altered. */
  readonly group: WatcherGroup;
  state: WatcherState;
  /** No event below it is delivered any more. While the watcher is synced, this is just the revision it began from. */
  fromRevision: number;
  /** Whether it reads along in the slice that is being read. */
  isReading = false;
  readonly #flushed: FlushedRevision;

  constructor(
    group: WatcherGroup,
    sink: WatcherSink,
    context: unknown,
    startRevision: number,
    fromRevision: number,
    state: WatcherState,
    flushed: FlushedRevision,
  ) {
    this.group = group;
    this.sink = sink;
    this.context = context;
    this.startRevision = startRevision;
    this.fromRevision = fromRevision;
    this.state = state;
    this.#flushed = flushed;
  }

  /** Whether every event below `nextRevision` was delivered and new ones come as they are flushed. */
  get synced(): boolean {
    return this.state === SYNCED;
  }

  /** Whether it waits for its full sink to be resumed. */
  get paused(): boolean {
    return this.state === PAUSED;
  }

  /** The lowest revision of which it may still get events. */
  get nextRevision(): number {
    return this.state === SYNCED ? Math.max(this.fromRevision, this.#flushed.flushedRevision + 1) : this.fromRevision;
  }

  /** Whether it was told to begin above a revision: then progress at that revision is not for it (WP-03, WP-07). */
  startsAfter(revision: number): boolean {
    return this.startRevision > revision;
  }
}

/** Where those are read for whom the same partitions are read. */
export interface ReadTogether {
  /** Those that have watchers behind. */
  readonly groups: Set<WatcherGroup>;
  /** A group has none any more. */
  leave(group: WatcherGroup): void;
}

/**
 * What is watched, and which form its events have. Watchers that watch the same form a group, so that finding and encoding
 * is done once for all of them.
 */
export class WatcherGroup {
  /** Identifies the group among all others. */
  readonly name: string;
  readonly interval: Interval;
  readonly isSingleKey: boolean;
  readonly prevKv: boolean;
  readonly wantsPuts: boolean;
  readonly wantsDeletes: boolean;
  /** Those who get events live. */
  readonly synced = new Set<Watcher>();
  /** Those who read history, and where. */
  readonly behind = new Set<Watcher>();
  read: ReadTogether | null = null;
  /** What those have read who read along, of whom nobody needs anything below a revision. */
  batch: Batch | null = null;
  readFrom = Number.POSITIVE_INFINITY;
  /** All watchers of the group. */
  size = 0;
  /** Events of the revision that is being flushed; null when there are none. */
  events: EventList | null = null;

  constructor(key: Buffer, rangeEnd: Buffer, prevKv: boolean, filters: readonly number[]) {
    this.interval = intervalOf(key, rangeEnd);
    this.isSingleKey = isSingleKey(rangeEnd);
    this.prevKv = prevKv;
    this.wantsPuts = !filters.includes(FILTER_NOPUT);
    this.wantsDeletes = !filters.includes(FILTER_NODELETE);
    const { start, end } = this.interval;
    this.name = `${prevKv} ${this.wantsPuts} ${this.wantsDeletes} ${start.length} ${start}${end}`;
  }

  /** Whether an event of a put, or of a delete, passes the filters (WA-10). */
  wants(isTombstone: boolean): boolean {
    return isTombstone ? this.wantsDeletes : this.wantsPuts;
  }

  contains(key: string): boolean {
    return key >= this.interval.start && key < this.interval.end;
  }
}
