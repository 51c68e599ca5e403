import fc from "fast-check";
import { expect, test } from "vitest";
import { firstNonZero } from "../../../partitions/store/zero-bytes.ts";
import { SmallStore } from "./small-store.ts";

const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((array) => Buffer.from(array));
const long = fc
  .tuple(fc.constantFrom(127, 128, 16_383, 16_384, 70_000), bytes)
  .map(([length, end]) => Buffer.concat([Buffer.alloc(length, 1), end]));
const key = fc.oneof(
  { weight: 4, arbitrary: bytes },
  { weight: 2, arbitrary: bytes.map((end) => Buffer.concat([Buffer.from("/registry/pods/"), end])) },
  { weight: 1, arbitrary: long },
);

test("keys are read as bytes where they lie", () => {
  fc.assert(
    fc.property(fc.array(key, { minLength: 2, maxLength: 8 }), (keys) => {
      const store = new SmallStore(64 * 1_024);
      for (const each of keys) store.put(each, Buffer.alloc(5));
      for (const a of keys) {
        const slotA = store.slotOf.get(a.toString("latin1"))!;
        const target = Buffer.alloc(9);
        expect(store.keys.keyLength(slotA)).toBe(a.length);
        expect(store.keys.copyKey(slotA, 1, target)).toBe(Math.min(9, a.length - 1));
        expect(target).toEqual(Buffer.concat([a.subarray(1, 10), Buffer.alloc(9)]).subarray(0, 9));
        for (const b of keys) {
          let shared = 0;
          while (shared < a.length && a[shared] === b[shared]) shared++;
          expect(store.keys.sharedBytes(slotA, b)).toBe(shared);
          expect(store.keys.equals(slotA, b)).toBe(a.equals(b));
        }
      }
    }),
    { numRuns: 50 },
  );
});

test("zero bytes are passed over, however many there are", () => {
  const store = new SmallStore(64 * 1_024);
  for (const zeros of [0, 1, 3, 1_023, 1_024, 1_025, 2_048, 70_000]) {
    for (const end of [Buffer.alloc(0), Buffer.from([7, 0, 7])]) {
      const zeroed = Buffer.concat([Buffer.from("k"), Buffer.alloc(zeros), end]);
      store.put(zeroed, Buffer.from("v"));
      const slot = store.slotOf.get(zeroed.toString("latin1"))!;
      for (const from of [1, 1 + (zeros >> 1), 1 + zeros]) {
        expect(store.keys.firstNonZero(slot, from)).toBe(1 + zeros);
        expect(firstNonZero(zeroed, from, zeroed.length)).toBe(1 + zeros);
      }
      expect(store.keys.firstNonZero(slot, 0)).toBe(0);
      expect(store.keys.firstNonZero(slot, zeroed.length)).toBe(zeroed.length);
    }
  }
});

test("a key is live until it is deleted, and again when it is put again", () => {
  const store = new SmallStore(1_024);
  const name = Buffer.from("k");
  store.put(name, Buffer.from("v"));
  const slot = store.slotOf.get("k")!;
  expect(store.keys.isLive(slot)).toBe(true);
  store.delete(name);
  expect(store.keys.isLive(slot)).toBe(false);
  store.put(name, Buffer.from("v"));
  expect(store.keys.isLive(slot)).toBe(true);
});
