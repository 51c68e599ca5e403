/**
 * Key to history, for point reads and updates. A JavaScript Map holds at most 2^24 entries and stalls for long when a
 * large one grows, so the keys are spread over many small ones.
 */
import type { KeyHistory } from "./key-history.ts";

const MAPS = 64;

export class KeyTable {
  readonly #maps: Map<string, KeyHistory>[] = Array.from({ length: MAPS }, () => new Map<string, KeyHistory>());
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): KeyHistory | null {
    return this.#maps[mapOf(key)].get(key) ?? null;
  }

  /** Adds a key that is not there. */
  add(history: KeyHistory): void {
    this.#maps[mapOf(history.key)].set(history.key, history);
    this.#size++;
  }

  remove(key: string): void {
    if (this.#maps[mapOf(key)].delete(key)) this.#size--;
  }
}

/** The last characters differ most between the keys of one prefix. A bad spread costs nothing but the larger Maps. */
function mapOf(key: string): number {
  const last = key.length - 1;
  if (last < 3) return 0;
  const mixed = key.charCodeAt(last) * 31 + key.charCodeAt(last - 1) * 7 + key.charCodeAt(last - 2) * 3;
  return (mixed + key.charCodeAt(last - 3)) & (MAPS - 1);
}
