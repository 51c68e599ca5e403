/**
 * Reads the history of the same partitions for all watchers that are behind there, in slices. A slice begins at a revision,
 * and takes along whoever needs a part of what it reads:
 *
 *     log        ────────────────────────────────────────────────────────────────────► flushed
 *     pass            ├─ slice ─┤─ slice ─┤ …      A reads from its place on, B and C join where theirs are
 *     watchers        A     B        C                                   D
 *     nearest                                                            ├─ slice ─┤
 *
 * Slices go on from one another as a pass over the log, which begins again at the lowest place when nobody is left before
 * it. So as many watchers as there may be cost a pass or two. Every other slice is for the one that is nearest to the end:
 * one far behind does not keep it waiting.
 *
 * A revision may have more changes than a slice. Its events are given together all the same, so what a slice has read of
 * it is kept, and the next one goes on from there:
 *
 *     log        ─── 7 ──┼──────────── 8 ────────────┼─ 9 ──►
 *     slices       ├─ slice ──┤─ slice ─┤─ slice ──────┤       those who need 7 are given it at once, and 8 in the third
 */
import assert from "node:assert/strict";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Partition } from "../state/partition.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import { Batch } from "./batch.ts";
import { NO_EVENTS } from "./event-list.ts";
import type { EventList } from "./event-list.ts";
import { EventPackers } from "./event-packer.ts";
import { EventForms } from "./events.ts";
import { BEHIND } from "./watcher.ts";
import type { ReadTogether, Watcher, WatcherGroup } from "./watcher.ts";
import type { WatcherGroups } from "./watcher-groups.ts";

/** A slice ends when the events that it has made have so many bytes, counted for each group that is given them. */
const SLICE_BYTES_MAX = 8 * 1024 * 1024;

/** So few groups are asked one by one whether they want a key. */
const FEW_GROUPS = 4;

/** What becomes of those who read. */
export interface ReadHost {
  flushedRevision(): number;
  /** Ends a watcher whose next revision is compacted. */
  endCompacted(watcher: Watcher): void;
  /** Gives events, at least one, to a watcher behind whose place is behind them already. */
  deliver(watcher: Watcher, events: EventList): void;
  /** The place of a watcher has moved. */
  settle(watcher: Watcher): void;
}

/** A place within a revision where a slice has ended. */
interface Midway {
  readonly revision: number;
  /** Of the first change that was not read. */
  readonly subRevision: number;
}

export class SharedRead implements ReadTogether {
  readonly groups = new Set<WatcherGroup>();
  readonly #state: KeyspaceState;
  readonly #partitions: readonly Partition[];
  readonly #index: WatcherGroups;
  readonly #host: ReadHost;
  /** The revision with which the pass goes on. */
  #passRevision = 0;
  #isPassNext = false;
  /** Whether what is being read is a piece of the pass, and at which revision it began. */
  #isPass = false;
  #from = 0;
  /** The compact revision when that was begun. */
  #compactRevision = -1;
  /** Null when nothing is begun. */
  #midway: Midway | null = null;
  /** Where the bytes of events go from the second slice of a revision on. */
  #packers: EventPackers | null = null;
  /** How many pieces of events are in the batches of the groups. */
  #pieces = 0;
  readonly #piecesMax: number;

  /** @param piecesMax as WAITING_PIECES_MAX */
  constructor(
    state: KeyspaceState,
    partitions: readonly Partition[],
    index: WatcherGroups,
    host: ReadHost,
    piecesMax: number,
  ) {
    this.#state = state;
    this.#partitions = partitions;
    this.#index = index;
    this.#host = host;
    this.#piecesMax = piecesMax;
  }

  /** Whether a slice has ended within a revision. */
  get isMidway(): boolean {
    return this.#midway !== null;
  }

  /**
   * Reads one slice of at most so many changes.
   *
   * @returns how much it took, in looks at changes, at least 1
   */
  slice(maxChanges: number): number {
    const midway = this.#takeMidway();
    const place = midway ?? this.#begin();
    if (place === null) return 1;
    const { versions } = this.#state;
    const flushedRevision = this.#host.flushedRevision();
    const walk = this.#state.changesFrom(this.#partitions, place.revision, place.subRevision);
    let next = flushedRevision + 1;
    let looked = 0;
    let bytes = 0;
    let last = midway === null ? 0 : midway.revision;
    if (midway === null) this.#packers = null;
    else this.#packers ??= new EventPackers();
    for (let ref = walk.next(); ref !== NO_VERSION; ref = walk.next()) {
      const revision = versions.modRevision(ref);
      if (revision > flushedRevision) break;
      const isSpent = looked >= maxChanges || bytes >= SLICE_BYTES_MAX;
      if (isSpent && revision === last) return this.#pauseAt(ref, looked);
      if (revision !== last && (isSpent || midway !== null)) {
        next = revision;
        break;
      }
      last = revision;
      looked++;
      bytes += this.#read(ref, revision);
    }
    if (this.#isPass) this.#passRevision = next;
    for (const group of Array.from(this.groups)) this.#give(group, next);
    assert(this.#pieces === 0, "what was read has been given");
    return Math.max(1, looked);
  }

  leave(group: WatcherGroup): void {
    this.#takeBatch(group);
    this.groups.delete(group);
  }

  /** Nobody is given what has been read of a revision: who needs it begins anew. */
  giveUp(): void {
    this.#midway = null;
    for (const group of this.groups) this.#leaveOut(group);
  }

  /** The next slice goes on with a change of the revision that this one was reading. */
  #pauseAt(ref: VersionRef, looked: number): number {
    const { versions } = this.#state;
    this.#midway = { revision: versions.modRevision(ref), subRevision: versions.subRevision(ref) };
    return looked;
  }

  /** Where the slice before has ended, if there is something left for somebody. */
  #takeMidway(): Midway | null {
    const midway = this.#midway;
    if (midway === null) return null;
    this.#midway = null;
    if (!this.#isCompacted(midway)) {
      for (const group of this.groups) if (group.readFrom <= midway.revision) return midway;
    }
    this.giveUp();
    return null;
  }

