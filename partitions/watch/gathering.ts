/**
 * Makes the events of a change that is not committed yet, in steps with other work between them. They wait with the groups of
 * watchers that want them for the flush that follows the commit. A group that comes meanwhile has missed a part of them, and is
 * told from history, as are groups for which too many would wait.
 */
import type { EncodedEvent } from "../../proto/messages.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import { EventList } from "./event-list.ts";
import { EventPackers } from "./event-packer.ts";
import { EventForms } from "./events.ts";
import type { WatcherGroup } from "./watcher.ts";
import type { WatcherGroups } from "./watcher-groups.ts";

/** Events of so many bytes, counted for each group that is given them, are made in the time in which a key is looked at. */
const BYTES_FOR_ONE_KEY = 2_048;

/** What a step may still look at. */
export interface StepAllowance {
  keysLeft: number;
}

export class Gathering {
  /** That of the events. */
  readonly revision: number;
  /** The groups that have events. */
  readonly touched = new Set<WatcherGroup>();
  /** Groups that are told from history. */
  readonly missed = new Set<WatcherGroup>();
  readonly #state: KeyspaceState;
  readonly #groups: WatcherGroups;
  readonly #piecesMax: number;
  readonly #packers = new EventPackers();
  /** How many pieces wait. */
  #pieces = 0;

  /** @param piecesMax as WAITING_PIECES_MAX */
  constructor(state: KeyspaceState, groups: WatcherGroups, piecesMax: number) {
    this.revision = state.newestRevision;
    this.#state = state;
    this.#groups = groups;
    this.#piecesMax = piecesMax;
  }

  *steps(allowance: StepAllowance): Generator<undefined, void, undefined> {
    const { versions } = this.#state;
    let walk = this.#state.changesAt(this.#state.written);
    for (let ref = walk.next(); ref !== NO_VERSION; ref = walk.next()) {
      if (allowance.keysLeft <= 0) {
        const subRevision = versions.subRevision(ref);
        const partitions = this.#state.written.map(({ partition }) => partition);
        yield;
        // What lies where has moved meanwhile.
        walk = this.#state.changesFrom(partitions, this.revision, subRevision);
        ref = walk.next();
      }
      allowance.keysLeft -= 1 + Math.floor(this.#add(ref) / BYTES_FOR_ONE_KEY);
    }
  }

  /** Gives how many bytes of events that was. */
  #add(ref: VersionRef): number {
    const { versions } = this.#state;
    const groups: WatcherGroup[] = [];
    this.#groups.collect(versions.keyText(ref), groups);
    if (groups.length === 0) return 0;
    const forms = new EventForms(versions, ref, this.#packers);
    const isTombstone = versions.isTombstone(ref);
    let bytes = 0;
    for (const group of groups) {
      // Who is behind now may be synced when it is flushed.
      if (!group.wants(isTombstone) || this.missed.has(group)) continue;
      const event = forms.form(group.prevKv);
      bytes += event.length;
      this.touched.add(group);
      this.#addTo(group, event);
      if (this.#pieces > this.#piecesMax && this.touched.size > 1) this.#leaveOut(group);
    }
    return bytes;
  }

  #addTo(group: WatcherGroup, event: EncodedEvent): void {
    const events = (group.events ??= new EventList());
    const before = events.pieces.length;
    events.join(event);
    this.#pieces += events.pieces.length - before;
  }

  /** A group is told of all of it from history. */
  #leaveOut(group: WatcherGroup): void {
    this.#pieces -= group.events?.pieces.length ?? 0;
    group.events = null;
    this.touched.delete(group);
    this.missed.add(group);
  }
}
