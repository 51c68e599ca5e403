/** Keys that are hard on an index: binary, prefixes of one another, alike for long, and as long as keys may be. */
import fc from "fast-check";

/** A byte so many times, and then some bytes: short to print, however long the key. */
export type Recipe = readonly [times: number, byte: number, tail: readonly number[]];

export function keyOf([times, byte, tail]: Recipe): Buffer {
  return Buffer.concat([Buffer.alloc(times, byte), Buffer.from(tail)]);
}

/** Bytes around the ends of the order, and the zero byte, which looks like the end of a key. */
const BYTE = fc.constantFrom(0, 1, 0x61, 0x7f, 0x80, 0xff);
const ANY_BYTE = fc.nat(255);
const SHORT = fc.constantFrom(0, 1, 7, 30, 62, 64, 66, 110, 113);
const LONG = fc.constantFrom(255, 257, 600, 69_994);

const RECIPE: fc.Arbitrary<Recipe> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(SHORT, BYTE, fc.array(BYTE, { minLength: 1, maxLength: 6, size: "max" })) },
  { weight: 2, arbitrary: fc.tuple(SHORT, BYTE, fc.array(ANY_BYTE, { minLength: 1, maxLength: 6, size: "max" })) },
  { weight: 1, arbitrary: fc.tuple(LONG, BYTE, fc.array(BYTE, { minLength: 1, maxLength: 6, size: "max" })) },
);

/** Recipes of keys that differ, in no order. */
export function distinctKeys(maxLength: number): fc.Arbitrary<Recipe[]> {
  const selector = (recipe: Recipe): string => keyOf(recipe).toString("latin1");
  return fc.uniqueArray(RECIPE, { minLength: 1, maxLength, size: "max", selector });
}