  /** Whether a compaction has passed where those are who read along, or may have taken a part of the revision meanwhile. */
  #isCompacted({ revision }: Midway): boolean {
    const { compactRevision } = this.#state;
    return compactRevision > this.#compactRevision && (compactRevision > this.#from || compactRevision >= revision);
  }

  /** Marks who reads along in the next slice. Gives where it begins, or null when nobody is left. */
  #begin(): Midway | null {
    const isPass = this.#isPassNext;
    this.#isPassNext = !isPass;
    const from = this.#sliceStart(isPass);
    if (from === null) return null;
    this.#isPass = isPass;
    this.#from = from;
    this.#compactRevision = this.#state.compactRevision;
    for (const group of this.groups) {
      group.readFrom = Number.POSITIVE_INFINITY;
      for (const watcher of group.behind) {
        watcher.isReading = watcher.fromRevision >= from;
        if (watcher.isReading) group.readFrom = Math.min(group.readFrom, watcher.fromRevision);
      }
    }
    return { revision: from, subRevision: 0 };
  }

  #sliceStart(isPass: boolean): number | null {
    const { compactRevision } = this.#state;
    let lowest = Number.POSITIVE_INFINITY;
    let lowestAhead = Number.POSITIVE_INFINITY;
    let highest = -1;
    for (const group of Array.from(this.groups)) {
      for (const watcher of Array.from(group.behind)) {
        const { fromRevision } = watcher;
        if (fromRevision < compactRevision) {
          this.#host.endCompacted(watcher);
        } else {
          lowest = Math.min(lowest, fromRevision);
          if (fromRevision >= this.#passRevision) lowestAhead = Math.min(lowestAhead, fromRevision);
          highest = Math.max(highest, fromRevision);
        }
      }
    }
    if (highest === -1) return null;
    if (!isPass) return highest;
    return Number.isFinite(lowestAhead) ? lowestAhead : lowest;
  }

  /** Takes a change for the groups that want it. Gives the bytes of the events. */
  #read(ref: VersionRef, revision: number): number {
    const { versions, compactRevision } = this.#state;
    const groups = this.#groupsOf(versions.keyText(ref));
    if (groups.length === 0) return 0;
    const isTombstone = versions.isTombstone(ref);
    const forms = new EventForms(versions, ref, this.#packers);
    let bytes = 0;
    for (const group of groups) {
      if (revision < group.readFrom || !group.wants(isTombstone)) continue;
      if (group.batch !== null && group.batch.isFull && group.batch.lastRevision !== revision)
        this.#give(group, revision);
      // Who was given that may have been the last that reads.
      if (revision < group.readFrom) continue;
      // What was before the compact revision is compacted, whether it has been removed yet or not (CO-09).
      const event = forms.form(group.prevKv && revision > compactRevision);
      const batch = (group.batch ??= new Batch());
      const before = batch.pieces;
      batch.add(event, revision, this.#packers !== null);
      this.#pieces += batch.pieces - before;
      bytes += event.length;
      if (batch.endsLong) this.#giveBefore(group, batch, revision);
      else if (this.#pieces > this.#piecesMax && batch.pieces < this.#pieces) this.#leaveOut(group);
    }
    return bytes;
  }

  /** Those of the groups here that watch a key. */
  #groupsOf(key: string): readonly WatcherGroup[] {
    const found: WatcherGroup[] = [];
    if (this.groups.size <= FEW_GROUPS) {
      for (const group of this.groups) if (group.contains(key)) found.push(group);
      return found;
    }
    this.#index.collect(key, found);
    return found.filter((group) => group.read === this);
  }

  /** Gives those of a group who read what was read before a long revision, which is kept. */
  #giveBefore(group: WatcherGroup, batch: Batch, revision: number): void {
    const rest = batch.takeLast();
    this.#pieces -= rest.pieces;
    this.#give(group, revision);
    if (revision < group.readFrom) return;
    group.batch = rest;
    this.#pieces += rest.pieces;
  }

  /** What was read for a group is forgotten. It reads that another time. */
  #leaveOut(group: WatcherGroup): void {
    this.#takeBatch(group);
    for (const watcher of group.behind) watcher.isReading = false;
  }

  /** Takes what was read for a group, for which no more is read then. */
  #takeBatch(group: WatcherGroup): Batch | null {
    const { batch } = group;
    if (batch !== null) this.#pieces -= batch.pieces;
    group.batch = null;
    group.readFrom = Number.POSITIVE_INFINITY;
    return batch;
  }

  /** Gives those of a group who read what there is for them below a revision: that is their place now. */
  #give(group: WatcherGroup, next: number): void {
    const batch = this.#takeBatch(group);
    for (const watcher of Array.from(group.behind)) {
      // A sink may have removed it, or have resumed it somewhere else.
      if (watcher.state !== BEHIND || !watcher.isReading) continue;
      if (watcher.fromRevision < next) {
        const events = batch === null ? NO_EVENTS : batch.from(watcher.fromRevision);
        watcher.fromRevision = next;
        if (events.count > 0) this.#host.deliver(watcher, events);
        if (watcher.state === BEHIND) this.#host.settle(watcher);
      }
      if (watcher.isReading) group.readFrom = Math.min(group.readFrom, watcher.fromRevision);
    }
  }
}
