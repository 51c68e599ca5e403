/**
 * Makes the events of a change that is not committed yet, in steps with other work between them. They wait with the groups of
 * watchers that want them for the flush that follows the commit. A group that comes meanwhile has missed a part of them.
 */
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import { EventForms } from "./events.ts";
import type { WatcherGroup } from "./watcher.ts";
import type { WatcherGroups } from "./watcher-groups.ts";

/** What a step may still look at. */
export interface StepAllowance {
  keysLeft: number;
}

export class Gathering {
  /** That of the events. */
  readonly revision: number;
  /** The groups that have events. */
  readonly touched: WatcherGroup[] = [];
  /** Groups that have come since the start. */
  readonly missed = new Set<WatcherGroup>();
  readonly #state: KeyspaceState;
  readonly #groups: WatcherGroups;

  constructor(state: KeyspaceState, groups: WatcherGroups) {
    this.revision = state.newestRevision;
    this.#state = state;
    this.#groups = groups;
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
      allowance.keysLeft--;
      this.#add(ref);
    }
  }

  #add(ref: VersionRef): void {
    const { versions } = this.#state;
    const groups: WatcherGroup[] = [];
    this.#groups.collect(versions.keyText(ref), groups);
    if (groups.length === 0) return;
    const forms = new EventForms(versions, ref);
    const isTombstone = versions.isTombstone(ref);
    for (const group of groups) {
      // Who is behind now may be synced when it is flushed.
      if (!group.wants(isTombstone) || this.missed.has(group)) continue;
      if (group.events.length === 0) this.touched.push(group);
      group.events.push(forms.form(group.prevKv));
    }
  }
}
