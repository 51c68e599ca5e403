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
import { LeaseHasher } from "./lease-hasher.ts";
import { checkRevision } from "../range/read-revision.ts";
import type { Refusal } from "../refusals.ts";

/** CRC-32 over the encoded kvs of all changes that are retained and not above a revision, in key order. */
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
  /** Where the next key is looked for. */
  #next = "";
  /** The next version of the key that is being hashed; NO_VERSION between two keys. */
  #ref = NO_VERSION;
  #changesLeft = 0;
  #bytesLeft = 0;

  constructor(state: KeyspaceState, hashRevision: number) {
    this.headerRevision = state.revision;
    this.compactRevision = state.compactRevision;
    this.hashRevision = hashRevision;
    this.hold = new Hold(state.held, state.compactRevision);
    this.#state = state;
  }

  /** The hash, when `step` has said true. */
  get hash(): number {
    return this.#hash;
  }

  /**
   * Looks at no more than `maxChanges` changes, and at no further one when those hashed have `maxBytes`.
   *
   * @returns true when all has been hashed
   */
  step(maxChanges: number, maxBytes: number): boolean {
    this.#changesLeft = maxChanges;
    this.#bytesLeft = maxBytes;
    if (!this.#hashKey()) return false;
    const walk = this.#state.walk({ start: this.#next, end: END_OF_KEYS });
    const { versions } = this.#state;
    for (let slot = walk.next(); slot !== NO_SLOT; slot = walk.next()) {
      this.#ref = versions.newest(slot);
      if (this.#hashKey()) continue;
      this.#next = `${versions.slotKeyText(slot)}\0`;
      return false;
    }
    this.#next = END_OF_KEYS;
    return true;
  }

  /**
   * Goes on with the changes of one key. Retained are those above the compact revision and the newest one not above it,
   * unless that is a tombstone below the compact revision (CO-04).
   *
   * @returns true when the key is done
   */
  #hashKey(): boolean {
    const { versions } = this.#state;
    for (let ref = this.#ref; ref !== NO_VERSION; ref = this.#ref) {
      if (this.#changesLeft <= 0 || this.#bytesLeft <= 0) return false;
      this.#changesLeft--;
      const modRevision = versions.modRevision(ref);
      if (modRevision > this.compactRevision) {
        if (modRevision <= this.hashRevision) this.#add(versions.kv(ref));
        this.#ref = versions.previous(ref);
      } else {
        const isForgotten = versions.isTombstone(ref) && modRevision < this.compactRevision;
        if (!isForgotten) this.#add(versions.kv(ref));
        this.#ref = NO_VERSION;
      }
    }
    return true;
  }

  #add(kv: EncodedKv): void {
    this.#hash = crc32(kv, this.#hash);
    this.#bytesLeft -= kv.length;
  }
}

/** The hash of the history up to now, of the compact revision, the leases, the alarms, the users and the roles. */
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

  /** As in HistoryHasher; a lease is as much as a change. */
  step(maxChanges: number, maxBytes: number): boolean {
    if (this.#historyIsHashed) return this.#leases.step(maxChanges);
    this.#historyIsHashed = this.#history.step(maxChanges, maxBytes);
    return false;
  }
}

/** Begins the hash of what is retained up to a revision, 0 for the current one (HK-01). */
export function openHash(state: KeyspaceState, revision: number): HistoryHasher | Refusal {
  // A negative one is no refusal in etcd: it is hashed up to there, which is nothing, and said so.
  return checkRevision(state, revision) ?? new HistoryHasher(state, revision === 0 ? state.revision : revision);
}

function authLines(auth: Auth): string[] {
  return [
    `auth ${auth.enabled} ${auth.revision}`,
    ...auth.userNames().map((name) => `user ${JSON.stringify(auth.user(name))}`),
    ...auth.roleNames().map((name) => `role ${JSON.stringify([name, auth.role(name)])}`),
  ];
}
