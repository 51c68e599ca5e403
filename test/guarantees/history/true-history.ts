/**
 * Every change that was ever made, in the order of revisions, and the state at each of them. It is put together from what
 * the collector was told; the checks then show that this is what happened.
 */
import type { Kv, WatchLog } from "./history.ts";

export interface Change {
  readonly type: "put" | "delete";
  /** As the event told it: of a delete, key and mod alone are set. */
  readonly kv: Kv;
}

/** The state that one change of a key left. */
interface Version {
  readonly revision: number;
  /** Null after a delete. */
  readonly kv: Kv | null;
}

/** A fresh store has this revision and no keys. */
export const FIRST_REVISION = 1;

const NO_CHANGES: readonly Change[] = [];

export class TrueHistory {
  /** The last revision. */
  last = FIRST_REVISION;
  readonly #changes = new Map<number, Change[]>();
  readonly #versions = new Map<string, Version[]>();
  /** Every key there ever was, in order: latin1 strings compare as their bytes do. */
  readonly #keys: string[] = [];

  /** Changes come in order. */
  add(change: Change): void {
    const { kv } = change;
    if (kv.mod < this.last) throw new Error(`a change at ${kv.mod} behind one at ${this.last}`);
    this.last = kv.mod;
    const changes = this.#changes.get(kv.mod);
    if (changes === undefined) this.#changes.set(kv.mod, [change]);
    else changes.push(change);
    const version = { revision: kv.mod, kv: change.type === "put" ? kv : null };
    const versions = this.#versions.get(kv.key);
    if (versions === undefined) {
      this.#versions.set(kv.key, [version]);
      this.#keys.splice(this.#search(kv.key), 0, kv.key);
    } else if (versions[versions.length - 1].revision === kv.mod) {
      versions[versions.length - 1] = version;
    } else {
      versions.push(version);
    }
  }

  /** The changes of one revision in the order in which they were made; none where there was no such revision. */
  changes(revision: number): readonly Change[] {
    return this.#changes.get(revision) ?? NO_CHANGES;
  }

  /** A key as it was at a revision, or null. */
  get(key: string, revision: number): Kv | null {
    const versions = this.#versions.get(key);
    if (versions === undefined) return null;
    let low = 0;
    let high = versions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (versions[middle].revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? null : versions[low - 1].kv;
  }

  /** The keys of [key, end) at a revision, in key order. An empty end means the one key, "\0" means no end. */
  range(key: string, end: string, revision: number): Kv[] {
    if (end === "") {
      const kv = this.get(key, revision);
      return kv === null ? [] : [kv];
    }
    const kvs = [];
    for (let index = this.#search(key); index < this.#keys.length; index++) {
      const candidate = this.#keys[index];
      if (!contains(key, end, candidate)) break;
      const kv = this.get(candidate, revision);
      if (kv !== null) kvs.push(kv);
    }
    return kvs;
  }

  /** Index of the first key that is not below this one. */
  #search(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys[middle] < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The keys that were attached to a lease at a revision, in key order. */
  attached(lease: string, revision: number): string[] {
    return this.range("\0", "\0", revision)
      .filter((kv) => kv.lease === lease)
      .map((kv) => kv.key);
  }
}

export function contains(key: string, end: string, candidate: string): boolean {
  if (end === "") return candidate === key;
  return candidate >= key && (end === "\0" || candidate < end);
}

/** Takes over what the collector was told. What does not follow on is left out: then a check finds it missing. */
export function trueHistoryOf(collector: readonly WatchLog[]): TrueHistory {
  const history = new TrueHistory();
  for (const log of collector) {
    const before = history.last;
    for (const message of log.messages) {
      for (const { type, kv } of message.events) {
        if (kv.mod > before && kv.mod >= history.last) history.add({ type, kv });
      }
    }
  }
  return history;
}
