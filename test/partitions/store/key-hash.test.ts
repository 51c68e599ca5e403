import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { halfSipHash } from "../../../partitions/store/half-sip-hash.ts";
import { KeyHash } from "../../../partitions/store/key-hash.ts";
import { distinctKeys, keyOf } from "./key-arbitraries.ts";
import { ListedKeys } from "./listed-keys.ts";

const SEED = Int32Array.of(7, -9);
const PAGE = 4096;

function key(i: number): Buffer {
  return Buffer.from(`/registry/pods/namespace-${i % 100}/pod-${i}`);
}

function fill(hash: KeyHash, keys: ListedKeys, count: number): number[] {
  const slots: number[] = [];
  for (let i = 0; i < count; i++) {
    slots.push(keys.add(key(i)));
    hash.add(slots[i], key(i));
  }
  return slots;
}

test("the hash is HalfSipHash-1-3, by the vectors of the Linux kernel's test", () => {
  // Of 0, 1, 2 … bytes 0, 1, 2 … under the key 00 01 02 … 07.
  const vectors = [0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x88e3d89b, 0xa0080b65, 0x9d38d9d6];
  const bytes = Uint8Array.from({ length: 63 }, (_, i) => i);
  const hashes = vectors.map((_, length) => halfSipHash(bytes.subarray(0, length), 0x03020100, 0x07060504) >>> 0);
  expect(hashes).toEqual(vectors);
  expect(halfSipHash(bytes.subarray(0, 62), 0x03020100, 0x07060504) >>> 0).toBe(0x74c1ebf8);
  expect(halfSipHash(bytes, 0x03020100, 0x07060504) >>> 0).toBe(0x87178304);
});

describe("KeyHash", () => {
  test("finds the keys that a Map would find, whatever is added and removed", () => {
    const sizes = [
      { pairsMin: 4, pairsMax: 8, depthMax: 4 },
      { pairsMin: 4, pairsMax: 16, depthMax: 0 },
      { pairsMin: 8, pairsMax: 8, depthMax: 20 },
    ];
    const steps = fc.array(fc.nat(99), { maxLength: 300, size: "max" });
    fc.assert(
      fc.property(distinctKeys(100), steps, fc.constantFrom(...sizes), fc.integer(), (recipes, indexes, size, seed) => {
        const known = recipes.map(keyOf);
        const keys = new ListedKeys();
        const hash = new KeyHash(keys, Int32Array.of(seed, ~seed), size);
        const slots = new Map<Buffer, number>();
        for (const [step, index] of indexes.entries()) {
          const one = known[index % known.length];
          const slot = slots.get(one);
          if (slot === undefined) {
            const added = keys.add(one);
            slots.set(one, added);
            hash.add(added, one);
          } else {
            hash.remove(slot, one);
            keys.remove(slot);
            slots.delete(one);
          }
          if (step % 5 === 0) hash.verify();
        }
        hash.verify();
        expect(hash.size).toBe(slots.size);
        for (const one of known) expect(hash.get(one)).toBe(slots.get(one) ?? 0);
      }),
      { numRuns: Number(process.env.PROPERTY_RUNS ?? 20) },
    );
  });

  test("costs little without keys, and 32 bytes a key at most with many", () => {
    const keys = new ListedKeys();
    const hash = new KeyHash(keys, SEED);
    expect(hash.bytes).toBeLessThan(1024);
    fill(hash, keys, 20_000);
    hash.verify();
    expect(hash.bytes / hash.size).toBeLessThan(32);
  });

  test("grows by one segment at a time", () => {
    const keys = new ListedKeys();
    const hash = new KeyHash(keys, SEED);
    let largest = 0;
    for (let i = 0; i < 30_000; i++) {
      const before = hash.bytes;
      hash.add(keys.add(key(i)), key(i));
      largest = Math.max(largest, hash.bytes - before);
    }
    expect(largest).toBeLessThan(9 * PAGE);
  });

  test("gives memory back when keys are removed", () => {
    const keys = new ListedKeys();
    const hash = new KeyHash(keys, SEED);
    const slots = fill(hash, keys, 30_000);
    const before = hash.bytes;
    for (let i = 0; i < 29_000; i++) {
      hash.remove(slots[i], key(i));
      keys.remove(slots[i]);
    }
    hash.verify();
    expect(hash.bytes).toBeLessThan(before / 4);
    for (let i = 29_000; i < 30_000; i++) expect(hash.get(key(i))).toBe(slots[i]);
    expect(hash.get(key(28_999))).toBe(0);
  });

  test("keys whose hashes cannot be told apart by the directory are all found", () => {
    const keys = new ListedKeys();
    const hash = new KeyHash(keys, SEED, { pairsMin: 4, pairsMax: 8, depthMax: 1 });
    const slots = fill(hash, keys, 3000);
    hash.verify();
    for (let i = 0; i < 3000; i++) expect(hash.get(key(i))).toBe(slots[i]);
  });
});
