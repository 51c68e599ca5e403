/**
 * What the indexes need of the keys that they hold. An index keeps no key: it keeps slots, which are numbers, and asks for
 * the bytes of a slot's key where its own few bytes of it do not decide.
 */
export interface SlotKeys {
  /** Negative, zero or positive: how the key of a slot stands to `key`, as unsigned bytes; a prefix is below what goes on. */
  compare(slot: number, key: Uint8Array): number;
  equals(slot: number, key: Uint8Array): boolean;
  compareSlots(a: number, b: number): number;
  keyLength(slot: number): number;
  /** Copies the key's bytes from `from` on, which may be behind its end, as many as there are and fit. Returns how many. */
  copyKey(slot: number, from: number, target: Uint8Array): number;
  /** Whether the key exists now: its newest version is no tombstone. */
  isLive(slot: number): boolean;
}
