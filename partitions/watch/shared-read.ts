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
 */
import type { EncodedEvent } from "../../proto/messages.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Partition } from "../state/partition.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import { Batch } from "./batch.ts";
import { EventForms } from "./events.ts";
import { BEHIND } from "./watcher.ts";
import type { ReadTogether, Watcher, WatcherGroup } from "./watcher.ts";
import type { WatcherGroups } from "./watcher-groups.ts";

/** A slice ends with the revision in which the events that it has made reach this. */
const SLICE_BYTES_MAX = 8 * 1024 * 1024;

/** So few groups are asked one by one whether they want a key. */
const FEW_GROUPS = 4;

/** What becomes of those who read. */
export interface ReadHost {
  flushedRevision(): number;
  /** Ends a watcher whose next revision is compacted. */
  endCompacted(watcher: Watcher): void;
  /** Gives events, at least one, to a watcher behind whose place is behind them already. */
  deliver(watcher: Watcher, events: readonly EncodedEvent[]): void;
  /** The place of a watcher has moved. */
  settle(watcher: Watcher): void;
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

  constructor(state: KeyspaceState, partitions: readonly Partition[], index: WatcherGroups, host: ReadHost) {
    this.#state = state;
    this.#partitions = partitions;
    this.#index = index;
    this.#host = host;
  }

  /**
   * Reads one slice of at most so many changes, which is exceeded only to end a revision.
   *
   * @returns how much it took, in looks at changes, at least 1
   */
  slice(maxChanges: number): number {
    const isPass = this.#isPassNext;
    this.#isPassNext = !isPass;
    const from = this.#begin(isPass);
    if (from === null) return 1;
    const { versions } = this.#state;
    const flushedRevision = this.#host.flushedRevision();
    const walk = this.#state.changesFrom(this.#partitions, from);
    let next = flushedRevision + 1;
    let looked = 0;
    let bytes = 0;
    let last = 0;
    for (let ref = walk.next(); ref !== NO_VERSION; ref = walk.next()) {
      const revision = versions.modRevision(ref);
      if (revision > flushedRevision) break;
      if (revision !== last && (looked >= maxChanges || bytes >= SLICE_BYTES_MAX)) {
        next = revision;
        break;
      }
      last = revision;
      looked++;
      bytes += this.#read(ref, revision);
    }
    if (isPass) this.#passRevision = next;
    for (const group of Array.from(this.groups)) this.#give(group, next);
    return Math.max(1, looked);
  }

  /** Marks who reads along in the next slice. Gives where it begins, or null when nobody is left. */
  #begin(isPass: boolean): number | null {
    const from = this.#sliceStart(isPass);
    if (from === null) return null;
    for (const group of this.groups) {
      group.readFrom = Number.POSITIVE_INFINITY;
      for (const watcher of group.behind) {
        watcher.isReading = watcher.fromRevision >= from;
        if (watcher.isReading) group.readFrom = Math.min(group.readFrom, watcher.fromRevision);
      }
    }
    return from;
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
    const forms = new EventForms(versions, ref);
    let bytes = 0;
    for (const group of groups) {
      if (revision < group.readFrom || !group.wants(isTombstone)) continue;
      if (group.batch !== null && group.batch.isFull && group.batch.lastRevision !== revision)
        this.#give(group, revision);
      // Who was given that may have been the last that reads.
      if (revision < group.readFrom) continue;
      // What was before the compact revision is compacted, whether it has been removed yet or not (CO-09).
      const event = forms.form(group.prevKv && revision > compactRevision);
      group.batch ??= new Batch();
      group.batch.add(event, revision);
      bytes += event.length;
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

  /** Gives those of a group who read what there is for them below a revision: that is their place now. */
  #give(group: WatcherGroup, next: number): void {
    const { batch } = group;
    group.batch = null;
    group.readFrom = Number.POSITIVE_INFINITY;
    for (const watcher of Array.from(group.behind)) {
      // A sink may have removed it, or have resumed it somewhere else.
      if (watcher.state !== BEHIND || !watcher.isReading) continue;
      if (watcher.fromRevision < next) {
        const events = batch === null ? [] : batch.from(watcher.fromRevision);
        watcher.fromRevision = next;
        if (events.length > 0) this.#host.deliver(watcher, events);
        if (watcher.state === BEHIND) this.#host.settle(watcher);
      }
      if (watcher.isReading) group.readFrom = Math.min(group.readFrom, watcher.fromRevision);
    }
  }
}
