import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DecodeError } from "../../proto/decode-error.ts";
import { hotMessages } from "./hot-messages.ts";
import type { Plain } from "./oracle.ts";
import { nearest, oracleDecode, oracleEncode } from "./oracle.ts";
import { damage, damaged, sprinkled, unknownField } from "./wire.ts";

const RUNS = { numRuns: 120 };

describe.each(hotMessages)("$name", (hot) => {
  test("what we encode, protobufjs decodes", () => {
    fc.assert(
      fc.property(hot.arbitrary, (message) => {
        expect(oracleDecode(hot.name, hot.encode(message))).toEqual(hot.plain(message));
      }),
      RUNS,
    );
  });

  test("what protobufjs encodes, we decode", () => {
    fc.assert(
      fc.property(hot.arbitrary, (message) => {
        expect(hot.decode(oracleEncode(hot.name, hot.plain(message)))).toEqual(message);
      }),
      RUNS,
    );
  });

  test("our bytes are those of protobufjs", () => {
    fc.assert(
      fc.property(hot.arbitrary, (message) => {
        expect(hot.encode(message).toString("hex")).toBe(oracleEncode(hot.name, hot.plain(message)).toString("hex"));
      }),
      RUNS,
    );
  });

  test("unknown fields are passed over wherever they stand", () => {
    fc.assert(
      fc.property(hot.arbitrary, fc.array(unknownField, { maxLength: 5 }), (message, fields) => {
        const decoded = hot.decode(sprinkled(hot.name, hot.encode(message), fields));
        expect(hot.plain(decoded)).toEqual(hot.plain(message));
      }),
      RUNS,
    );
  });

  test("a message cut short is refused or shorter, never read beyond its end", () => {
    fc.assert(
      fc.property(hot.arbitrary, fc.double({ min: 0, max: 1, noNaN: true }), (message, place) => {
        const whole = hot.encode(message);
        const cut = Math.floor(place * whole.length);
        const alone = unlessRefused(() => hot.decode(Buffer.from(whole.subarray(0, cut))), DecodeError);
        // What lies behind the view would complete the message, should the decoder look there.
        const view = unlessRefused(() => hot.decode(whole.subarray(0, cut)), DecodeError);
        expect(view).toEqual(alone);
      }),
      RUNS,
    );
  });

  test("damaged bytes give a DecodeError or a value that protobufjs gives too and that can be encoded again", () => {
    fc.assert(
      fc.property(hot.arbitrary, fc.array(damage, { minLength: 1, maxLength: 4 }), (message, damages) => {
        const { ours, theirs, again } = judged(damaged(hot.encode(message), damages));
        expect(ours).toEqual(theirs);
        expect(ours).toEqual(again);
      }),
      { numRuns: 400 },
    );
  });

  test("random bytes give a DecodeError or a value that protobufjs gives too and that can be encoded again", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (random) => {
        const { ours, theirs, again } = judged(Buffer.from(random));
        expect(ours).toEqual(theirs);
        expect(ours).toEqual(again);
      }),
      { numRuns: 400 },
    );
  });

  /** What we make of the bytes, what protobufjs does, and what comes of encoding and decoding ours again. */
  function judged(bytes: Buffer): { ours: Plain | null; theirs: Plain | null; again: Plain | null } {
    const message = unlessRefused(() => hot.decode(bytes), DecodeError);
    // Encoded kvs are views, and what is inside is looked at only now.
    const ours = message === null ? null : unlessRefused(() => hot.plain(message), DecodeError);
    if (message === null || ours === null) return { ours: null, theirs: null, again: null };
    const theirs = unlessRefused(() => nearest(oracleDecode(hot.name, bytes)), Error);
    const again = hot.plain(hot.decode(hot.encode(message)));
    // Each refuses a little that the other takes: we a varint of 65 bits, protobufjs a tag in more bytes than it needs.
    // And where the members of a oneof alternate, protobufjs keeps what was overwritten.
    return { ours, theirs: theirs === null || hot.hasOneof ? ours : theirs, again };
  }
});

/** What the function returns, or null when it throws an error of the given kind. */
function unlessRefused<Result>(decode: () => Result, kind: new (...given: never[]) => Error): Result | null {
  try {
    return decode();
  } catch (error) {
    if (error instanceof kind) return null;
    throw error;
  }
}
