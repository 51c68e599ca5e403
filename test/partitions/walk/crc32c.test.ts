import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Crc32c } from "../../../partitions/walk/crc32c.ts";

function crcOf(...pieces: readonly Buffer[]): number {
  const crc = new Crc32c();
  for (const piece of pieces) crc.update(piece);
  return crc.value;
}

/** Bit by bit, as the definition has it. */
function plainly(bytes: Uint8Array): number {
  let state = -1;
  for (const byte of bytes) {
    state ^= byte;
    for (let bit = 0; bit < 8; bit++) state = (state & 1) === 0 ? state >>> 1 : (state >>> 1) ^ 0x82f63b78;
  }
  return ~state >>> 0;
}

describe("CRC-32C", () => {
  test("is that of RFC 3720's examples, and of the word of all digits", () => {
    expect(crcOf(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(crcOf(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crcOf(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crcOf(Buffer.from(Array.from({ length: 32 }, (_, i) => i)))).toBe(0x46dd794e);
    expect(crcOf()).toBe(0);
  });

  test("is the same however the bytes are cut, and may be asked for in between", () => {
    const pieces = fc.array(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(pieces, (of) => {
        const crc = new Crc32c();
        for (const [i, piece] of of.entries()) {
          crc.update(piece);
          expect(crc.value).toBe(plainly(Buffer.concat(of.slice(0, i + 1))));
        }
      }),
    );
  });

  test("takes a part of long bytes, and more than it gathers", () => {
    const bytes = Buffer.from(Array.from({ length: 200_003 }, (_, i) => (i * 7_919) >>> 3));
    const crc = new Crc32c();
    crc.update(bytes, 0, 5);
    crc.update(bytes, 5, 70_000);
    crc.update(bytes, 70_000);
    expect(crc.value).toBe(plainly(bytes));
    crc.update(bytes.subarray(0, 1));
    expect(crc.value).toBe(plainly(Buffer.concat([bytes, bytes.subarray(0, 1)])));
  });
});
