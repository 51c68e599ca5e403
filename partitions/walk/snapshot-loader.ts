/**
 * Makes of a new keyspace what another one was when a SnapshotSource was opened on it: of its facts, then of the images in the
 * order in which they were given, and last, when all are there, of the order in which the changes were made.
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { isOlderImage, isWholeImage } from "../state/version-image.ts";
import type { KeyspaceFacts } from "../state/keyspace-facts.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import { ChangeOrder } from "./change-order.ts";
import { IMAGE_LENGTH_BYTES } from "./snapshot-source.ts";

export class SnapshotLoader {
  readonly #state: KeyspaceState;
  readonly #order: ChangeOrder;
  #last: VersionRef = NO_VERSION;
  #count = 0;
  #sorting: Generator<VersionRef> | null = null;

  constructor(state: KeyspaceState, facts: KeyspaceFacts) {
    state.begin(facts);
    this.#state = state;
    this.#order = new ChangeOrder(Math.max(facts.compactRevision, 0));
  }

  /** How many versions have been loaded. */
  get count(): number {
    return this.#count;
  }

  /**
   * Loads images of `bytes[at ..)`, no more than so many: whole ones, each behind its length.
   *
   * @returns the offset behind the last one
   * @throws NoMemoryError
   */
  add(bytes: Buffer, at: number, max: number): number {
    const { versions, compactRevision } = this.#state;
    let next = at;
    for (let left = max; left > 0 && next < bytes.length; left--) {
      const length = bytes.readUInt32LE(next);
      const image = next + IMAGE_LENGTH_BYTES;
      next = image + length;
      assert(isWholeImage(bytes, image, length), "what is loaded was written down whole");
      const ref = isOlderImage(bytes, image)
        ? this.#state.loadOlder(this.#last, bytes, image)
        : this.#state.loadKey(bytes, image);
      const revision = versions.modRevision(ref);
      if (revision >= compactRevision) this.#order.add(ref, revision, versions.subRevision(ref));
      this.#last = ref;
      this.#count++;
    }
    return next;
  }

  /**
   * When all images are there: a step of what is left to do.
   *
   * @returns true when the keyspace is what it was
   */
  finish(): boolean {
    this.#sorting ??= this.#order.sorted();
    for (;;) {
      const next = this.#sorting.next();
      if (next.done === true) return true;
      if (next.value === NO_VERSION) return false;
      this.#state.store.addToLog(next.value);
    }
  }
}
