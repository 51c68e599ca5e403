/** Keys in a list, for the indexes. A slot is reused as soon as it is free, and until then nobody may ask for its key. */
import assert from "node:assert/strict";
import type { SlotKeys } from "../../../partitions/store/slot-keys.ts";

const CHUNK = 512;

export class ListedKeys implements SlotKeys {
  /** How many whole keys were compared. */
  compared = 0;
  readonly #keys: (Buffer | null)[] = [null];
  readonly #live: boolean[] = [false];
  readonly #free: number[] = [];

  add(key: Buffer): number {
    const slot = this.#free.pop() ?? this.#keys.length;
    this.#keys[slot] = key;
    this.#live[slot] = true;
    return slot;
  }

  remove(slot: number): void {
    this.#keys[slot] = null;
    this.#free.push(slot);
  }

  setLive(slot: number, isLive: boolean): void {
    this.#live[slot] = isLive;
  }

  key(slot: number): Buffer {
    const key = this.#keys[slot];
    assert(key, "a slot that is asked for is in use");
    return key;
  }

  sharedBytes(slot: number, key: Uint8Array): number {
    this.compared++;
    const own = this.key(slot);
    const end = Math.min(own.length, key.length);
    let shared = 0;
    // Long keys that are alike for long are common here.
    while (shared + CHUNK <= end && own.compare(key, shared, shared + CHUNK, shared, shared + CHUNK) === 0)
      shared += CHUNK;
    while (shared < end && own[shared] === key[shared]) shared++;
    return shared;
  }

  equals(slot: number, key: Uint8Array): boolean {
    return this.key(slot).equals(key);
  }

  keyLength(slot: number): number {
    return this.key(slot).length;
  }

  copyKey(slot: number, from: number, target: Uint8Array): number {
    const key = this.key(slot);
    return key.copy(target, 0, Math.min(from, key.length));
  }

  firstNonZero(slot: number, from: number): number {
    const key = this.key(slot);
    const at = key.findIndex((byte, i) => i >= from && byte !== 0);
    return at === -1 ? key.length : at;
  }

  isLive(slot: number): boolean {
    return this.#live[slot];
  }
}
