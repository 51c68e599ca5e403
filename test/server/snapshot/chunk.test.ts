import fc from "fast-check";
import { expect, test } from "vitest";
import { CHUNK_HEADER_BYTES, openChunk, recordsOf, sealChunk } from "../../../server/snapshot/chunk.ts";
import { chunkOf } from "./support-snapshots.ts";

const records = fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string().map(repeated)), {
  minLength: 1,
  maxLength: 20,
});
const ordinals = fc.integer({ min: 1, max: 2 ** 32 - 1 });

/** Of what compresses. */
function repeated(text: string): Uint8Array {
  return Buffer.from(text.repeat(20));
}

const refusal = expect.objectContaining({ code: "ERR_SNAPSHOT_CORRUPT" });

function expectRefusal(bytes: Buffer, ordinal: number): void {
  expect(() => openChunk("/some/file", bytes, ordinal)).toThrow(refusal);
}

test("a chunk gives the records that it was made of, compressed or not", () => {
  let compressed = 0;
  fc.assert(
    fc.property(records, ordinals, fc.boolean(), (list, ordinal, mayCompress) => {
      const chunk = chunkOf(list);
      const sealed = sealChunk(Buffer.from(chunk), ordinal, list.length, mayCompress);
      if (sealed.length < chunk.length) compressed++;
      const opened = openChunk("/some/file", sealed, ordinal);
      expect(opened.count).toBe(list.length);
      expect([...recordsOf(opened.body)].map((record) => [...record])).toEqual(list.map((record) => [...record]));
    }),
  );
  expect(compressed).toBeGreaterThan(0);
});

test("a chunk with any bit turned, or cut anywhere, is refused with its file and ordinal", () => {
  fc.assert(
    fc.property(records, ordinals, fc.nat(), fc.nat(), (list, ordinal, place, end) => {
      const sealed = sealChunk(chunkOf(list), ordinal, list.length, true);
      const turned = Buffer.from(sealed);
      turned[(place >> 3) % sealed.length] ^= 1 << (place & 7);
      expectRefusal(turned, ordinal);
      expectRefusal(sealed.subarray(0, end % sealed.length), ordinal);
      expectRefusal(Buffer.concat([sealed, Buffer.alloc(1)]), ordinal);
    }),
  );
  expect(() => openChunk("/some/file", Buffer.alloc(CHUNK_HEADER_BYTES), 7)).toThrow("/some/file: corrupt chunk 7: ");
});

test("a chunk in the place of another is refused", () => {
  const sealed = sealChunk(chunkOf([Buffer.from("a")]), 3, 1, true);
  expectRefusal(sealed, 4);
});

test("records that do not fill a chunk are not sealed", () => {
  const chunk = chunkOf([Buffer.from("a"), Buffer.from("b")]);
  expect(() => sealChunk(Buffer.from(chunk), 1, 1, true)).toThrow("fill it exactly");
  expect(() => sealChunk(Buffer.from(chunk), 1, 3, true)).toThrow("fill it exactly");
  expect(() => sealChunk(chunk.subarray(0, -1), 1, 2, true)).toThrow("fill it exactly");
  expect(() => sealChunk(Buffer.alloc(CHUNK_HEADER_BYTES), 1, 0, true)).toThrow("fill it exactly");
});

test("the bytes of a chunk are those of the worked example in the documentation", () => {
  const chunk = chunkOf([Buffer.from("abc"), Buffer.alloc(0)]);
  const example = "230000000200000003000000000000000b0000007fa229270300000061626300000000";
  expect(sealChunk(chunk, 3, 2, false).toString("hex")).toBe(example);
});
