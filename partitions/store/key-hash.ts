/**
 * Key to slot in O(1): an extendible hash. A directory, indexed by the first bits of a hash, names the segments; several
 * of its places may name one. A segment that is full grows, and from a certain size on it is split in two instead, so that
 * no growth touches more than one segment:
 *
 *      directory (depth 2)   00 ─┬─▶ segment of 0…   (depth 1)
 *                            01 ─┘
 *                            10 ───▶ segment of 10…  (depth 2)
 *                            11 ───▶ segment of 11…  (depth 2)
 *
 * The hash is keyed with a random seed, so that nobody can choose keys that fall into one place. No outcome depends on it.
 */
import assert from "node:assert/strict";
import { getRandomValues } from "node:crypto";
import { halfSipHash } from "./half-sip-hash.ts";
import { HashSegment, PAIR_BYTES } from "./hash-segment.ts";
import type { SlotKeys } from "./slot-keys.ts";
import { copyOfKey } from "./slot-keys.ts";

export interface KeyHashSizes {
  /** Pairs of the first segment; a power of two, as the next. */
  readonly pairsMin: number;
  /** A segment with so many pairs is split when it is full. */
  readonly pairsMax: number;
  /** Segments whose keys share so many bits are not split, but grow. */
  readonly depthMax: number;
}

const SIZES: KeyHashSizes = { pairsMin: 64, pairsMax: 4096, depthMax: 20 };
/** What V8 takes for a segment's objects, and the directory for a place. */
const SEGMENT_BYTES = 300;
const PLACE_BYTES = 8;

export class KeyHash {
  readonly #keys: SlotKeys;
  readonly #sizes: KeyHashSizes;
  readonly #seed0: number;
  readonly #seed1: number;
  #directory: HashSegment[];
  #depth = 0;
  #size = 0;
  #bytes: number;

  constructor(keys: SlotKeys, seed: Int32Array = getRandomValues(new Int32Array(2)), sizes: KeyHashSizes = SIZES) {
    this.#keys = keys;
    this.#sizes = sizes;
    this.#seed0 = seed[0] | 0;
    this.#seed1 = seed[1] | 0;
    const first = new HashSegment(sizes.pairsMin, 0);
    this.#directory = [first];
    this.#bytes = bytesOf(first) + PLACE_BYTES;
  }

  get size(): number {
    return this.#size;
  }

  /** How many bytes of memory it takes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The slot of a key, or 0. */
  get(key: Uint8Array): number {
    const hash = halfSipHash(key, this.#seed0, this.#seed1);
    const { pairs } = this.#directory[this.#placeOf(hash)];
    const mask = pairs.length - 2;
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const slot = pairs[at];
      if (slot === 0) return 0;
      if (pairs[at + 1] === hash && this.#keys.equals(slot, key)) return slot;
    }
  }

  /** Adds the slot of a key that is not there. */
  add(slot: number, key: Uint8Array): void {
    assert(slot > 0, "a slot is a positive number");
    const hash = halfSipHash(key, this.#seed0, this.#seed1);
    let segment = this.#directory[this.#placeOf(hash)];
    while (segment.isFull) {
      this.#makeRoom(segment, hash);
      segment = this.#directory[this.#placeOf(hash)];
    }
    segment.add(slot, hash);
    this.#size++;
  }

  remove(slot: number, key: Uint8Array): void {
    const hash = halfSipHash(key, this.#seed0, this.#seed1);
    const segment = this.#directory[this.#placeOf(hash)];
    segment.remove(slot, hash);
    this.#size--;
    // An eighth, so that the two together are a quarter full: far from a split again.
    if (segment.depth > 0 && segment.count < this.#sizes.pairsMax >>> 3) this.#mergeHalves(segment, hash);
  }

  #placeOf(hash: number): number {
    return (hash >>> 1) >>> (31 - this.#depth);
  }

  /** The first of a segment's places, one of which is that of `hash`. */
  #firstPlaceOf(segment: HashSegment, hash: number): number {
    const spare = this.#depth - segment.depth;
    return (this.#placeOf(hash) >>> spare) << spare;
  }

  #makeRoom(segment: HashSegment, hash: number): void {
    const { pairsMin, pairsMax, depthMax } = this.#sizes;
    if (segment.capacity < pairsMax || segment.depth === depthMax) {
      this.#bytes += segment.capacity * PAIR_BYTES;
      segment.grow();
      return;
    }
    if (segment.depth === this.#depth) this.#doubleDirectory();
    const first = this.#firstPlaceOf(segment, hash);
    const places = 1 << (this.#depth - segment.depth);
    const ones = segment.split(pairsMin);
    this.#directory.fill(ones, first + places / 2, first + places);
    this.#bytes += bytesOf(ones);
  }

  #doubleDirectory(): void {
    this.#bytes += this.#directory.length * PLACE_BYTES;
    const directory: HashSegment[] = [];
    for (const segment of this.#directory) directory.push(segment, segment);
    this.#directory = directory;
    this.#depth++;
  }

  /** Makes one of a segment and its other half, if that is one segment and has few keys, too. */
  #mergeHalves(segment: HashSegment, hash: number): void {
    const places = 1 << (this.#depth - segment.depth);
    const first = this.#firstPlaceOf(segment, hash);
    const firstOther = first ^ places;
    const other = this.#directory[firstOther];
    const count = segment.count + other.count;
    if (other.depth !== segment.depth || count > this.#sizes.pairsMax >>> 2) return;
    const kept = segment.capacity < other.capacity ? other : segment;
    const freed = kept === segment ? other : segment;
    if (kept.capacity > this.#sizes.pairsMax || count > kept.capacity / 2) return;
    this.#bytes -= bytesOf(freed);
    kept.merge(freed);
    this.#directory.fill(kept, Math.min(first, firstOther), Math.max(first, firstOther) + places);
  }

  /** Walks all of it and asserts that each key is found where it is looked for, and that the counts are right. */
  verify(): void {
    const { pairsMax, depthMax } = this.#sizes;
    assert(this.#directory.length === 1 << this.#depth, "the directory has a place for each of the first bits");
    let bytes = this.#directory.length * PLACE_BYTES;
    const slots = new Set<number>();
    for (let place = 0; place < this.#directory.length;) {
      const segment = this.#directory[place];
      assert(segment.depth <= Math.min(this.#depth, depthMax), "no segment is deeper than the directory");
      assert(segment.depth === depthMax || segment.capacity <= pairsMax, "a segment that can be split does not grow");
      const end = place + (1 << (this.#depth - segment.depth));
      this.#verifyPairs(segment, place, end, slots);
      bytes += bytesOf(segment);
      for (; place < end; place++) assert(this.#directory[place] === segment, "a segment has all its places");
    }
    assert(slots.size === this.#size, "the size is that of the segments");
    assert(bytes === this.#bytes, "the bytes are those of the segments and the directory");
  }

  #verifyPairs(segment: HashSegment, place: number, end: number, slots: Set<number>): void {
    const before = slots.size;
    for (const { slot, hash } of segment.verifiedPairs()) {
      const key = copyOfKey(this.#keys, slot);
      assert(halfSipHash(key, this.#seed0, this.#seed1) === hash, "a pair has the hash of its slot's key");
      const own = this.#placeOf(hash);
      assert(own >= place && own < end, "a key lies in the segment of its first bits");
      assert(!slots.has(slot), "a slot is there once");
      slots.add(slot);
    }
    assert(slots.size - before === segment.count, "a segment counts its pairs");
  }
}

function bytesOf(segment: HashSegment): number {
  return segment.capacity * PAIR_BYTES + SEGMENT_BYTES;
}
