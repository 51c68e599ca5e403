import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DecodeError } from "../../proto/decode-error.ts";
import { decodeEvent, encodeEvent } from "../../proto/encoded-event.ts";
import {
  decodeKeyValue,
  KvParts,
  bytesWithoutValue,
  encodedSize,
  keyValueSize,
  kvWithoutValue,
  leaseOf,
  putKv,
  readKvParts,
} from "../../proto/encoded-kv.ts";
import { createRevisionOf, versionOf } from "../../proto/kv-numbers.ts";
import { encodeKv, encodeTombstone } from "./encode-kv.ts";
import { EVENT_DELETE, EVENT_PUT } from "../../proto/messages.ts";
import { event, keyValue, encodedOf } from "./arbitraries.ts";
import { oracleDecode, oracleEncode, plainEvent, plainKeyValue } from "./oracle.ts";
import { damage, damaged, lengthField } from "./wire.ts";

const KEY = Buffer.from("key");
const VALUE = Buffer.from("value");
const NOTHING = Buffer.alloc(0);

describe("an encoded kv", () => {
  test("is tag 0x12, a length and the KeyValue that protobufjs makes", () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        const expected = lengthField(2, oracleEncode("mvccpb.KeyValue", plainKeyValue(kv)));
        expect(encodedOf(kv).toString("hex")).toBe(expected.toString("hex"));
      }),
    );
  });

  test("decodes to what it was made of", () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        expect(decodeKeyValue(encodedOf(kv))).toEqual(kv);
      }),
    );
  });

  test("can be written into memory of the caller's, of which it takes just its size", () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        const fields = [kv.key, kv.createRevision, kv.modRevision, kv.version, kv.value, kv.lease] as const;
        const size = keyValueSize(...fields);
        const memory = Buffer.alloc(encodedSize(size) + 10, 0xee);
        expect(putKv(memory, 5, size, ...fields)).toBe(5 + encodedSize(size));
        const untouched = Buffer.alloc(5, 0xee);
        expect(memory).toEqual(Buffer.concat([untouched, encodedOf(kv), untouched]));
      }),
    );
  });

  test("tells its create revision and its version to who knows where its key ends", () => {
    const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const parts = new KvParts();
    fc.assert(
      fc.property(keyValue, number, number, number, (fields, createRevision, modRevision, version) => {
        const kv = encodedOf({ ...fields, createRevision, modRevision, version });
        readKvParts(kv, 0, parts);
        const keyEnd = fields.key.length === 0 ? parts.keyValueStart : parts.keyEnd;
        expect(createRevisionOf(kv, keyEnd)).toBe(createRevision);
        expect(versionOf(kv, keyEnd)).toBe(version);
      }),
    );
  });

  test("tells where its parts lie, wherever it lies itself", () => {
    const parts = new KvParts();
    fc.assert(
      fc.property(keyValue, keyValue, (before, kv) => {
        const at = encodedOf(before).length;
        const memory = Buffer.concat([encodedOf(before), encodedOf(kv), encodedOf(before)]);
        readKvParts(memory, at, parts);
        expect(parts.end).toBe(at + encodedOf(kv).length);
        expect({
          key: memory.subarray(parts.keyStart, parts.keyEnd),
          createRevision: parts.createRevision,
          modRevision: parts.modRevision,
          version: parts.version,
          value: memory.subarray(parts.valueStart, parts.valueEnd),
          lease: leaseOf(memory, parts),
        }).toEqual(kv);
      }),
    );
  });

  test("without its value has all the rest", () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        const encoded = encodedOf(kv);
        const without = kvWithoutValue(encoded);
        expect(without).toEqual(encodedOf({ ...kv, value: NOTHING }));
        const parts = new KvParts();
        readKvParts(encoded, 0, parts);
        expect(bytesWithoutValue(parts, encoded.length)).toBe(without.length);
      }),
    );
  });

  test("that has no value is its own form without value", () => {
    const encoded = encodeKv(KEY, 2, 3, 4, NOTHING, 5n);
    expect(kvWithoutValue(encoded)).toBe(encoded);
  });

  test("of a delete has key and mod revision", () => {
    expect(decodeKeyValue(encodeTombstone(KEY, 9))).toEqual({
      key: KEY,
      createRevision: 0,
      modRevision: 9,
      version: 0,
      value: NOTHING,
      lease: 0n,
    });
  });

  test.each([
    [2 ** 53 + 2, 2n ** 53n + 2n],
    [2 ** 63, 2n ** 63n - 1n],
    [Infinity, 2n ** 63n - 1n],
    [-(2 ** 63), -(2n ** 63n)],
    [-(2 ** 80), -(2n ** 63n)],
  ])("with the revision %d is well formed and holds the nearest int64", (revision, nearest) => {
    const encoded = encodeKv(KEY, 1, revision, 1, VALUE, 0n);
    expect(oracleDecode("mvccpb.KeyValue", encoded.subarray(2))).toMatchObject({
      key: KEY,
      modRevision: nearest,
      value: VALUE,
    });
  });

  test("is refused when empty, cut short, followed by more, or none", () => {
    const encoded = encodeKv(KEY, 2, 3, 4, VALUE, 5n);
    expect(() => decodeKeyValue(NOTHING)).toThrow(DecodeError);
    expect(() => decodeKeyValue(encoded.subarray(0, -1))).toThrow(DecodeError);
    expect(() => decodeKeyValue(Buffer.concat([encoded, encoded]))).toThrow("bytes after the encoded form");
    expect(() => decodeKeyValue(Buffer.from("1003", "hex"))).toThrow("not an encoded form");
  });

  test("that was damaged gives parts inside the bytes, or a DecodeError", () => {
    const parts = new KvParts();
    fc.assert(
      fc.property(keyValue, fc.array(damage, { minLength: 1, maxLength: 4 }), (kv, damages) => {
        const bytes = damaged(encodedOf(kv), damages);
        expect(refusedOrDone(() => readKvParts(bytes, 0, parts))).toBe(true);
        expect(parts.end).toBeLessThanOrEqual(bytes.length);
        expect(parts.keyEnd).toBeLessThanOrEqual(bytes.length);
        expect(parts.valueEnd).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 500 },
    );
  });
});

