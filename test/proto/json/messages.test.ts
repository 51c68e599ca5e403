import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonError } from "../../../proto/json/json-error.ts";
import { firstJsonValue } from "../../../proto/json/json-values.ts";
import { JSON_PIECE_CHARACTERS, PARTS_WINDOW_BYTES } from "../../../proto/json/limits.ts";
import { messageFromJson } from "../../../proto/json/message-from-json.ts";
import { messageToJson } from "../../../proto/json/message-to-json.ts";
import { WireSource } from "../../../proto/json/wire-source.ts";
import { allMethods, schema } from "../../../proto/schema.ts";
import { allSteps } from "./all-steps.ts";
import { jsonOf } from "./json-arbitraries.ts";

/** All messages of calls that have a path. */
const MESSAGES = [
  ...new Set(
    allMethods()
      .filter(({ httpPaths }) => httpPaths.length > 0)
      .flatMap(({ requestType, responseType }) => [requestType, responseType]),
  ),
];

function fromJson(name: string, json: string | Buffer): Buffer {
  return Buffer.from(allSteps(messageFromJson(schema().lookupType(name), Buffer.from(json))));
}

/** @param cuts where the wire bytes are cut into parts */
function toJson(name: string, wire: Buffer, cuts: readonly number[] = []): string {
  const ends = [...cuts.map((at) => at % (wire.length + 1)), wire.length].toSorted((a, b) => a - b);
  const parts = ends.map((end, i) => wire.subarray(i === 0 ? 0 : ends[i - 1], end));
  return [...messageToJson(schema().lookupType(name), new WireSource([parts], wire.length))].join("");
}

function fieldsOf(name: string, wire: Buffer): unknown {
  const type = schema().lookupType(name);
  return type.toObject(type.decode(wire), { longs: String, bytes: String, defaults: true, arrays: true, oneofs: true });
}

test("a message is the same after JSON as before, whatever parts it came in", () => {
  const message = fc
    .constantFrom(...MESSAGES)
    .chain((name) => fc.tuple(fc.constant(name), jsonOf(name), fc.array(fc.nat(), { maxLength: 5 })));
  let messages = 0;
  fc.assert(
    fc.property(message, ([name, text, cuts]) => {
      let wire: Buffer;
      try {
        const json = allSteps(firstJsonValue(text));
        fc.pre(json !== null);
        wire = fromJson(name, json ?? "");
      } catch (error) {
        if (error instanceof JsonError) return;
        throw error;
      }
      messages++;
      // The server writes fields in their order.
      const type = schema().lookupType(name);
      const ordered = Buffer.from(type.encode(type.decode(wire)).finish());
      const json = toJson(name, ordered, cuts);
      expect(() => JSON.parse(json)).not.toThrow();
      expect(fieldsOf(name, fromJson(name, json))).toEqual(fieldsOf(name, wire));
    }),
    { numRuns: 1_000 },
  );
  expect(messages).toBeGreaterThan(100);
});

describe("as JSON", () => {
  const kv = "mvccpb.KeyValue";

  test("names are those of the .proto files, numbers of 64 bits are texts, and zero is left out", () => {
    const put = { key: Buffer.from("k"), createRevision: 2, modRevision: 0, version: -1, lease: 0 };
    const wire = Buffer.from(schema().lookupType(kv).encode(put).finish());
    expect(toJson(kv, wire)).toBe('{"key":"aw==","create_revision":"2","version":"-1"}');
  });

  test("a member of a oneof is there also when it is zero, and a message also when it is empty", () => {
    expect(toJson("etcdserverpb.Compare", fromJson("etcdserverpb.Compare", '{"version":0}'))).toBe('{"version":"0"}');
    const response = fromJson("etcdserverpb.TxnResponse", '{"responses":[{"response_put":{}},{}]}');
    expect(toJson("etcdserverpb.TxnResponse", response)).toBe('{"responses":[{"response_put":{}},{}]}');
  });

  test("an enum that has no name is its number", () => {
    expect(toJson("etcdserverpb.AlarmRequest", fromJson("etcdserverpb.AlarmRequest", '{"action":7,"alarm":1}'))).toBe(
      '{"action":7,"alarm":"NOSPACE"}',
    );
  });

  test("a long value is made in pieces", () => {
    const value = Buffer.alloc(3 * PARTS_WINDOW_BYTES + 1, "plinth");
    const wire = fromJson(kv, JSON.stringify({ value: value.toString("base64"), lease: "7" }));
    const half = wire.length >> 1;
    const source = new WireSource([wire.subarray(0, half), wire.subarray(half)], wire.length);
    const pieces = [...messageToJson(schema().lookupType(kv), source)];
    expect(pieces.length).toBeGreaterThan(3);
    for (const piece of pieces) expect(piece.length).toBeLessThan(2 * JSON_PIECE_CHARACTERS);
    expect(JSON.parse(pieces.join(""))).toEqual({ value: value.toString("base64"), lease: "7" });
  });
});

