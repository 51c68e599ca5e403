import fc from "fast-check";
import { expect, test } from "vitest";
import { SUM_BYTES } from "../../../server/snapshot/limits.ts";
import { decodeMark, encodeMark, sumsOf } from "../../../server/snapshot/snapshot-mark.ts";
import type { SnapshotMark } from "../../../server/snapshot/snapshot-mark.ts";

const numbers = fc.maxSafeNat();
const marks: fc.Arbitrary<SnapshotMark> = fc
  .record({
    position: numbers,
    clusterId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("hex")),
    wallMs: numbers,
    records: numbers,
    recordBytes: numbers,
    fileBytes: fc.nat({ max: 20 * SUM_BYTES }),
    digest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex")),
  })
  .chain((info) =>
    fc
      .array(fc.nat({ max: 2 ** 32 - 1 }), { minLength: sumsOf(info.fileBytes), maxLength: sumsOf(info.fileBytes) })
      .map((sums) => ({ info, sums: Uint32Array.from(sums) })),
  );

test("a mark tells what it was made of", () => {
  fc.assert(
    fc.property(marks, (mark) => {
      expect(decodeMark("/some.mark", encodeMark(mark))).toEqual(mark);
    }),
  );
});

test("a mark with any bit turned, or cut anywhere, is refused", () => {
  fc.assert(
    fc.property(marks, fc.nat(), fc.nat(), (mark, place, end) => {
      const bytes = encodeMark(mark);
      const turned = Buffer.from(bytes);
      turned[(place >> 3) % bytes.length] ^= 1 << (place & 7);
      expect(() => decodeMark("/some.mark", turned)).toThrow(
        /^\/some\.mark: (corrupt as a whole: |a snapshot of format )/,
      );
      expect(() => decodeMark("/some.mark", bytes.subarray(0, end % bytes.length))).toThrow(
        "/some.mark: corrupt as a whole: ",
      );
    }),
  );
});

test("a snapshot of a newer format is refused by name, whatever else is in its mark", () => {
  const bytes = Buffer.alloc(40, 0xff);
  bytes.write("plinth-s", "latin1");
  bytes.writeUInt32LE(2, 8);
  expect(() => decodeMark("/some.mark", bytes)).toThrow(
    "/some.mark: a snapshot of format 2; this version reads format 1",
  );
});
