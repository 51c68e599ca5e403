/**
 * The hash of what is retained up to a revision, the number that etcd gives for the same history (HK-01): CRC-32C of the word
 * `key` and of each retained change in the order of revisions, as etcd's database has it:
 *
 *     17 bytes    revision, 8 bytes big endian | "_" | sub-revision, 8 bytes big endian | "t" behind it for a deletion
 *     KeyValue    of a deletion its key alone
 *
 * Of what the keys were at the compact revision that counts which still was so at the revision that is hashed, unless no key
 * existed there: then all of it does. A deletion at the compact revision itself does not count. So whether the removal that a
 * compaction allows has already been done makes no difference (HK-02).
 *
 * It is made step by step, at the revision and the compact revision of its start. Later changes are not looked at; later
 * compactions are kept from removing anything while the hash is held.
 */
import { Buffer } from "node:buffer";
import { endOfKeyField, startOfKeyValue } from "../../proto/encoded-kv.ts";
import { END_OF_KEYS } from "../interval/interval.ts";
import { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { PASSED_FOR_ONE_KEY } from "../state/version-search.ts";
import type { VersionSearch } from "../state/version-search.ts";
import { NO_SLOT, NO_VERSION } from "../state/versions.ts";
import type { Slot, VersionRef } from "../state/versions.ts";
import { Crc32c } from "./crc32c.ts";
import { RevisionOrder } from "./revision-order.ts";

/** The name of the bucket that they are in. */
const BUCKET = Buffer.from("key");

const UNDERSCORE = 0x5f;
const TOMBSTONE = 0x74;
const REVISION_BYTES = 17;
const TOMBSTONE_BYTES = 18;

export class HistoryHasher {
  /** The current revision at the start. */
  readonly headerRevision: number;
  /** That of the start; -1 before the first compaction. */
  readonly compactRevision: number;
  /** The revision up to which is hashed. */
  readonly hashRevision: number;
  /** Keeps later compactions from removing what is to be hashed. */
  readonly hold: Hold;
  readonly #state: KeyspaceState;
  readonly #crc = new Crc32c();
  readonly #revision = Buffer.alloc(TOMBSTONE_BYTES);
  /** Keys by what they were at the compact revision, as far as that counts. */
  readonly #order = new RevisionOrder();
  /** Where keys are looked for: the revision that is hashed, and when none exists there, the compact revision. */
  #foundAt: number;
  #isAnyAlive = false;
  /** For the key that is looked at; null when it is not searched for. */
  #search: VersionSearch | null = null;
  /** Where the next key is looked for; null when all have been. */
  #nextKey: string | null = "";
  /** From where on changes are still to be hashed. */
  #nextRevision: number;
  #nextSubRevision = 0;
  #looksLeft = 0;
  #bytesLeft = 0;

  constructor(state: KeyspaceState, hashRevision: number) {
    this.headerRevision = state.revision;
    this.compactRevision = state.compactRevision;
    this.hashRevision = hashRevision;
    this.hold = new Hold(state.held, state.compactRevision);
    this.#state = state;
    this.#nextRevision = state.compactRevision + 1;
    this.#foundAt = hashRevision;
    // Before the first compaction all is in the changes. A revision below 0 has nothing.
    if (state.compactRevision <= 0 || hashRevision < state.compactRevision) this.#nextKey = null;
    this.#crc.update(BUCKET);
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
    this.#looksLeft = maxLooks;
    this.#bytesLeft = maxBytes;
    return this.#findKeys() && this.#hashKeys() && this.#hashChanges();
  }

  #findKeys(): boolean {
    const { versions } = this.#state;
    while (this.#nextKey !== null) {
      const walk = this.#state.walk({ start: this.#nextKey, end: END_OF_KEYS });
      for (let slot = walk.next(); slot !== NO_SLOT; slot = walk.next()) {
        const ref = this.#isSpent() ? null : this.#liveAt(slot, this.#foundAt);
        if (ref === null) {
          this.#nextKey = versions.slotKeyText(slot);
          return false;
        }
        if (ref !== NO_VERSION) this.#found(slot, ref);
      }
      const isAll = this.#isAnyAlive || this.#foundAt === this.compactRevision;
      this.#foundAt = this.compactRevision;
      this.#nextKey = isAll ? null : "";
    }
    return true;
  }

  #found(slot: Slot, ref: VersionRef): void {
    const { versions } = this.#state;
    const revision = versions.modRevision(ref);
    this.#isAnyAlive = true;
    if (revision <= this.compactRevision) this.#order.add(slot, revision, versions.subRevision(ref));
  }

  /** What a key was at a revision; null when that takes longer, and the same is to be asked for again in the next step. */
  #liveAt(slot: Slot, revision: number): VersionRef | null {
    const { versions } = this.#state;
    if (this.#search === null) {
      const passedBefore = versions.passedOver;
      const ref = versions.liveWithin(slot, revision, PASSED_FOR_ONE_KEY);
      this.#looksLeft -= 1 + versions.passedOver - passedBefore;
      if (ref === null) this.#search = this.#state.openSearch(slot, revision);
      return ref;
    }
    const ref = this.#search.step(this.#looksLeft);
    this.#looksLeft = 0;
    if (ref !== null) this.#search = null;
    return ref;
  }

  #hashKeys(): boolean {
    const order = this.#order;
    for (let slot = order.first; slot !== NO_SLOT; slot = order.first) {
      const ref = this.#isSpent() ? null : this.#liveAt(slot, this.compactRevision);
      if (ref === null) return false;
      this.#add(ref);
      order.drop();
    }
    return true;
  }

  #hashChanges(): boolean {
    const { versions, partitionMap } = this.#state;
    const walk = this.#state.changesFrom(partitionMap.partitions, this.#nextRevision, this.#nextSubRevision);
    for (let ref = walk.next(); ref !== NO_VERSION; ref = walk.next()) {
      const revision = versions.modRevision(ref);
      if (revision > this.hashRevision) return true;
      if (this.#isSpent()) {
        this.#nextRevision = revision;
        this.#nextSubRevision = versions.subRevision(ref);
        return false;
      }
      this.#looksLeft--;
      this.#add(ref);
    }
    return true;
  }

  #isSpent(): boolean {
    return this.#looksLeft <= 0 || this.#bytesLeft <= 0;
  }

  #add(ref: VersionRef): void {
    const { versions } = this.#state;
    const kv = versions.kv(ref);
    const isTombstone = versions.isTombstone(ref);
    const start = startOfKeyValue(kv);
    writeRevision(this.#revision, versions.modRevision(ref), versions.subRevision(ref));
    this.#crc.update(this.#revision, 0, isTombstone ? TOMBSTONE_BYTES : REVISION_BYTES);
    this.#crc.update(kv, start, isTombstone ? endOfKeyField(kv, start) : kv.length);
    this.#bytesLeft -= kv.length;
  }
}

function writeRevision(target: Buffer, revision: number, subRevision: number): void {
  target.writeUInt32BE(Math.floor(revision / 2 ** 32), 0);
  target.writeUInt32BE(revision % 2 ** 32, 4);
  target[8] = UNDERSCORE;
  target.writeUInt32BE(0, 9);
  target.writeUInt32BE(subRevision, 13);
  target[17] = TOMBSTONE;
}
