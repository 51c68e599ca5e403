import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { shortCrc32 } from "../../journal/short-crc.ts";

test("is the checksum that zlib computes, of any bytes and from any seed", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.nat({ max: 20 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      (bytes, start, seed) => {
        const end = start + 4 * Math.floor(Math.max(0, bytes.length - start) / 4);
        expect(shortCrc32(bytes, start, end, seed)).toBe(crc32(bytes.subarray(start, end), seed));
      },
    ),
  );
});
