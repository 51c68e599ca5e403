/**
 * Walks what is retained up to a revision in the order in which it was made, as etcd's database has it: of the keys what they
 * were at the compact revision, and then all changes. It gives each as an entry of etcd's (retained-entry.ts).
 *
 * It is made step by step, at the compact revision of its start. Later changes are not looked at; later compactions are kept
 * from removing anything while its hold is held.
 */
import { END_OF_KEYS } from "../interval/interval.ts";
import { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { PASSED_FOR_ONE_KEY } from "../state/version-search.ts";
import type { VersionSearch } from "../state/version-search.ts";
import { NO_SLOT, NO_VERSION } from "../state/versions.ts";
import type { Slot, VersionRef } from "../state/versions.ts";
import { RetainedEntry } from "./retained-entry.ts";
import { RevisionOrder } from "./revision-order.ts";

export class RetainedWalk {
  /** That of the start, or the one before; -1 before the first compaction. */
  readonly compactRevision: number;
  /** The revision up to which it goes. */
  readonly revision: number;
  /** Keeps later compactions from removing what is to be met. */
  readonly hold: Hold;
  readonly #state: KeyspaceState;
  readonly #entry: RetainedEntry;
  /** Keys by what they were at the compact revision, as far as that counts. */
  readonly #order = new RevisionOrder();
  /** Whether all of that counts where no key existed. */
  readonly #countsAllIfNone: boolean;
  /** Where keys are looked for. */
  #foundAt: number;
  #isAnyAlive = false;
  /** For the key that is looked at; null when it is not searched for. */
  #search: VersionSearch | null = null;
  /** Where the next key is looked for; null when all have been. */
  #nextKey: string | null = "";
  /** From where on changes are still to be met. */
  #nextRevision = 0;
  #nextSubRevision = 0;
  #looksLeft = 0;
  #bytesLeft = 0;

  /**
   * @param aliveAt of what keys were at the compact revision that counts which still was so at this one, unless no key existed
   *   there: then all of it does
   * @param compactRevision the one before may be given in the turn that has set another one, before anything is removed
   */
  constructor(state: KeyspaceState, revision: number, aliveAt: number, compactRevision = state.compactRevision) {
    this.compactRevision = compactRevision;
    this.revision = revision;
    this.hold = new Hold(state.held, compactRevision);
    // What a compaction keeps has the deletions of its own revision, and where no key exists one was deleted there.
    this.#countsAllIfNone = compactRevision === state.compactRevision;
    this.#state = state;
    this.#entry = new RetainedEntry(state.versions);
    this.#foundAt = aliveAt;
    // Before the first compaction all is in the changes. A revision below 0 has nothing.
    if (compactRevision <= 0 || revision < compactRevision) this.#nextKey = null;
    this.#toChanges();
  }

  /**
   * Looks at no more than `maxLooks` keys and changes, and at no further one when those met have `maxBytes`.
   *
   * @param meet is given each entry, which is good until it returns
   * @returns true when all have been met
   */
  step(maxLooks: number, maxBytes: number, meet: (entry: RetainedEntry) => void): boolean {
    this.#looksLeft = maxLooks;
    this.#bytesLeft = maxBytes;
    return this.#findKeys() && this.#meetKeys(meet) && this.#meetChanges(meet);
  }

  /** Goes back to the beginning, when `step` has said true. Which keys count, and their order, is known from now on. */
  rewind(): void {
    this.#order.rewind();
    this.#toChanges();
  }

  #toChanges(): void {
    this.#nextRevision = this.compactRevision + 1;
    this.#nextSubRevision = 0;
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
      const isAll = this.#isAnyAlive || !this.#countsAllIfNone || this.#foundAt === this.compactRevision;
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

  #meetKeys(meet: (entry: RetainedEntry) => void): boolean {
    const order = this.#order;
    for (let slot = order.first; slot !== NO_SLOT; slot = order.first) {
      const ref = this.#isSpent() ? null : this.#liveAt(slot, this.compactRevision);
      if (ref === null) return false;
      this.#meet(ref, meet);
      order.drop();
    }
    return true;
  }

  #meetChanges(meet: (entry: RetainedEntry) => void): boolean {
    const { versions, partitionMap } = this.#state;
    const walk = this.#state.changesFrom(partitionMap.partitions, this.#nextRevision, this.#nextSubRevision);
    for (let ref = walk.next(); ref !== NO_VERSION; ref = walk.next()) {
      const revision = versions.modRevision(ref);
      if (revision > this.revision) return true;
      if (this.#isSpent()) {
        this.#nextRevision = revision;
        this.#nextSubRevision = versions.subRevision(ref);
        return false;
      }
      this.#looksLeft--;
      this.#meet(ref, meet);
    }
    return true;
  }

  #isSpent(): boolean {
    return this.#looksLeft <= 0 || this.#bytesLeft <= 0;
  }

  #meet(ref: VersionRef, meet: (entry: RetainedEntry) => void): void {
    this.#entry.read(ref);
    this.#bytesLeft -= this.#entry.valueBytes;
    meet(this.#entry);
  }
}
