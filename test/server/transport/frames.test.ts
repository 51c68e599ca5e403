import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { FrameReader } from "../../../server/transport/frames/frame-reader.ts";
import type { FrameHandler } from "../../../server/transport/frames/frame-reader.ts";
import {
  PREFACE,
  encodeFrame,
  encodeGoaway,
  encodeSettings,
  readUint31,
  readUint32,
} from "../../../server/transport/frames/frames.ts";

/** Notes every frame, with a copy of its payload. */
class Recorder implements FrameHandler {
  stopped = false;
  readonly frames: unknown[] = [];
  tooLarge: [type: number, length: number] | null = null;
  badPreface = false;
  #looks = 0;

  turnOver(): boolean {
    return ++this.#looks % 2 === 0;
  }

  onFrame(bytes: Buffer, type: number, flags: number, streamId: number, start: number, end: number): boolean {
    this.frames.push([type, flags, streamId, bytes.toString("hex", start, end)]);
    return this.frames.length % 3 === 0;
  }

  onFrameTooLarge(type: number, length: number): void {
    this.tooLarge = [type, length];
    this.stopped = true;
  }

  onBadPreface(): void {
    this.badPreface = true;
    this.stopped = true;
  }
}

const anyFrame = fc.tuple(
  fc.integer({ min: 0, max: 255 }),
  fc.integer({ min: 0, max: 255 }),
  fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  fc.uint8Array({ maxLength: 400 }),
);

/** Reads `octets` in chunks of the given sizes, over and over; each chunk is overwritten after it was read. */
function readInChunks(reader: FrameReader, octets: Buffer, sizes: readonly number[]): void {
  for (let at = 0, i = 0; at < octets.length; i++) {
    const size = sizes[i % sizes.length];
    const chunk = Buffer.concat([Buffer.alloc(3), octets.subarray(at, at + size), Buffer.alloc(2)]);
    for (let from = 3; from < chunk.length - 2;) from = reader.read(chunk, from, chunk.length - 2);
    chunk.fill(0xdb);
    at += size;
  }
}

test("frames come out whole and in order, however the octets are cut", () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 10 }),
      (all, sizes) => {
        const octets = Buffer.concat([
          PREFACE,
          ...all.map(([type, flags, id, payload]) => encodeFrame(type, flags, id, payload)),
        ]);
        const recorder = new Recorder();
        readInChunks(new FrameReader(recorder, 16_384), octets, sizes);
        expect(recorder.frames).toEqual(
          all.map(([type, flags, id, payload]) => [type, flags, id, Buffer.from(payload).toString("hex")]),
        );
      },
    ),
  );
});

describe.each([[[1]], [[8]], [[1_000_000]]])("in chunks of %s", (sizes) => {
  test("a frame above the limit is refused by its header alone", () => {
    const recorder = new Recorder();
    const octets = Buffer.concat([PREFACE, encodeFrame(0, 0, 1, Buffer.alloc(101)).subarray(0, 9)]);
    readInChunks(new FrameReader(recorder, 100), octets, sizes);
    expect(recorder.tooLarge).toEqual([0, 101]);
    expect(recorder.frames).toEqual([]);
  });

  test("a wrong preface is refused at its first wrong octet", () => {
    const recorder = new Recorder();
    readInChunks(new FrameReader(recorder, 100), Buffer.from("PRI * HTTP/3"), sizes);
    expect(recorder.badPreface).toBe(true);
  });
});

test("nothing is read after the handler stopped", () => {
  const recorder = new Recorder();
  recorder.onFrame = (): boolean => {
    recorder.frames.push("frame");
    recorder.stopped = true;
    return false;
  };
  const ping = encodeFrame(6, 0, 0, Buffer.alloc(8));
  readInChunks(new FrameReader(recorder, 100), Buffer.concat([PREFACE, ping, ping]), [1_000]);
  expect(recorder.frames).toEqual(["frame"]);
});

test("numbers of 31 and 32 bits are read as written", () => {
  expect(readUint32(Buffer.from("fffffffe", "hex"), 0)).toBe(0xff_ff_ff_fe);
  expect(readUint31(Buffer.from("fffffffe", "hex"), 0)).toBe(0x7f_ff_ff_fe);
  expect(encodeSettings([[4, 0x7f_ff_ff_ff]]).toString("hex")).toBe("00047fffffff");
  expect(encodeGoaway(7, 11, "é").toString("hex")).toBe("000000070000000bc3a9");
});
