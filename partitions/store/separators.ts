/**
 * Separators stand between the children of inner nodes: bytes above all keys on their left, and not above any on their
 * right. They are as short as they can be, and copies: what becomes of a key does not touch them.
 */
import assert from "node:assert/strict";
import type { SlotKeys } from "./slot-keys.ts";

const CHUNK_BYTES = 256;
const leftBytes = new Uint8Array(CHUNK_BYTES);
const rightBytes = new Uint8Array(CHUNK_BYTES);

/** The shortest separator between the keys of two slots. */
export function shortestSeparator(keys: SlotKeys, left: number, right: number): Uint8Array {
  for (let from = 0; ; from += CHUNK_BYTES) {
    const leftCount = keys.copyKey(left, from, leftBytes);
    const rightCount = keys.copyKey(right, from, rightBytes);
    const count = Math.min(leftCount, rightCount);
    let shared = 0;
    while (shared < count && leftBytes[shared] === rightBytes[shared]) shared++;
    if (shared === CHUNK_BYTES) continue;
    assert(shared < rightCount, "the right key is above the left one");
    const separator = new Uint8Array(from + shared + 1);
    keys.copyKey(right, 0, separator);
    return separator;
  }
}

/** Those that are too long to be kept within their node, by number. */
export class LongSeparators {
  readonly #separators: (Uint8Array | null)[] = [];
  readonly #free: number[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(separator: Uint8Array): number {
    const id = this.#free.pop() ?? this.#separators.length;
    this.#separators[id] = separator;
    this.#bytes += bytesOf(separator);
    return id;
  }

  get(id: number): Uint8Array {
    const separator = this.#separators[id];
    assert(separator !== null, "a separator that a node names is there");
    return separator;
  }

  remove(id: number): void {
    this.#bytes -= bytesOf(this.get(id));
    this.#separators[id] = null;
    this.#free.push(id);
  }
}

/** The bytes and what V8 takes for their object. */
function bytesOf(separator: Uint8Array): number {
  return separator.length + 200;
}
