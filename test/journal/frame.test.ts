import { AssertionError } from "node:assert/strict";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Batch } from "../../journal/batch.ts";
import { FrameHeader, FRAME_HEADER_BYTES, readFrame, writeFrameHeader } from "../../journal/frame.ts";
import { reseal } from "./reseal.ts";

interface Fields {
  readonly epoch: number;
  readonly previousPosition: number;
  readonly previousEpoch: number;
  readonly committed: number;
}

const fieldsArbitrary: fc.Arbitrary<Fields> = fc
  .record({
    epoch: fc.maxSafeNat(),
    previousPosition: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1000 }),
    previousEpochShare: fc.double({ min: 0, max: 1, noNaN: true }),
    committedShare: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ epoch, previousPosition, previousEpochShare, committedShare }) => ({
    epoch,
    previousPosition,
    previousEpoch: Math.floor(epoch * previousEpochShare),
    committed: Math.floor(previousPosition * committedShare),
  }));
const recordsArbitrary = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
const saltArbitrary = fc.integer({ min: 0, max: 0xffff_ffff });

function encode(fields: Fields, records: Uint8Array[], salt: number): Buffer {
  const batch = new Batch(8192);
  for (const record of records) batch.add(record);
  const header = Object.assign(new FrameHeader(), fields, {
    length: batch.length,
    lastPosition: fields.previousPosition + records.length,
  });
  writeFrameHeader(batch.frame, header, salt);
  return Buffer.from(batch.frame.subarray(0, batch.length));
}

describe("a batch", () => {
  test("takes a record only when it fits", () => {
    const batch = new Batch(Batch.bytesFor(10));
    expect([batch.fits(10), batch.fits(11)]).toEqual([true, false]);
    expect(() => batch.add(Buffer.alloc(11))).toThrow(AssertionError);
    batch.add(Buffer.alloc(10));
    batch.verify();
    expect(() => batch.add(Buffer.alloc(0))).toThrow(AssertionError);
    expect([batch.recordCount, batch.recordBytes, batch.length]).toEqual([1, 10, 62]);
  });
});

describe("a frame", () => {
  test("reads as it was written, wherever it lies", () => {
    fc.assert(
      fc.property(fieldsArbitrary, recordsArbitrary, saltArbitrary, fc.nat(100), (fields, records, salt, before) => {
        const frame = encode(fields, records, salt);
        const bytes = Buffer.concat([Buffer.alloc(before, 1), frame, Buffer.alloc(10, 2)]);
        const header = new FrameHeader();
        expect(readFrame(bytes, before, bytes.length, salt, header)).toBe(true);
        expect(header).toEqual({
          ...fields,
          length: frame.length,
          lastPosition: fields.previousPosition + records.length,
        });
        let offset = FRAME_HEADER_BYTES;
        for (const record of records) {
          expect(frame.readUInt32LE(offset)).toBe(record.length);
          expect(frame.subarray(offset + 4, offset + 4 + record.length).equals(record)).toBe(true);
          offset += 4 + record.length;
        }
        expect(offset).toBe(frame.length);
      }),
    );
  });

  test("with any one bit changed is not intact", () => {
    fc.assert(
      fc.property(fieldsArbitrary, recordsArbitrary, saltArbitrary, fc.nat(), (fields, records, salt, choice) => {
        const frame = encode(fields, records, salt);
        const bit = choice % (frame.length * 8);
        frame[bit >> 3] ^= 1 << (bit & 7);
        expect(readFrame(frame, 0, frame.length, salt, new FrameHeader())).toBe(false);
      }),
    );
  });

  test("is not intact when any byte of it is missing", () => {
    const frame = encode(
      { epoch: 3, previousPosition: 8, previousEpoch: 2, committed: 8 },
      [Buffer.from("one"), Buffer.from("two")],
      7,
    );
    for (let end = 0; end < frame.length; end++) {
      expect(readFrame(frame, 0, end, 7, new FrameHeader())).toBe(false);
    }
    expect(readFrame(frame, 0, frame.length, 7, new FrameHeader())).toBe(true);
  });

  test("of another journal, that is with another salt, is not intact", () => {
    fc.assert(
      fc.property(fieldsArbitrary, recordsArbitrary, saltArbitrary, saltArbitrary, (fields, records, salt, other) => {
        fc.pre(salt !== other);
        const frame = encode(fields, records, salt);
        expect(readFrame(frame, 0, frame.length, other, new FrameHeader())).toBe(false);
      }),
    );
  });

  test("whose fields contradict each other is refused though its checksum is right", () => {
    const good = { epoch: 3, previousPosition: 8, previousEpoch: 2, committed: 8 };
    const records = [Buffer.from("one")];
    const intact = (changed: Partial<FrameHeader>): boolean => {
      const frame = encode(good, records, 1);
      reseal(frame, changed, 1);
      return readFrame(frame, 0, frame.length, 1, new FrameHeader());
    };
    expect(intact({})).toBe(true);
    expect(intact({ committed: 9 })).toBe(false);
    expect(intact({ previousEpoch: 4 })).toBe(false);
    expect(intact({ lastPosition: 10 })).toBe(false);
    expect(intact({ lastPosition: 7 })).toBe(false);
  });

  test("that readers would refuse is not written", () => {
    const good = { epoch: 3, previousPosition: 8, previousEpoch: 2, lastPosition: 9, committed: 8, length: 55 };
    const write = (changed: Partial<FrameHeader>): void => {
      const batch = new Batch(8192);
      batch.add(Buffer.from("one"));
      writeFrameHeader(batch.frame, { ...good, ...changed }, 1);
    };
    write({});
    const refused: Partial<FrameHeader>[] = [
      { committed: 9 },
      { previousEpoch: 4 },
      { lastPosition: 10 },
      { lastPosition: 7 },
      { length: 54 },
      { length: 56 },
      { length: 8193 },
      { epoch: 3.5 },
      { committed: -1 },
    ];
    for (const changed of refused) expect(() => write(changed)).toThrow(AssertionError);
  });

  test("has the bytes that the format's description says", () => {
    const fields = { epoch: 2, previousPosition: 0x1_0000_0005, previousEpoch: 1, committed: 4 };
    const frame = encode(fields, [Buffer.from("abc"), Buffer.alloc(0)], 0x1234);
    expect(frame.toString("hex")).toBe(
      [
        "3b000000", // length 59
        "d3e75db4", // crc (as Python's zlib.crc32 computes it)
        "0200000000000000", // epoch
        "0500000001000000", // previousPosition
        "0100000000000000", // previousEpoch
        "0700000001000000", // lastPosition
        "0400000000000000", // committed
        "03000000616263", // record "abc"
        "00000000", // record ""
      ].join(""),
    );
  });

  test("is not found in zeros", () => {
    expect(readFrame(Buffer.alloc(100), 0, 100, 0, new FrameHeader())).toBe(false);
  });
});
