/** What the writer of bbolt files writes the reader reads, and damage is refused with a place. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BoltError } from "../../../server/bolt/bolt-error.ts";
import { ChunkWriter } from "../../../server/bolt/chunk-writer.ts";
import { FileBuilder } from "../../../server/bolt/file-builder.ts";
import { boltBytes, readBolt, textOf } from "./bolt-bytes.ts";
import type { Buckets } from "./bolt-bytes.ts";

const PAGE_SIZES = [1024, 4096, 16_384];

test("what is written is read, whatever the sizes of keys and values", () => {
  fc.assert(
    fc.property(buckets(), fc.constantFrom(...PAGE_SIZES), (given, pageBytes) => {
      expect(textOf(readBolt(boltBytes(given, pageBytes)))).toBe(textOf(given));
    }),
    { numRuns: 200 },
  );
});

test("a tree of several levels is read in the order of its keys", () => {
  const elements = Array.from({ length: 20_000 }, (_, i) => [number(i), Buffer.alloc(i % 90, i)] as const);
  const given: Buckets = [["key", elements]];
  expect(textOf(readBolt(boltBytes(given, 1024)))).toBe(textOf(given));
});

test("every branch has at least two children, however many leaves there are", () => {
  // A leaf has one of them and a branch eight, so that there are up to three levels of branches.
  const rest = Buffer.alloc(96);
  for (let count = 1; count < 200; count++) {
    const elements = Array.from({ length: count }, (_, i) => [Buffer.concat([number(i), rest]), LONG] as const);
    for (const children of branchSizes(boltBytes([["key", elements]], 1024))) expect(children).toBeGreaterThan(1);
  }
});

test("so has one whose keys fill it", () => {
  for (let count = 1; count < 12; count++) {
    const elements = Array.from(
      { length: count },
      (_, i) => [Buffer.concat([number(i), LONG]), Buffer.alloc(9)] as const,
    );
    const given: Buckets = [["key", elements]];
    const file = boltBytes(given, 1024);
    for (const children of branchSizes(file)) expect(children).toBeGreaterThan(1);
    expect(textOf(readBolt(file))).toBe(textOf(given));
  }
});

test("values of more than a megabyte have pages of their own", () => {
  const sizes = [0, 5, 1.5 * 2 ** 20, 4_000, 4_080, 70_000, 1];
  const elements = sizes.map((size, i) => [number(i), Buffer.alloc(size, i + 1)] as const);
  const given: Buckets = [
    ["a", []],
    ["key", elements],
    ["z", [[number(1), Buffer.alloc(0)]]],
  ];
  const file = boltBytes(given);
  expect(textOf(readBolt(file))).toBe(textOf(given));
  expect(file.length).toBeLessThan(1.8 * 2 ** 20);
});

test("a bit that is turned anywhere is refused, or loses no key", () => {
  const elements = Array.from({ length: 500 }, (_, i) => [number(i), Buffer.alloc(20, 7)] as const);
  const given: Buckets = [
    ["auth", [[number(0), Buffer.from("small")]]],
    ["key", [...elements, [number(500), Buffer.alloc(9_000, 7)]]],
    ["meta", []],
  ];
  const file = boltBytes(given, 1024);
  const expected = textOf(given);
  const keysOf = (read: Buckets): number[] => read.map(([, all]) => all.length);
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.nat(7), (at, bit) => {
      const damaged = Buffer.from(file);
      damaged[at] ^= 1 << bit;
      const read = tryRead(damaged);
      // bbolt has no checksum of keys and values: those may be other ones, but none is lost.
      if (read !== null && textOf(read) !== expected) expect(keysOf(read)).toEqual(keysOf(given));
    }),
    { numRuns: 1_000 },
  );
});

test("a bit that is turned in the header of a page or in an element is refused, but in the lengths of the last one", () => {
  const elements = Array.from({ length: 60 }, (_, i) => [number(i), Buffer.alloc(20, 7)] as const);
  const file = boltBytes([["key", elements]], 1024);
  const fronts: number[] = [];
  for (let page = 2; page < file.length / 1024; page++) {
    const count = file.readUInt16LE(page * 1024 + 10);
    // Where the last element of a leaf ends nothing tells but itself.
    const isLeaf = file.readUInt16LE(page * 1024 + 8) === 2;
    const bytes = isLeaf ? 8 + 16 * count : 16 + 16 * count;
    for (let at = 0; at < bytes; at++) fronts.push(page * 1024 + at);
  }
  for (const at of fronts) {
    for (let bit = 0; bit < 8; bit++) {
      const damaged = Buffer.from(file);
      damaged[at] ^= 1 << bit;
      expect(tryRead(damaged), `byte ${at}, bit ${bit}`).toBeNull();
    }
  }
});

test("rubbish is refused, whatever its length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20_000 }), (bytes) => {
      expect(tryRead(Buffer.from(bytes))).toBeNull();
    }),
    { numRuns: 200 },
  );
});

test("rubbish behind good meta pages ends in a refusal at worst", () => {
  const file = boltBytes(
    [["key", Array.from({ length: 300 }, (_, i) => [number(i), Buffer.alloc(50)] as const)]],
    1024,
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.nat(file.length), (bytes, at) => {
      const damaged = Buffer.from(file);
      damaged.set(bytes.subarray(0, Math.max(0, file.length - 2048 - at)), Math.min(2048 + at, file.length - 1));
      tryRead(damaged);
    }),
    { numRuns: 500 },
  );
});

test("a file that has been cut is refused, and one with room behind its pages is read", () => {
  const given: Buckets = [["key", Array.from({ length: 300 }, (_, i) => [number(i), Buffer.alloc(50)] as const)]];
  const file = boltBytes(given);
  for (let length = 0; length < file.length; length += 997) expect(tryRead(file.subarray(0, length))).toBeNull();
  expect(textOf(readBolt(Buffer.concat([file, Buffer.alloc(70_000)])))).toBe(textOf(given));
});

test("with one of its two meta pages broken a file is read", () => {
  const given: Buckets = [["key", Array.from({ length: 300 }, (_, i) => [number(i), Buffer.alloc(50)] as const)]];
  for (const pageBytes of PAGE_SIZES) {
    const file = boltBytes(given, pageBytes);
    for (const page of [0, 1]) {
      const damaged = Buffer.from(file);
      damaged[page * pageBytes + 40] ^= 1;
      expect(textOf(readBolt(damaged))).toBe(textOf(given));
    }
    const damaged = Buffer.from(file);
    damaged[40] ^= 1;
    damaged[pageBytes + 40] ^= 1;
    expect(() => readBolt(damaged)).toThrow("neither of the first two pages is a meta page");
  }
});

test("a second walk over other elements than the first one is noticed", () => {
  const builder = FileBuilder.planning();
  builder.begin("key");
  builder.add(number(1), Buffer.alloc(5_000));
  builder.end();
  const shape = builder.finish();
  const writing = FileBuilder.writing(shape, new ChunkWriter({ next: () => Buffer.alloc(100), take: () => {} }));
  writing.begin("key");
  writing.add(number(1), Buffer.alloc(9_000));
  writing.end();
  expect(() => writing.finish()).toThrow("both walks have met the same elements");
});

const LONG = Buffer.alloc(900, 1);

function number(i: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32BE(i);
  return key;
}

/** What is read; null when it is refused. */
function tryRead(bytes: Buffer): Buckets | null {
  try {
    return readBolt(bytes);
  } catch (error) {
    if (error instanceof BoltError) return null;
    throw error;
  }
}

