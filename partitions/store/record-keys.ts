/**
 * The keys of slots, read where they lie: in the newest record of each. Keys of Kubernetes are 60 bytes long, which a loop
 * compares in less time than a call of Buffer.compare takes to begin.
 */
import type { Records } from "./records.ts";
import type { SlotKeys } from "./slot-keys.ts";
import type { Slots } from "./slots.ts";

export class RecordKeys implements SlotKeys {
  readonly #records: Records;
  readonly #slots: Slots;

  constructor(records: Records, slots: Slots) {
    this.#records = records;
    this.#slots = slots;
  }

  compare(slot: number, key: Uint8Array): number {
    const ref = this.#slots.newest(slot);
    const bytes = this.#records.buffer(ref);
    const start = this.#records.keyStart(ref);
    const length = this.#records.keyBytes(ref);
    const common = Math.min(length, key.length);
    for (let i = 0; i < common; i++) {
      const difference = bytes[start + i] - key[i];
      if (difference !== 0) return difference;
    }
    return length - key.length;
  }

  equals(slot: number, key: Uint8Array): boolean {
    const ref = this.#slots.newest(slot);
    const { length } = key;
    if (this.#records.keyBytes(ref) !== length) return false;
    const bytes = this.#records.buffer(ref);
    const start = this.#records.keyStart(ref);
    for (let i = 0; i < length; i++) if (bytes[start + i] !== key[i]) return false;
    return true;
  }

  compareSlots(a: number, b: number): number {
    const refA = this.#slots.newest(a);
    const refB = this.#slots.newest(b);
    const viewA = this.#records.view(refA);
    const viewB = this.#records.view(refB);
    const startA = this.#records.keyStart(refA);
    const startB = this.#records.keyStart(refB);
    const lengthA = this.#records.keyBytes(refA);
    const lengthB = this.#records.keyBytes(refB);
    const common = Math.min(lengthA, lengthB);
    let i = 0;
    while (i + 4 <= common && viewA.getInt32(startA + i) === viewB.getInt32(startB + i)) i += 4;
    for (; i < common; i++) {
      const difference = viewA.getUint8(startA + i) - viewB.getUint8(startB + i);
      if (difference !== 0) return difference;
    }
    return lengthA - lengthB;
  }

  keyLength(slot: number): number {
    return this.#records.keyBytes(this.#slots.newest(slot));
  }

  copyKey(slot: number, from: number, target: Uint8Array): number {
    const ref = this.#slots.newest(slot);
    const bytes = this.#records.buffer(ref);
    const start = this.#records.keyStart(ref) + from;
    const count = Math.max(0, Math.min(target.length, this.#records.keyBytes(ref) - from));
    for (let i = 0; i < count; i++) target[i] = bytes[start + i];
    return count;
  }

  isLive(slot: number): boolean {
    return !this.#records.isTombstone(this.#slots.newest(slot));
  }
}
