import { expect, test } from "vitest";
import { longValue, shortValue } from "./values.ts";

test("a value comes back in its short form, whatever its length", () => {
  for (const bytes of [0, 6, 7, 8, 1_000]) {
    const { short, wire } = longValue("k2-17", bytes);
    expect(shortValue(wire)).toBe(short);
    expect(wire.length).toBe(Math.max(bytes, short.length));
  }
});

test("a value that is damaged anywhere has no short form", () => {
  const { short, wire } = longValue("k2-17", 50);
  const cut = wire.subarray(0, 40);
  const longer = Buffer.concat([wire, Buffer.from(".")]);
  const other = Buffer.from(wire);
  other[49] = 0;
  for (const damaged of [cut, longer, other, Buffer.from("anything")]) {
    expect(shortValue(damaged)).toMatch(/^damaged value of \d+ bytes/);
    expect(shortValue(damaged)).not.toBe(short);
  }
});

test("no value, as a deletion has it, is none", () => {
  expect(shortValue(Buffer.alloc(0))).toBe("");
});
