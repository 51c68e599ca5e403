/**
 * What the indexes need of the keys that they hold. An index keeps no key: it keeps slots, which are numbers, and asks for
 * the bytes of a slot's key where its own few bytes of it do not decide.
 */
export interface SlotKeys {
  equals(slot: number, key: Uint8Array): boolean;
  /** How many bytes the key of a slot and `key` have in common at their beginnings. */
  sharedBytes(slot: number, key: Uint8Array): number;
  keyLength(slot: number): number;
  /** Copies the key's bytes from `from` on, which may be behind its end, as many as there are and fit. Returns how many. */
  copyKey(slot: number, from: number, target: Uint8Array): number;
  /** Where the first byte of the key that is not zero is, from a place on; the key's length when there is none. */
  firstNonZero(slot: number, from: number): number;
  /** Whether the key exists now: its newest version is no tombstone. */
  isLive(slot: number): boolean;
}

/** A copy of a slot's key, for cold paths. */
export function copyOfKey(keys: SlotKeys, slot: number): Uint8Array {
  const key = new Uint8Array(keys.keyLength(slot));
  keys.copyKey(slot, 0, key);
  return key;
}