describe("from JSON", () => {
  const put = "etcdserverpb.PutRequest";

  test.each([
    ['{"prev_kv":true}', '{"prevKv":true}'],
    ['{"value":"+/8="}', '{"value":"-_8"}'],
    ['{"value":"YWI="}', '{"value":"YW\\nI=\\n\\r\\n"}'],
    ['{"lease":"100"}', '{"lease":1e2}'],
    ['{"lease":"100"}', '{"lease":"1000.0e-1"}'],
    ['{"lease":"12"}', '{"lease":"12 and more"}'],
    ['{"lease":"-9223372036854775808"}', '{"lease":-9223372036854775808}'],
    ['{"key":"YQ=="}', '{"key":"YQ==","value":null,"none":[{"key":1}],"":"\\ud83d\\ude00"}'],
  ])("%s is also %s", (one, other) => {
    expect(fromJson(put, other)).toEqual(fromJson(put, one));
  });

  test.each([
    ['{"value":"Y"}', '(line 1:10): invalid value for bytes field value: "Y"'],
    ['{"value":"YQ="}', '(line 1:10): invalid value for bytes field value: "YQ="'],
    ['{"value":"-+=="}', '(line 1:10): invalid value for bytes field value: "-+=="'],
    ['{"value":"Y===YQ=="}', '(line 1:10): invalid value for bytes field value: "Y===YQ=="'],
    ['{"lease":1.5}', "(line 1:10): invalid value for int64 field lease: 1.5"],
    ['{"lease":"1 "}', '(line 1:10): invalid value for int64 field lease: "1 "'],
    ['{"lease":9223372036854775808}', "(line 1:10): invalid value for int64 field lease: 9223372036854775808"],
    ['{"lease":1e99999999999}', "(line 1:10): invalid value for int64 field lease: 1e99999999999"],
    ['{\n\t"\u00fc":0, "prevKv":1}', "(line 2:18): invalid value for bool field prevKv: 1"],
    ['{"key":"","key":""}', '(line 1:11): duplicate field "key"'],
    ['{"key":[]}', "(line 1:8): invalid value for bytes field key: ["],
    ["[]", "syntax error (line 1:1): unexpected token ["],
    ['{"x":"\\ud800"}', "syntax error (line 1:6): invalid escape code in string"],
  ])("%s is refused", (json, message) => {
    expect(() => fromJson(put, json)).toThrow(new JsonError(`proto: ${message}`));
  });

  test.each(["1", "0", "NONE", "toString", "constructor", "__proto__", ""])(
    "%j is no name of an enum, and counts for nothing",
    (name) => {
      const range = "etcdserverpb.RangeRequest";
      const text = JSON.stringify({ limit: 1, sort_order: name });
      const order = fieldsOf(range, fromJson(range, text));
      expect(order).toEqual(fieldsOf(range, fromJson(range, '{"limit":1}')));
    },
  );

  test("two members of a oneof are refused", () => {
    const text = '{"version":1,"mod_revision":2}';
    expect(() => fromJson("etcdserverpb.Compare", text)).toThrow(
      'proto: (line 1:14): error parsing "mod_revision", oneof etcdserverpb.Compare.target_union is already set',
    );
  });

  test("how deep a message goes, and how many values it has, is limited", () => {
    const txn = "etcdserverpb.TxnRequest";
    const nested = (depth: number): string =>
      depth === 0 ? "{}" : `{"success":[{"request_txn":${nested(depth - 1)}}]}`;
    expect(() => fromJson(txn, nested(49))).not.toThrow();
    expect(() => fromJson(txn, nested(50))).toThrow("proto: exceeded max recursion depth");
    const many = `{"keys":[${"1,".repeat(200_000)}1]}`;
    expect(() => fromJson("etcdserverpb.LeaseTimeToLiveResponse", many.replaceAll("1", '""'))).toThrow(
      "proto: too many values",
    );
    // What is not known is counted like what is.
    for (const value of ["1", '""', "{}", "[]", '{"":null}']) {
      const unknown = `{"none":[${Array(200_000).fill(value).join(",")}]}`;
      expect(() => fromJson(txn, unknown)).toThrow("proto: too many values");
    }
    // A key, a value and a lease in each of the most that a txn may have.
    const operation = '{"request_put":{"key":"YQ==","value":"YQ==","lease":"1"}}';
    const compare = '{"key":"YQ==","target":"MOD","result":"EQUAL","mod_revision":"1"}';
    const lists = { compare, success: operation, failure: operation };
    const most = Object.entries(lists).map(([name, of]) => `"${name}":[${Array(10_000).fill(of).join(",")}]`);
    expect(() => fromJson(txn, `{${most.join(",")}}`)).not.toThrow();
  });
});