function branchSizes(file: Buffer): number[] {
  const sizes: number[] = [];
  for (let at = 2048; at < file.length; at += 1024 * (1 + file.readUInt32LE(at + 12))) {
    if (file.readUInt16LE(at + 8) === 1) sizes.push(file.readUInt16LE(at + 10));
  }
  return sizes;
}

function buckets(): fc.Arbitrary<Buckets> {
  const size = fc.oneof(
    { weight: 6, arbitrary: fc.nat(300) },
    { weight: 2, arbitrary: fc.nat(5_000) },
    { weight: 1, arbitrary: fc.nat(40_000) },
  );
  const value = fc.tuple(size, fc.nat(255)).map(([bytes, fill]) => Buffer.alloc(bytes, fill));
  const key = fc.oneof(
    { weight: 9, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 24 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.nat(32_000).map((bytes) => Buffer.alloc(bytes + 1, bytes)) },
  );
  const elements = fc
    .uniqueArray(fc.tuple(key, value), { maxLength: 120, selector: ([each]) => each.toString("latin1") })
    .map((all) => all.toSorted(([a], [b]) => a.compare(b)));
  const name = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom("a", "b", "k", "z") });
  return fc
    .uniqueArray(fc.tuple(name, elements), { minLength: 1, maxLength: 12, selector: ([each]) => each })
    .map((all) => all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
