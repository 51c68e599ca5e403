import fc from "fast-check";
import { expect, test } from "vitest";
import { wholeNumber } from "../../../proto/json/whole-number.ts";

const UINT64_MAX = 2n ** 64n - 1n;

test("a whole number may be written with any exponent and any zeros", () => {
  const value = fc.bigInt({ min: -UINT64_MAX, max: UINT64_MAX });
  const written = fc.tuple(value, fc.nat(20), fc.nat(30), fc.constantFrom("", ",", " and more"));
  fc.assert(
    fc.property(written, ([number, places, zeros, behind]) => {
      const sign = number < 0n ? "-" : "";
      const digits = String(number < 0n ? -number : number);
      const padded = digits.padStart(places + 1, "0");
      const point = padded.length - places;
      const fraction = padded.slice(point) + "0".repeat(zeros);
      const integer = padded.slice(0, point);
      const shifted = `${integer}${fraction === "" ? "" : `.${fraction}`}`;
      expect(wholeNumber(`${sign}${shifted}e${places}${behind}`)).toBe(number);
      expect(wholeNumber(`${sign}${digits}${number === 0n ? "" : "0".repeat(zeros)}E-0${zeros}${behind}`)).toBe(number);
    }),
  );
});

test.each([
  "",
  "-",
  "+1",
  "01",
  ".5",
  "1.",
  "1.e1",
  "1e",
  "1e5-",
  "1e+-5",
  "1_",
  "0.5",
  "1.05e1",
  "15e-1",
  " 1",
  "1 ",
  "1, ",
])("%j is no whole number", (text) => {
  expect(wholeNumber(text)).toBeNull();
});

test.each([
  ["1e-", 1n],
  ["1e+", 1n],
  ["1e,", 1n],
  ["-0", 0n],
  ["0e99999999999", 0n],
  ["0.000", 0n],
])("%j is %d", (text, value) => {
  expect(wholeNumber(text)).toBe(value);
});

test("more digits than any field has are no number", () => {
  expect(wholeNumber("99999999999999999999")).toBe(99_999_999_999_999_999_999n);
  expect(wholeNumber("100000000000000000000")).toBeNull();
  expect(wholeNumber("1000000000000000000000e-1")).toBeNull();
});

/** The fastest of three, so that what else the machine does counts less. */
function milliseconds(work: () => unknown): number {
  const times = [0, 1, 2].map(() => {
    const begun = performance.now();
    work();
    return performance.now() - begun;
  });
  return Math.min(...times);
}

const LONG = 64 * 1024;

test.each([
  ["zeros of a fraction", (length: number) => `1.${"0".repeat(length)}1`],
  ["digits that an exponent shifts out", (length: number) => `${"9".repeat(length)}0e-1`],
  ["digits", (length: number) => "9".repeat(length)],
])("a long number of %s takes no longer than its length in short ones", (_, numberOf) => {
  const short = numberOf(16);
  const long = numberOf(LONG);
  const shortMs = milliseconds(() => {
    for (let i = 0; i < LONG / 16; i++) wholeNumber(short);
  });
  expect(milliseconds(() => wholeNumber(long))).toBeLessThan(shortMs * 10);
});
