/**
 * The quotas of prefixes of keys, and which of them are reached: what grows such a prefix is refused. Part of the keyspace,
 * because every replay must refuse the same, whatever its partitions are. How many bytes there are is not looked at here.
 */

export interface PrefixQuota {
  /** In latin1, as keys are. None begins with another one. */
  readonly prefix: string;
  readonly quotaBytes: number;
}

export class Quotas {
  #bytes: ReadonlyMap<string, number> = new Map();
  readonly #full = new Set<string>();

  /** Whether any prefix has one. */
  get isAny(): boolean {
    return this.#bytes.size > 0;
  }

  /** Whether any is reached. */
  get isAnyReached(): boolean {
    return this.#full.size > 0;
  }

  /** Infinity for a prefix without one. */
  bytesOf(prefix: string): number {
    return this.#bytes.get(prefix) ?? Number.POSITIVE_INFINITY;
  }

  isReached(prefix: string): boolean {
    return this.#full.has(prefix);
  }

  /** Whether what grows this key is refused. */
  refuses(key: string): boolean {
    for (const prefix of this.#full) if (key.startsWith(prefix)) return true;
    return false;
  }

  /** In the order of the prefixes. */
  list(): PrefixQuota[] {
    return [...this.#bytes].map(([prefix, quotaBytes]) => ({ prefix, quotaBytes }));
  }

  /** Of those that are reached, in the order in which they were. */
  reached(): readonly string[] {
    return [...this.#full];
  }

  /** From now on there are these. One that is reached stays so when its prefix still has a quota. */
  set(quotas: readonly PrefixQuota[]): void {
    const sorted = quotas.toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1));
    this.#bytes = new Map(sorted.map(({ prefix, quotaBytes }) => [prefix, quotaBytes]));
    for (const prefix of this.#full) if (!this.#bytes.has(prefix)) this.#full.delete(prefix);
  }

  /** False when that changes nothing, as where the prefix has no quota any more. */
  setReached(prefix: string, isReached: boolean): boolean {
    if (!isReached) return this.#full.delete(prefix);
    if (this.#full.has(prefix) || !this.#bytes.has(prefix)) return false;
    this.#full.add(prefix);
    return true;
  }

  /** None is reached any more. False when none was. */
  clearReached(): boolean {
    const wasAny = this.isAnyReached;
    this.#full.clear();
    return wasAny;
  }
}
