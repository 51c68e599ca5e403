/** Hashes of the keyspace: functions of what is retained, so that two keyspaces which executed the same requests agree. */
import { crc32 } from "node:zlib";
import type { Auth } from "../auth/auth.ts";
import type { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Quotas } from "../state/quotas.ts";
import { HistoryHasher } from "./history-hasher.ts";
import { LeaseHasher } from "./lease-hasher.ts";
import { checkRevision } from "../range/read-revision.ts";
import type { Refusal } from "../refusals.ts";

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
    ...auth.userNames().map((name) => `user ${JSON.stringify(auth.userFacts(name))}`),
    ...auth.roleNames().map((name) => `role ${JSON.stringify([name, auth.role(name)])}`),
  ];
}
