import { AssertionError } from "node:assert/strict";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesFor, FrameArena } from "../../journal/quorum/frame-arena.ts";
import {
  FrameHeader,
  FRAME_HEADER_BYTES,
  KIND_BARRIER,
  KIND_CONFIGURATION,
  KIND_RECORDS,
  parseFrameHeader,
  readFrame,
  readFrameHeader,
  sealFrame,
} from "../../journal/frame.ts";
import type { FrameKind } from "../../journal/frame.ts";
import { reseal } from "./reseal.ts";

type Fields = Omit<FrameHeader, "length" | "kind" | "lastPosition">;

const fieldsArbitrary: fc.Arbitrary<Fields> = fc
  .record({
    epoch: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    index: fc.oneof(fc.constant(1), fc.integer({ min: 2, max: Number.MAX_SAFE_INTEGER })),
    previousEpochShare: fc.double({ min: 0, max: 1, noNaN: true }),
    previousPosition: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1000 }),
    committedShare: fc.double({ min: 0, max: 1, noNaN: true }),
    wallMs: fc.maxSafeNat(),
  })
  .map(({ epoch, index, previousEpochShare, previousPosition, committedShare, wallMs }) => ({
    epoch,
    index,
    previousEpoch: index === 1 ? 0 : Math.max(1, Math.floor(epoch * previousEpochShare)),
    previousPosition: index === 1 ? 0 : previousPosition,
    committed: Math.floor((index - 1) * committedShare),
    wallMs,
  }));
const recordsArbitrary = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
const saltArbitrary = fc.integer({ min: 0, max: 0xffff_ffff });

/** A frame of these records; of none, a barrier. */
function encode(fields: Fields, records: Uint8Array[], salt: number): Buffer {
  const frame = new FrameArena(8192).open(0);
  for (const record of records) frame.add(record);
  const header = Object.assign(new FrameHeader(), fields, {
    length: frame.length,
    kind: records.length === 0 ? KIND_BARRIER : KIND_RECORDS,
    lastPosition: fields.previousPosition + records.length,
  });
  sealFrame(frame.bytes, header, salt);
  return Buffer.from(frame.bytes);
}

const good: Fields = { epoch: 3, index: 5, previousEpoch: 2, previousPosition: 8, committed: 4, wallMs: 7 };

