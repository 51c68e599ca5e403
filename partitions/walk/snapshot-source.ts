/**
 * A keyspace as it is at one moment, given piece by piece with other work between the pieces: what it is besides its keys at
 * once (`facts`), then every version of a key that can be read at that moment's revision or an earlier one. The keys come in their
 * order, of each the newest version first, as images (store/record-layout.ts):
 *
 *     u32 bytes, image of "a" at 9 | u32 bytes, image of "a" at 6, which is older | u32 bytes, image of "b" at 7 | …
 *
 * What was before the compact revision comes as if the removal that is allowed had been done: two keyspaces that executed the
 * same give the same. Later changes are not looked at, and later compactions remove nothing while it is held.
 */
import type { Buffer } from "node:buffer";
import { END_OF_KEYS } from "../interval/interval.ts";
import { Hold } from "../state/hold.ts";
import type { KeyspaceFacts } from "../state/keyspace-facts.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_SLOT, NO_VERSION } from "../state/versions.ts";
import type { Slot, VersionRef } from "../state/versions.ts";

/** Of the length that stands before each image. */
export const IMAGE_LENGTH_BYTES = 4;

/** A version of the key that is gone on with, behind which its next one stands. */
interface Passed {
  readonly revision: number;
  readonly subRevision: number;
}

export class SnapshotSource {
  readonly facts: KeyspaceFacts;
  /** Keeps what is to be given. Is taken; whoever asked for the source lets go of it. */
  readonly hold: Hold;
  readonly #state: KeyspaceState;
  /** Where the next key is looked for; null behind the last one. */
  #nextKey: string | null = "";
  /** Within that key. */
  #passed: Passed | null = null;
  /** Whether a version of that key was given. */
  #isOlder = false;
  #count = 0;
  #needed = 0;

  /** No long change rests. */
  constructor(state: KeyspaceState) {
    this.facts = state.facts();
    this.hold = new Hold(state.held, state.compactRevision);
    this.hold.take();
    this.#state = state;
  }

  /** Whether all has been given. */
  get isFinished(): boolean {
    return this.#nextKey === null;
  }

  /** How many versions have been given. */
  get count(): number {
    return this.#count;
  }

  /** How many bytes the next version needs, when the last `fill` has ended for want of room; else 0. */
  get needed(): number {
    return this.#needed;
  }

  /**
   * Writes what comes next into `target[at ..)`, with no more looks at keys and versions than so many.
   *
   * @returns the offset behind it
   */
  fill(target: Buffer, at: number, maxLooks: number): number {
    const { versions } = this.#state;
    const { revision: readable, compactRevision } = this.facts;
    let looks = maxLooks;
    let end = at;
    this.#needed = 0;
    if (this.#nextKey === null) return end;
    const walk = this.#state.walk({ start: this.#nextKey, end: END_OF_KEYS });
    for (let slot = walk.next(); slot !== NO_SLOT; slot = walk.next()) {
      let newer = this.#passed === null ? NO_VERSION : this.#refOf(slot, this.#passed);
      let ref = newer === NO_VERSION ? versions.newest(slot) : versions.previous(newer);
      for (; ref !== NO_VERSION; ref = versions.previous(ref)) {
        if (looks-- <= 0) return this.#stop(slot, newer, end);
        const revision = versions.modRevision(ref);
        const isLast = revision < compactRevision;
        // Gone are deletions, and what a change at the compact revision has superseded.
        if (isLast && (versions.isTombstone(ref) || this.#isAt(newer, compactRevision))) break;
        if (revision <= readable) {
          const bytes = versions.imageBytes(ref);
          if (end + IMAGE_LENGTH_BYTES + bytes > target.length) {
            this.#needed = IMAGE_LENGTH_BYTES + bytes;
            return this.#stop(slot, newer, end);
          }
          target.writeUInt32LE(bytes, end);
          versions.copyImage(ref, this.#isOlder, target, end + IMAGE_LENGTH_BYTES);
          end += IMAGE_LENGTH_BYTES + bytes;
          this.#count++;
          this.#isOlder = true;
          if (isLast) break;
        }
        newer = ref;
      }
      this.#passed = null;
      this.#isOlder = false;
    }
    this.#nextKey = null;
    return end;
  }

  /** Goes on with this key another time, behind a version of it unless there is none. */
  #stop(slot: Slot, newer: VersionRef, end: number): number {
    const { versions } = this.#state;
    this.#nextKey = versions.slotKeyText(slot);
    this.#passed =
      newer === NO_VERSION ? null : { revision: versions.modRevision(newer), subRevision: versions.subRevision(newer) };
    return end;
  }

  /** Where that version is now: no log forgets it while this is held. */
  #refOf(slot: Slot, { revision, subRevision }: Passed): VersionRef {
    const { log } = this.#state.owner(slot);
    return log.at(log.search(revision, subRevision)) as VersionRef;
  }

  #isAt(ref: VersionRef, revision: number): boolean {
    return ref !== NO_VERSION && this.#state.versions.modRevision(ref) === revision;
  }
}
