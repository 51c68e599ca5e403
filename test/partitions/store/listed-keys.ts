/** Keys in a list, for the indexes. A slot is reused as soon as it is free, and until then nobody may ask for its key. */
import assert from "node:assert/strict";
import type { SlotKeys } from "../../../partitions/store/slot-keys.ts";

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

  compare(slot: number, key: Uint8Array): number {
    this.compared++;
    return Buffer.compare(this.key(slot), key);
  }

  equals(slot: number, key: Uint8Array): boolean {
    return this.key(slot).equals(key);
  }

  compareSlots(a: number, b: number): number {
    return Buffer.compare(this.key(a), this.key(b));
  }

  keyLength(slot: number): number {
    return this.key(slot).length;
  }

  copyKey(slot: number, from: number, target: Uint8Array): number {
    const key = this.key(slot);
    return key.copy(target, 0, Math.min(from, key.length));
  }

  isLive(slot: number): boolean {
    return this.#live[slot];
  }
}
