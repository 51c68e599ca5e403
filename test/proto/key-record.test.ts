import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DecodeError } from "../../proto/decode-error.ts";
import { decodeEvent, encodeEventRecord } from "../../proto/event-record.ts";
import {
  decodeKeyValue,
  encodeKeyRecord,
  encodeTombstoneRecord,
  KeyRecordParts,
  keyRecordSize,
  keyRecordWithoutValue,
  leaseOf,
  putKeyRecord,
  readKeyRecordParts,
} from "../../proto/key-record.ts";
import { EVENT_DELETE, EVENT_PUT } from "../../proto/messages.ts";
import { event, keyValue, recordOf } from "./arbitraries.ts";
import { oracleDecode, oracleEncode, plainEvent, plainKeyValue } from "./oracle.ts";
import { damage, damaged, lengthField } from "./wire.ts";

const KEY = Buffer.from("key");
const VALUE = Buffer.from("value");
const NOTHING = Buffer.alloc(0);

describe("a key record", () => {
  test("is tag 0x12, a length and the KeyValue that protobufjs makes", () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        const expected = lengthField(2, oracleEncode("mvccpb.KeyValue", plainKeyValue(kv)));
        expect(recordOf(kv).toString("hex")).toBe(expected.toString("hex"));
      }),
    );
  });

  test("decodes to what it was made of", () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        expect(decodeKeyValue(recordOf(kv))).toEqual(kv);
      }),
    );
  });

  test("can be written into memory of the caller's, of which it takes just its size", () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        const fields = [kv.key, kv.createRevision, kv.modRevision, kv.version, kv.value, kv.lease] as const;
        const size = keyRecordSize(...fields);
        const memory = Buffer.alloc(size + 10, 0xee);
        expect(putKeyRecord(memory, 5, ...fields)).toBe(5 + size);
        const untouched = Buffer.alloc(5, 0xee);
        expect(memory).toEqual(Buffer.concat([untouched, recordOf(kv), untouched]));
      }),
    );
  });

  test("tells where its parts lie, wherever it lies itself", () => {
    const parts = new KeyRecordParts();
    fc.assert(
      fc.property(keyValue, keyValue, (before, kv) => {
        const at = recordOf(before).length;
        const memory = Buffer.concat([recordOf(before), recordOf(kv), recordOf(before)]);
        readKeyRecordParts(memory, at, parts);
        expect(parts.end).toBe(at + recordOf(kv).length);
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
        expect(keyRecordWithoutValue(recordOf(kv))).toEqual(recordOf({ ...kv, value: NOTHING }));
      }),
    );
  });

  test("that has no value is its own record without value", () => {
    const record = encodeKeyRecord(KEY, 2, 3, 4, NOTHING, 5n);
    expect(keyRecordWithoutValue(record)).toBe(record);
  });

  test("of a delete has key and mod revision", () => {
    expect(decodeKeyValue(encodeTombstoneRecord(KEY, 9))).toEqual({
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
    const record = encodeKeyRecord(KEY, 1, revision, 1, VALUE, 0n);
    expect(oracleDecode("mvccpb.KeyValue", record.subarray(2))).toMatchObject({
      key: KEY,
      modRevision: nearest,
      value: VALUE,
    });
  });

  test("is refused when empty, cut short, followed by more, or none", () => {
    const record = encodeKeyRecord(KEY, 2, 3, 4, VALUE, 5n);
    expect(() => decodeKeyValue(NOTHING)).toThrow(DecodeError);
    expect(() => decodeKeyValue(record.subarray(0, -1))).toThrow(DecodeError);
    expect(() => decodeKeyValue(Buffer.concat([record, record]))).toThrow("bytes after the record");
    expect(() => decodeKeyValue(Buffer.from("1003", "hex"))).toThrow("not a record");
  });

  test("that was damaged gives parts inside the bytes, or a DecodeError", () => {
    const parts = new KeyRecordParts();
    fc.assert(
      fc.property(keyValue, fc.array(damage, { minLength: 1, maxLength: 4 }), (kv, damages) => {
        const bytes = damaged(recordOf(kv), damages);
        expect(refusedOrDone(() => readKeyRecordParts(bytes, 0, parts))).toBe(true);
        expect(parts.end).toBeLessThanOrEqual(bytes.length);
        expect(parts.keyEnd).toBeLessThanOrEqual(bytes.length);
        expect(parts.valueEnd).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 500 },
    );
  });
});

describe("an event record", () => {
  test("is tag 0x5a, a length and the Event that protobufjs makes", () => {
    fc.assert(
      fc.property(event, ({ type, kv, prevKv }) => {
        const record = encodeEventRecord(type, recordOf(kv ?? never()), prevKv && recordOf(prevKv));
        const expected = lengthField(11, oracleEncode("mvccpb.Event", plainEvent({ type, kv, prevKv })));
        expect(record.toString("hex")).toBe(expected.toString("hex"));
      }),
    );
  });

  test("decodes to what it was made of", () => {
    fc.assert(
      fc.property(event, ({ type, kv, prevKv }) => {
        const record = encodeEventRecord(type, recordOf(kv ?? never()), prevKv && recordOf(prevKv));
        expect(decodeEvent(record)).toEqual({ type, kv, prevKv });
      }),
    );
  });

  test("leaves the key records as they were", () => {
    const kv = encodeTombstoneRecord(KEY, 9);
    const prevKv = encodeKeyRecord(KEY, 2, 3, 4, VALUE, 0n);
    const copies = [Buffer.from(kv), Buffer.from(prevKv)];
    encodeEventRecord(EVENT_DELETE, kv, prevKv);
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
    const record = encodeEventRecord(EVENT_PUT, encodeKeyRecord(KEY, 2, 3, 4, VALUE, 5n), null);
    expect(() => decodeEvent(NOTHING)).toThrow(DecodeError);
    expect(() => decodeEvent(record.subarray(0, -1))).toThrow(DecodeError);
    expect(() => decodeEvent(Buffer.concat([record, record]))).toThrow("bytes after the record");
    expect(() => decodeEvent(Buffer.from("1003", "hex"))).toThrow("not a record");
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