describe("an open frame", () => {
  test("takes a record only when it fits", () => {
    const frame = new FrameArena(bytesFor(10)).open(0);
    expect([frame.fits(10), frame.fits(11)]).toEqual([true, false]);
    expect(() => frame.add(Buffer.alloc(11))).toThrow(AssertionError);
    frame.add(Buffer.alloc(10));
    expect(() => frame.add(Buffer.alloc(0))).toThrow(AssertionError);
    expect([frame.recordCount, frame.recordBytes, frame.length]).toEqual([1, 10, 86]);
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
        expect({ ...header }).toEqual({
          ...fields,
          length: frame.length,
          kind: records.length === 0 ? KIND_BARRIER : KIND_RECORDS,
          lastPosition: fields.previousPosition + records.length,
        });
        const parsed = new FrameHeader();
        parseFrameHeader(frame, parsed);
        expect(parsed).toEqual(header);
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
    const frame = encode(good, [Buffer.from("one"), Buffer.from("two")], 7);
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

  test("whose body is damaged has an intact header, which tells of it", () => {
    const frame = encode(good, [Buffer.from("one")], 7);
    frame[FRAME_HEADER_BYTES + 5] ^= 1;
    const header = new FrameHeader();
    expect(readFrame(frame, 0, frame.length, 7, header)).toBe(false);
    expect(readFrameHeader(frame, 0, FRAME_HEADER_BYTES, 7, header)).toBe(true);
    expect(header).toMatchObject({ index: 5, length: frame.length });
    frame[30] ^= 1;
    expect(readFrameHeader(frame, 0, frame.length, 7, header)).toBe(false);
  });

  test("of a configuration has a body that is no record", () => {
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + 5, "hello");
    const fields = { ...good, kind: KIND_CONFIGURATION as FrameKind, length: frame.length, lastPosition: 8 };
    sealFrame(frame, Object.assign(new FrameHeader(), fields), 7);
    const header = new FrameHeader();
    expect(readFrame(frame, 0, frame.length, 7, header)).toBe(true);
    expect({ ...header }).toEqual(fields);
    frame[FRAME_HEADER_BYTES] ^= 1;
    expect(readFrame(frame, 0, frame.length, 7, header)).toBe(false);
  });

  test("whose fields contradict each other is refused though its checksums are right", () => {
    const intact = (changed: Partial<Omit<FrameHeader, "length" | "kind">>): boolean => {
      const frame = encode(good, [Buffer.from("one")], 1);
      reseal(frame, changed, 1);
      return readFrame(frame, 0, frame.length, 1, new FrameHeader());
    };
    expect(intact({})).toBe(true);
    expect(intact({ committed: 5 })).toBe(false);
    expect(intact({ previousEpoch: 4 })).toBe(false);
    expect(intact({ previousEpoch: 0 })).toBe(false);
    expect(intact({ index: 0 })).toBe(false);
    expect(intact({ index: 1, committed: 0 })).toBe(false);
    expect(intact({ epoch: 0, previousEpoch: 0 })).toBe(false);
    expect(intact({ lastPosition: 10 })).toBe(false);
    expect(intact({ lastPosition: 8 })).toBe(false);
    expect(intact({ lastPosition: 7 })).toBe(false);
  });

  test("that readers would refuse is not written", () => {
    const fields = { ...good, kind: KIND_RECORDS as FrameKind, lastPosition: 9, length: FRAME_HEADER_BYTES + 7 };
    const write = (changed: Partial<FrameHeader>): void => {
      const frame = new FrameArena(8192).open(0);
      frame.add(Buffer.from("one"));
      sealFrame(frame.bytes, { ...fields, ...changed }, 1);
    };
    write({});
    const refused: Partial<FrameHeader>[] = [
      { committed: 5 },
      { previousEpoch: 4 },
      { previousEpoch: 0 },
      { index: 0 },
      { epoch: 0 },
      { lastPosition: 10 },
      { lastPosition: 8 },
      { lastPosition: 7 },
      { length: 78 },
      { length: 80 },
      { length: 8193 },
      { epoch: 3.5 },
      { committed: -1 },
      { wallMs: -1 },
      { kind: KIND_BARRIER },
      { kind: KIND_BARRIER, lastPosition: 8 },
      { kind: KIND_CONFIGURATION },
      // Of no kind that there is.
      { kind: 3 as FrameKind, lastPosition: 8 },
    ];
    for (const changed of refused) expect(() => write(changed)).toThrow(AssertionError);
  });

  test("has the bytes that the format's description says", () => {
    const fields = {
      epoch: 2,
      index: 9,
      previousEpoch: 1,
      previousPosition: 0x1_0000_0005,
      committed: 4,
      wallMs: 1_764_498_000_000,
    };
    const frame = encode(fields, [Buffer.from("abc"), Buffer.alloc(0)], 0x1234);
    expect(frame.toString("hex")).toBe(
      [
        "53000000", // length 83
        "00000000", // kind: records
        "0200000000000000", // epoch
        "0900000000000000", // index
        "0100000000000000", // previousEpoch
        "0500000001000000", // previousPosition
        "0700000001000000", // lastPosition
        "0400000000000000", // committed
        "80c846d49a010000", // wallMs
        "3b5ae2ff", // bodyCrc (as Python's zlib.crc32 computes it)
        "53482d66", // headerCrc
        "03000000616263", // record "abc"
        "00000000", // record ""
      ].join(""),
    );
  });

  test("is not found in zeros", () => {
    expect(readFrame(Buffer.alloc(100), 0, 100, 0, new FrameHeader())).toBe(false);
  });
});
