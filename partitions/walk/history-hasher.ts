/**
 * The hash of what is retained up to a revision, the number that etcd gives for the same history (HK-01): CRC-32C of the word
 * `key` and of each retained change in the order of revisions, as etcd's database has it (retained-entry.ts).
 *
 * Of what the keys were at the compact revision that counts which still was so at the revision that is hashed, unless no key
 * existed there: then all of it does. A deletion at the compact revision itself does not count. So whether the removal that a
 * compaction allows has already been done makes no difference (HK-02).
 *
 * It is made step by step, at the revision of its start and a compact revision: that of its start, or the one before in the
 * turn that has set it, before anything is removed. That gives the number that etcd makes while it removes (HK-04).
 */
import { Buffer } from "node:buffer";
import type { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { Crc32c } from "./crc32c.ts";
import type { RetainedEntry } from "./retained-entry.ts";
import { RetainedWalk } from "./retained-walk.ts";

/** The name of the bucket that they are in. */
const BUCKET = Buffer.from("key");

export class HistoryHasher {
  /** The current revision at the start. */
  readonly headerRevision: number;
  readonly #walk: RetainedWalk;
  readonly #crc = new Crc32c();

  constructor(state: KeyspaceState, hashRevision: number, compactRevision = state.compactRevision) {
    this.headerRevision = state.revision;
    this.#walk = new RetainedWalk(state, hashRevision, hashRevision, compactRevision);
    this.#crc.update(BUCKET);
  }

  /** -1 before the first compaction. */
  get compactRevision(): number {
    return this.#walk.compactRevision;
  }

  /** The revision up to which is hashed. */
  get hashRevision(): number {
    return this.#walk.revision;
  }

  /** Keeps later compactions from removing what is to be hashed. */
  get hold(): Hold {
    return this.#walk.hold;
  }

  /** The hash, when `step` has said true. */
  get hash(): number {
    return this.#crc.value;
  }

  /**
   * Looks at no more than `maxLooks` keys and changes, and at no further one when those hashed have `maxBytes`.
   *
   * @returns true when all has been hashed
   */
  step(maxLooks: number, maxBytes: number): boolean {
    return this.#walk.step(maxLooks, maxBytes, this.#add);
  }

  readonly #add = ({ key, kv, start, valueBytes }: RetainedEntry): void => {
    this.#crc.update(key);
    this.#crc.update(kv, start, start + valueBytes);
  };
}