describe("an encoded event", () => {
  test("is tag 0x5a, a length and the Event that protobufjs makes", () => {
    fc.assert(
      fc.property(event, ({ type, kv, prevKv }) => {
        const encoded = encodeEvent(type, encodedOf(kv ?? never()), prevKv && encodedOf(prevKv));
        const expected = lengthField(11, oracleEncode("mvccpb.Event", plainEvent({ type, kv, prevKv })));
        expect(encoded.toString("hex")).toBe(expected.toString("hex"));
      }),
    );
  });

  test("decodes to what it was made of", () => {
    fc.assert(
      fc.property(event, ({ type, kv, prevKv }) => {
        const encoded = encodeEvent(type, encodedOf(kv ?? never()), prevKv && encodedOf(prevKv));
        expect(decodeEvent(encoded)).toEqual({ type, kv, prevKv });
      }),
    );
  });

  test("leaves the encoded kvs as they were", () => {
    const kv = encodeTombstone(KEY, 9);
    const prevKv = encodeKv(KEY, 2, 3, 4, VALUE, 0n);
    const copies = [Buffer.from(kv), Buffer.from(prevKv)];
    encodeEvent(EVENT_DELETE, kv, prevKv);
    expect([kv, prevKv]).toEqual(copies);
  });

  test("with nothing in it is a put of nothing", () => {
    expect(decodeEvent(Buffer.from("5a00", "hex"))).toEqual({ type: EVENT_PUT, kv: null, prevKv: null });
  });

  test.each([
    ["kv", 2],
    ["prevKv", 3],
  ])("merges a %s that stands there twice", (name, field) => {
    const bytes = lengthField(11, lengthField(field, lengthField(1, KEY)), lengthField(field, lengthField(5, VALUE)));
    expect(decodeEvent(bytes)).toMatchObject({ [name]: { key: KEY, value: VALUE } });
  });

  test("is refused when empty, cut short, followed by more, or none", () => {
    const encoded = encodeEvent(EVENT_PUT, encodeKv(KEY, 2, 3, 4, VALUE, 5n), null);
    expect(() => decodeEvent(NOTHING)).toThrow(DecodeError);
    expect(() => decodeEvent(encoded.subarray(0, -1))).toThrow(DecodeError);
    expect(() => decodeEvent(Buffer.concat([encoded, encoded]))).toThrow("bytes after the encoded form");
    expect(() => decodeEvent(Buffer.from("1003", "hex"))).toThrow("not an encoded form");
  });
});

function never(): never {
  throw new Error("the arbitrary always makes a kv");
}

/** True when the function returns or throws a DecodeError; any other error is the test's failure. */
function refusedOrDone(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof DecodeError) return true;
    throw error;
  }
}
