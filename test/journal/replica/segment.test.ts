import { describe, expect, test } from "vitest";
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  isSegmentName,
  segmentName,
} from "../../../journal/replica/segment.ts";

const header = {
  salt: 0x89abcdef,
  clusterId: "00112233445566778899aabbccddeeff",
  number: 3,
  firstIndex: 0x1_0000_0002,
  firstPosition: 0x2_0000_0007,
  previousEpoch: 9,
} as const;

describe("a segment's header", () => {
  test("has the bytes that the format's description says", () => {
    const bytes = encodeSegmentHeader(header);
    expect(bytes).toHaveLength(4096);
    expect(bytes.toString("hex", 0, 68)).toBe(
      [
        "706c696e74682d6a", // magic "plinth-j"
        "03000000", // version
        "efcdab89", // salt
        "00112233445566778899aabbccddeeff", // clusterId
        "0300000000000000", // number
        "0200000001000000", // firstIndex
        "0700000002000000", // firstPosition
        "0900000000000000", // previousEpoch
        "c442d275", // crc (as Python's zlib.crc32 computes it)
      ].join(""),
    );
    expect(bytes.subarray(68).every((byte) => byte === 0)).toBe(true);
  });

  test("reads as it was written", () => {
    expect(decodeSegmentHeader(encodeSegmentHeader(header), "/journal/0000000100000002.seg")).toEqual(header);
  });

  test("with any one bit changed is damaged, also in its version", () => {
    for (let bit = 0; bit < 68 * 8; bit++) {
      const bytes = encodeSegmentHeader(header);
      bytes[bit >> 3] ^= 1 << (bit & 7);
      expect(() => decodeSegmentHeader(bytes, "/journal/0000000100000002.seg")).toThrow(
        expect.objectContaining({ code: "ERR_JOURNAL_CORRUPT" }),
      );
    }
  });

  test("that is not all there is refused", () => {
    const bytes = encodeSegmentHeader(header).subarray(0, 4095);
    expect(() => decodeSegmentHeader(bytes, "/journal/0000000100000002.seg")).toThrow(
      expect.objectContaining({ code: "ERR_JOURNAL_CORRUPT" }),
    );
  });
});

test("the names of segments sort as their frames do", () => {
  const indexes = [1, 9, 10, 255, 256, 0x1_0000_0000, Number.MAX_SAFE_INTEGER];
  const names = indexes.map(segmentName);
  expect(names.toSorted()).toEqual(names);
  expect(names.every(isSegmentName)).toBe(true);
  expect(["next-segment.tmp", "1.seg", "000000000000000A.seg", "LOCK"].some(isSegmentName)).toBe(false);
});
