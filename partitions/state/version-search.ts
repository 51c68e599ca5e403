/**
 * Finds what a key was at a revision since which it may have had very many versions, in steps with other work between them:
 * its versions are chained from the newest back, and no step could begin where the one before has ended, since what lies where
 * may have moved. So the log is looked through from that revision on, up to the first change of the key. What was before
 * that is what is looked for.
 *
 *     versions of the key      ○ ◄────────── ● ◄─ ● ◄─ ● ◄─ … ◄─ ●  newest
 *     log             revision ─┤ · · · · · ·● · ·● · ·● · … · ·●
 *                               └── looks ──►
 *
 * Of a key of which so many versions came that it takes long from behind, one is mostly near.
 */
import assert from "node:assert/strict";
import type { ChangeLog } from "../store/change-log.ts";
import type { VersionStore } from "../store/version-store.ts";
import { NO_SLOT } from "./versions.ts";
import type { Slot, VersionRef, Versions } from "./versions.ts";

/** A key with more versions than so many since a revision is searched for. */
export const PASSED_FOR_ONE_KEY = 2_000;

export class VersionSearch {
  readonly key: Buffer;
  readonly #store: VersionStore;
  readonly #versions: Versions;
  readonly #log: ChangeLog;
  /** Of the next change that is looked at. */
  #revision: number;
  #subRevision = 0;

  /**
   * @param log that of the key's partition
   * @param revision is held, or nothing is removed before the last step
   */
  constructor(store: VersionStore, versions: Versions, log: ChangeLog, slot: Slot, revision: number) {
    this.key = versions.slotKey(slot);
    this.#store = store;
    this.#versions = versions;
    this.#log = log;
    this.#revision = revision + 1;
  }

  /** How many changes are still to be looked at, at most. */
  get left(): number {
    return this.#log.end - this.#log.search(this.#revision, this.#subRevision);
  }

  /**
   * Looks at no more than so many changes.
   *
   * @returns what the key was, NO_VERSION for nothing; or null when that is not known yet
   */
  step(maxLooks: number): VersionRef | null {
    const versions = this.#versions;
    const log = this.#log;
    const slot = this.#store.find(this.key) as Slot;
    assert(slot !== NO_SLOT, "a key that has been changed since what is held is kept");
    const first = log.search(this.#revision, this.#subRevision);
    const end = Math.min(log.end, first + maxLooks);
    for (let index = first; index < end; index++) {
      const ref = log.at(index) as VersionRef;
      if (versions.slot(ref) === slot) return versions.liveBefore(ref);
    }
    assert(end < log.end, "a key with newer versions has changes that made them");
    const next = log.at(end) as VersionRef;
    this.#revision = versions.modRevision(next);
    this.#subRevision = versions.subRevision(next);
    return null;
  }
}
