/**
 * Hashes of the keyspace: a function of what is retained, so that two keyspaces which executed the same requests agree.
 * Whether the removal that a compaction allows has already been done makes no difference (HK-02).
 *
 * They are made step by step, at the revision and the compact revision of their start. Later changes are not looked at;
 * later compactions are kept from removing anything while the hash is held.
 */
import { crc32 } from "node:zlib";
import type { EncodedKv } from "../../proto/messages.ts";
import type { Auth } from "../auth/auth.ts";
import { END_OF_KEYS } from "../interval/interval.ts";
import { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_SLOT, NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";
import type { Quotas } from "../state/quotas.ts";
import { LeaseHasher } from "./lease-hasher.ts";
import { checkRevision } from "../range/read-revision.ts";
import type { Refusal } from "../refusals.ts";

/**
 * CRC-32 over the encoded kvs of all that is retained and not above a revision: what the keys were at the compact revision, in
 * key order, and then the changes since, in the order in which they were made. So a place to go on from is a key or a
 * revision, however often one key was changed.
 */
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
  #hash = 0;
  /** Where the next key is looked for; null when all that was at the compact revision has been hashed. */
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
    this.#nextRevision = state.compactRevision;
  }

  /** The hash, when `step` has said true. */
  get hash(): number {
    return this.#hash;
  }

  /**
   * Looks at no more than `maxLooks` keys and changes, and at no further one when those hashed have `maxBytes`.
   *
   * @returns true when all has been hashed
   */
  step(maxLooks: number, maxBytes: number): boolean {
    this.#looksLeft = maxLooks;
    this.#bytesLeft = maxBytes;
    return this.#hashKeys() && this.#hashChanges();
  }

  #hashKeys(): boolean {
    if (this.#nextKey === null) return true;
    const { versions } = this.#state;
    const walk = this.#state.walk({ start: this.#nextKey, end: END_OF_KEYS });
    for (let slot = walk.next(); slot !== NO_SLOT; slot = walk.next()) {
      if (this.#isSpent()) {
        this.#nextKey = versions.slotKeyText(slot);
        return false;
      }
      const passedBefore = versions.passedOver;
      const ref = versions.liveAt(slot, this.compactRevision);
      this.#looksLeft -= 1 + versions.passedOver - passedBefore;
      if (ref !== NO_VERSION) this.#add(versions.kv(ref));
    }
    this.#nextKey = null;
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
      if (revision > this.compactRevision || this.#isLastTombstone(ref)) this.#add(versions.kv(ref));
    }
    return true;
  }

  /** CO-04: what a key was at the compact revision is retained, also when that is a tombstone of this revision. */
  #isLastTombstone(ref: VersionRef): boolean {
    const { versions } = this.#state;
    return versions.isTombstone(ref) && versions.liveAt(versions.slot(ref), versions.modRevision(ref)) === NO_VERSION;
  }

  #isSpent(): boolean {
    return this.#looksLeft <= 0 || this.#bytesLeft <= 0;
  }

  #add(kv: EncodedKv): void {
    this.#hash = crc32(kv, this.#hash);
    this.#bytesLeft -= kv.length;
  }
}

/** The hash of the history up to now, of the compact revision, the leases, the alarms, the quotas, the users and the roles. */
export class WholeHasher {
  readonly #history: HistoryHasher;
  readonly #leases: LeaseHasher;
  readonly #rest: string;
  #historyIsHashed = false;

  constructor(state: KeyspaceState) {
    this.#history = new HistoryHasher(state, state.revision);
    this.#leases = new LeaseHasher(state.leases);
    this.#rest = [
      `compacted ${state.compactRevision} revision ${state.revision}`,
      ...state.alarms.list().map(({ memberId, alarm }) => `alarm ${memberId} ${alarm}`),
      ...quotaLines(state.quotas),
      ...authLines(state.auth),
    ].join("\n");
  }

  /** The current revision at the start. */
  get headerRevision(): number {
    return this.#history.headerRevision;
  }

  /** The hash, when `step` has said true. */
  get hash(): number {
    return crc32(this.#rest, crc32(`leases ${this.#leases.hash}\n`, this.#history.hash));
  }

  /** As in HistoryHasher. */
  get hold(): Hold {
    return this.#history.hold;
  }

  /** As in HistoryHasher; a lease is as much as a key. */
  step(maxLooks: number, maxBytes: number): boolean {
    if (this.#historyIsHashed) return this.#leases.step(maxLooks);
    this.#historyIsHashed = this.#history.step(maxLooks, maxBytes);
    return false;
  }
}

/** Begins the hash of what is retained up to a revision, 0 for the current one (HK-01). */
export function openHash(state: KeyspaceState, revision: number): HistoryHasher | Refusal {
  // A negative one is no refusal in etcd: it is hashed up to there, which is nothing, and said so.
  return checkRevision(state, revision) ?? new HistoryHasher(state, revision === 0 ? state.revision : revision);
}

function quotaLines(quotas: Quotas): string[] {
  return [
    ...quotas.list().map(({ prefix, quotaBytes }) => `quota ${JSON.stringify(prefix)} ${quotaBytes}`),
    ...quotas.reached().map((prefix) => `reached ${JSON.stringify(prefix)}`),
  ];
}

function authLines(auth: Auth): string[] {
  return [
    `auth ${auth.enabled} ${auth.revision}`,
    ...auth.userNames().map((name) => `user ${JSON.stringify(auth.user(name))}`),
    ...auth.roleNames().map((name) => `role ${JSON.stringify([name, auth.role(name)])}`),
  ];
}
