/**
 * What honest clients were promised, and whether it was kept. It needs as much memory as there are keys and unseen writes,
 * however long it goes on: unlike a history, of which a checker must see all.
 *
 * Each key has one writer, who has one write of it on the way at a time. A write is begun, and then acknowledged, refused
 * or unknown: it happened or not, but not after the next write of its key that is acknowledged.
 */

/** The state of a key in an answer; null when it does not exist. */
export interface SeenKv {
  readonly value: string;
  readonly modRevision: number;
}

/** A write or read on its way. */
export interface Promised {
  /** The highest revision that anybody had been told of when it was sent: its answer may not be older. */
  readonly revisionMin: number;
}

interface KeyAccount {
  /** What was acknowledged last. */
  acknowledged: SeenKv | null;
  /** Values whose writes are unknown or on the way. */
  possible: string[];
}

const VIOLATIONS_MAX = 100;

export class Ledger {
  /** Told of each violation as it is found. */
  onViolation: (text: string) => void = () => {};
  readonly violations: string[] = [];
  acknowledged = 0;
  unknown = 0;
  /** The highest revision that any answer told of. */
  #revision = 0;
  readonly #keys = new Map<string, KeyAccount>();
  /** Acknowledged writes that the watch has not told of yet: revision and key. */
  readonly #unseen = new Map<number, string>();
  /** Events that the watch has told of and whose writes are not acknowledged: revision and key. */
  readonly #told = new Map<number, string>();
  /** What the watch has told of, up to here. */
  #watched = 0;

  get revision(): number {
    return this.#revision;
  }

  /** Revisions of acknowledged writes that the watch still owes. */
  get owed(): number {
    return this.#unseen.size;
  }

  begin(key: string, value: string): Promised {
    this.#account(key).possible.push(value);
    return { revisionMin: this.#revision };
  }

  acknowledge(key: string, value: string, promised: Promised, revision: number): void {
    this.acknowledged++;
    this.#answered(promised, revision, `the put of ${key}`);
    if (revision <= promised.revisionMin) this.violate(`${key} was written at ${revision}, which was used before`);
    const account = this.#account(key);
    account.acknowledged = { value, modRevision: revision };
    account.possible = [];
    const other = this.#unseen.get(revision) ?? this.#told.get(revision) ?? key;
    if (other !== key) this.violate(`${key} and ${other} share revision ${revision}`);
    // The watch may have been sooner than the answer.
    if (this.#told.delete(revision)) return;
    if (revision <= this.#watched)
      this.violate(`the watch is at ${this.#watched} and never told of ${key} at ${revision}`);
    else this.#unseen.set(revision, key);
  }

  /** A definite no. */
  refuse(key: string, value: string): void {
    const account = this.#account(key);
    account.possible = account.possible.filter((other) => other !== value);
  }

  /** It stays possible until the next write of the key is acknowledged. */
  leaveUnknown(): void {
    this.unknown++;
  }

  beginRead(): Promised {
    return { revisionMin: this.#revision };
  }

  /** The answer of a linearizable read by the writer of the key, who had no write on the way. */
  read(key: string, promised: Promised, headerRevision: number, seen: SeenKv | null): void {
    this.#answered(promised, headerRevision, `the read of ${key}`);
    const { acknowledged, possible } = this.#account(key);
    if (seen === null) {
      if (acknowledged !== null) this.violate(`${key} is gone, which was written at ${acknowledged.modRevision}`);
      return;
    }
    if (possible.includes(seen.value)) return;
    if (seen.value !== acknowledged?.value || seen.modRevision !== acknowledged.modRevision) {
      const known = acknowledged === null ? "nothing" : `${acknowledged.value} at ${acknowledged.modRevision}`;
      this.violate(`${key} is ${seen.value} at ${seen.modRevision}, and ${known} was acknowledged`);
    }
  }

  /** An event of the watch over all keys, in the order in which they come; a watch that is resumed goes on behind the last. */
  event(key: string, modRevision: number, value: string): void {
    if (modRevision <= this.#watched) this.violate(`the watch told of ${modRevision} after ${this.#watched}`);
    this.watchedUpTo(modRevision - 1);
    this.#watched = modRevision;
    const expected = this.#unseen.get(modRevision);
    if (!this.#unseen.delete(modRevision)) this.#told.set(modRevision, key);
    if (expected !== undefined && expected !== key) this.violate(`revision ${modRevision} is ${key}, not ${expected}`);
    const account = this.#keys.get(key);
    const isKnown = account?.acknowledged?.value === value || account?.possible.includes(value) === true;
    // What came after it may have been acknowledged by now.
    const isOld = (account?.acknowledged?.modRevision ?? 0) > modRevision;
    if (!isKnown && !isOld) this.violate(`the watch told of ${key} as ${value} at ${modRevision}, which nobody wrote`);
  }

  /** The watch says that it has told of everything up to a revision. */
  watchedUpTo(revision: number): void {
    if (revision <= this.#watched) return;
    this.#watched = revision;
    // In the order in which they were acknowledged, which is nearly that of their revisions.
    for (const [unseen, key] of this.#unseen) {
      if (unseen > revision) continue;
      this.violate(`the watch never told of ${key} at ${unseen}, and is at ${revision}`);
      this.#unseen.delete(unseen);
    }
  }

  violate(text: string): void {
    if (this.violations.length === VIOLATIONS_MAX) return;
    this.violations.push(text);
    this.onViolation(text);
  }

  #answered({ revisionMin }: Promised, revision: number, what: string): void {
    if (revision < revisionMin)
      this.violate(`${what} was answered at ${revision}, and ${revisionMin} was known before`);
    this.#revision = Math.max(this.#revision, revision);
  }

  #account(key: string): KeyAccount {
    let account = this.#keys.get(key);
    if (account === undefined) {
      account = { acknowledged: null, possible: [] };
      this.#keys.set(key, account);
    }
    return account;
  }
}
