import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { TooManyOpsError } from "../../proto/decode-error.ts";
import { DEPTH_MAX, FIELDS_MAX } from "../../proto/limits.ts";
import {
  FILTER_NODELETE,
  FILTER_NOPUT,
  TARGET_LEASE,
  UNION_LEASE,
  UNION_MOD,
  UNION_NONE,
  UNION_VALUE,
} from "../../proto/messages.ts";
import {
  decodeCompactionRequest,
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  decodeWatchRequest,
  emptyDeleteRangeRequest,
  emptyPutRequest,
  emptyRangeRequest,
  emptyTxnRequest,
  emptyWatchCreateRequest,
} from "../../proto/requests.ts";
import { lengthField, tag, varint, varintField } from "./wire.ts";

const KEY = Buffer.from("key");
const VALUE = Buffer.from("value");
const NOTHING = Buffer.alloc(0);

function compareOf(...fields: Buffer[]) {
  return decodeTxnRequest(lengthField(1, ...fields)).compare[0];
}

function opOf(...fields: Buffer[]) {
  return decodeTxnRequest(lengthField(2, ...fields)).success[0];
}

function nestedTxn(depth: number): Buffer {
  let txn: Buffer = NOTHING;
  for (let i = 0; i < depth; i++) txn = lengthField(2, lengthField(4, txn));
  return txn;
}

describe("a field that is not on the wire has its zero value", () => {
  test.each([
    ["RangeRequest", decodeRangeRequest, emptyRangeRequest()],
    ["PutRequest", decodePutRequest, emptyPutRequest()],
    ["DeleteRangeRequest", decodeDeleteRangeRequest, emptyDeleteRangeRequest()],
    ["TxnRequest", decodeTxnRequest, emptyTxnRequest()],
    ["CompactionRequest", decodeCompactionRequest, { revision: 0, physical: false }],
    ["WatchRequest", decodeWatchRequest, { case: "none" }],
  ])("%s", (_, decode, empty) => {
    expect(decode(NOTHING)).toEqual(empty);
  });
});

test("keys and values are views into the message", () => {
  const message = Buffer.concat([lengthField(1, KEY), lengthField(2, Buffer.from("value"))]);
  const { key, value } = decodePutRequest(message);
  message.fill("x");
  expect([key.toString(), value.toString()]).toEqual(["xxx", "xxxxx"]);
});

describe("a oneof knows a member whose value is zero", () => {
  test("mod_revision 0 in a Compare", () => {
    expect(compareOf(varintField(6, 0))).toMatchObject({ union: UNION_MOD, number: 0 });
  });

  test("an empty value in a Compare", () => {
    expect(compareOf(lengthField(7))).toMatchObject({ union: UNION_VALUE, value: NOTHING });
  });

  test("lease 0 in a Compare", () => {
    expect(compareOf(varintField(2, TARGET_LEASE), varintField(8, 0))).toMatchObject({ union: UNION_LEASE, lease: 0n });
  });

  test("a Compare without any", () => {
    expect(compareOf(lengthField(3, KEY))).toMatchObject({ union: UNION_NONE, key: KEY });
  });

  test("operations with empty requests", () => {
    expect([1, 2, 3, 4].map((field) => opOf(lengthField(field)).case)).toEqual(["range", "put", "deleteRange", "txn"]);
  });

  test("an operation without any, or with one we do not know", () => {
    expect(opOf()).toEqual({ case: "none" });
    expect(opOf(lengthField(9, KEY))).toEqual({ case: "none" });
  });

  test("an empty cancel_request cancels watch 0", () => {
    expect(decodeWatchRequest(lengthField(2))).toEqual({ case: "cancel", watchId: 0 });
  });

  test("an empty progress_request", () => {
    expect(decodeWatchRequest(lengthField(3))).toEqual({ case: "progress" });
  });

  test("an empty create_request", () => {
    expect(decodeWatchRequest(lengthField(1))).toEqual({ case: "create", request: emptyWatchCreateRequest() });
  });
});

describe("what stands there twice", () => {
  test("of a scalar the last counts, also when it is zero", () => {
    expect(decodeCompactionRequest(Buffer.concat([varintField(1, 7), varintField(1, 9)])).revision).toBe(9);
    expect(decodeCompactionRequest(Buffer.concat([varintField(1, 7), varintField(1, 0)])).revision).toBe(0);
    expect(decodePutRequest(Buffer.concat([lengthField(1, KEY), lengthField(1)])).key).toEqual(NOTHING);
  });

  test("of a oneof the last member counts, and the others are zero", () => {
    const compare = compareOf(varintField(6, 7), varintField(8, 3), lengthField(7, KEY));
    expect(compare).toMatchObject({ union: UNION_VALUE, number: 0, lease: 0n, value: KEY });
    expect(compareOf(lengthField(7, KEY), varintField(6, 0))).toMatchObject({ union: UNION_MOD, value: NOTHING });
  });

  test.each([
    ["range", 1, { ...emptyRangeRequest(), key: KEY }],
    ["put", 2, { ...emptyPutRequest(), key: KEY }],
    ["deleteRange", 3, { ...emptyDeleteRangeRequest(), key: KEY }],
  ])("the same message member is merged: %s", (member, field, request) => {
    const op = opOf(lengthField(field, lengthField(1, KEY)), lengthField(field, lengthField(2, VALUE)));
    const second = member === "put" ? { value: VALUE } : { rangeEnd: VALUE };
    expect(op).toEqual({ case: member, request: { ...request, ...second } });
  });

  test.each([
    ["range", 1, emptyRangeRequest()],
    ["put", 2, emptyPutRequest()],
    ["deleteRange", 3, emptyDeleteRangeRequest()],
    ["txn", 4, emptyTxnRequest()],
  ])("a message member after another one starts anew: %s", (member, field, request) => {
    const other = field === 3 ? 1 : 3;
    const first = lengthField(1, member === "txn" ? NOTHING : KEY);
    const op = opOf(lengthField(field, first), lengthField(other), lengthField(field));
    expect(op).toEqual({ case: member, request });
  });

  test("nested txns are merged too", () => {
    const op = opOf(lengthField(4, lengthField(2)), lengthField(4, lengthField(2), lengthField(3)));
    const none = { case: "none" };
    expect(op).toEqual({ case: "txn", request: { compare: [], success: [none, none], failure: [none] } });
  });

  test("create requests of a watch are merged, and their filters added up", () => {
    const message = Buffer.concat([
      lengthField(1, lengthField(1, KEY), varintField(5, FILTER_NODELETE)),
      lengthField(1, varintField(5, FILTER_NOPUT)),
    ]);
    const request = { ...emptyWatchCreateRequest(), key: KEY, filters: [FILTER_NODELETE, FILTER_NOPUT] };
    expect(decodeWatchRequest(message)).toEqual({ case: "create", request });
  });

  test("cancel requests of a watch are merged", () => {
    const message = Buffer.concat([lengthField(2, varintField(1, 3)), lengthField(2)]);
    expect(decodeWatchRequest(message)).toEqual({ case: "cancel", watchId: 3 });
  });
});

test("filters are read packed, unpacked and mixed, each once, and without those that filter nothing", () => {
  const filters = [varintField(5, 1), lengthField(5, varint(0), varint(1), varint(300)), varintField(5, -1)];
  expect(decodeWatchRequest(lengthField(1, ...filters))).toMatchObject({ request: { filters: [1, 0] } });
  const many = lengthField(5, Buffer.alloc(FIELDS_MAX / 2, 1));
  expect(decodeWatchRequest(lengthField(1, many))).toMatchObject({ request: { filters: [1] } });
});

describe("what is long is not read to its end:", () => {
  const unknown = varintField(15, 0);
  const tooMany = "too many fields";

  test("a message has a limited number of fields", () => {
    const most = Buffer.alloc(FIELDS_MAX * unknown.length, unknown);
    expect(decodePutRequest(most)).toEqual(emptyPutRequest());
    expect(() => decodePutRequest(Buffer.concat([most, unknown]))).toThrow(tooMany);
    expect(() => decodeWatchRequest(lengthField(1, lengthField(5, Buffer.alloc(FIELDS_MAX))))).toThrow(tooMany);
    expect(() => decodeTxnRequest(lengthField(1, most))).toThrow(tooMany);
  });

  test("of a txn with too many operations one too many is read, and nothing behind it", () => {
    const malformed = Buffer.from([0x12, 0x7f]);
    for (const field of [1, 2, 3]) {
      const op = lengthField(field);
      const { compare, success, failure } = decodeTxnRequest(Buffer.concat([op, op, op, op, malformed]), 2);
      expect([compare, success, failure][field - 1]).toHaveLength(3);
      // Nor is anything of it read that comes in another piece of the same field.
      const pieces = lengthField(2, lengthField(4, op, op, op), lengthField(4, op));
      const [nested] = decodeTxnRequest(pieces, 2).success;
      if (nested.case !== "txn") throw new Error("it is a txn");
      expect([nested.request.compare, nested.request.success, nested.request.failure][field - 1]).toHaveLength(3);
    }
  });

  test("the operations of nested txns count together", () => {
    const nested = lengthField(2, lengthField(4, lengthField(2), lengthField(1), lengthField(3)));
    expect(decodeTxnRequest(Buffer.concat([nested, nested]), 2, 8)).toBeDefined();
    expect(() => decodeTxnRequest(Buffer.concat([nested, nested]), 2, 7)).toThrow(TooManyOpsError);
    // Another txn has limits of its own.
    expect(decodeTxnRequest(Buffer.concat([nested, nested, nested])).success).toHaveLength(3);
  });
});

describe("numbers", () => {
  test("a negative int64 takes ten bytes and stays negative", () => {
    expect(decodeCompactionRequest(varintField(1, -1)).revision).toBe(-1);
    expect(decodeCompactionRequest(varintField(1, -(2n ** 63n))).revision).toBe(-(2 ** 63));
    expect(decodeCompactionRequest(varintField(1, -(2n ** 32n))).revision).toBe(-(2 ** 32));
  });

  test.each([2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 35n, 2n ** 53n - 1n])("%d is exact", (value) => {
    expect(decodeCompactionRequest(varintField(1, value)).revision).toBe(Number(value));
  });

  test.each([2n ** 53n + 1n, 2n ** 53n + 3n, 2n ** 62n + 513n, 2n ** 63n - 1n, -(2n ** 53n) - 3n, 1n - 2n ** 63n])(
    "%d becomes the nearest double",
    (value) => {
      expect(decodeCompactionRequest(varintField(1, value)).revision).toBe(Number(value));
    },
  );

  test.each([-7n, -1n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, 1n << 32n])("lease %d is exact", (lease) => {
    expect(decodePutRequest(varintField(3, lease)).lease).toBe(lease);
  });

  test("any varint but zero is true", () => {
    expect(decodePutRequest(varintField(4, 2n ** 63n)).prevKv).toBe(true);
    expect(decodePutRequest(varintField(4, 256)).prevKv).toBe(true);
    expect(decodePutRequest(Buffer.concat([tag(4, 0), Buffer.from("808000", "hex")])).prevKv).toBe(false);
  });

  test("an enum keeps unknown and negative values, and only 32 bits", () => {
    expect(decodeRangeRequest(varintField(5, 9)).sortOrder).toBe(9);
    expect(decodeRangeRequest(varintField(5, -3)).sortOrder).toBe(-3);
    expect(decodeRangeRequest(varintField(5, 2n ** 32n + 2n)).sortOrder).toBe(2);
  });

  test("a number, a tag and a length may be written in more bytes than they need", () => {
    expect(decodeCompactionRequest(Buffer.from("08878000", "hex")).revision).toBe(7);
    expect(decodeCompactionRequest(Buffer.from("888080800007", "hex")).revision).toBe(7);
    expect(decodePutRequest(Buffer.from("0a8380006b6579", "hex")).key).toEqual(KEY);
  });
});

test("a known field with another wire type is unknown", () => {
  const message = Buffer.concat([
    lengthField(3, KEY),
    varintField(1, 5),
    Buffer.concat([tag(2, 1), Buffer.alloc(8)]),
    Buffer.concat([tag(2, 5), Buffer.alloc(4)]),
    Buffer.concat([tag(1, 3), varintField(1, 1), tag(1, 4)]),
    varintField(4, 6),
  ]);
  expect(decodeRangeRequest(message)).toEqual({ ...emptyRangeRequest(), revision: 6 });
});

describe("malformed bytes are refused", () => {
  test.each([
    ["field number 0", "00"],
    ["field number 0", "0200"],
    ["field number beyond the largest", "888080801001"],
    ["message ends inside a varint", "18"],
    ["message ends inside a varint", "1880"],
    ["message ends inside a varint", "188080808080"],
    ["message ends inside a varint", "88"],
    ["message ends inside a varint", "0a"],
    ["varint longer than 64 bits", `18${"ff".repeat(9)}02`],
    ["varint longer than 64 bits", `18${"80".repeat(10)}00`],
    ["length beyond the end of the message", "0a0261"],
    ["length beyond the end of the message", "0affffffff0f61"],
    ["length beyond the end of the message", "0affffffffffffffffff0161"],
    ["length beyond the end of the message", "7a0261"],
    ["message ends inside a field", "7900000000000000"],
    ["message ends inside a field", "7d000000"],
    ["message ends inside a group", "7b"],
    ["message ends inside a group", "7b7801"],
    ["end of a group that was not begun", "7c"],
    ["end of a group that was not begun", "7b8401"],
    ["unknown wire type 6", "7e"],
    ["unknown wire type 7", "7f"],
  ])("%s: %s", (message, hex) => {
    const bytes = Buffer.from(hex, "hex");
    expect(() => decodeRangeRequest(bytes)).toThrow(expect.objectContaining({ name: "DecodeError", message }));
    // The bytes that would follow in memory belong to somebody else.
    const within = Buffer.concat([bytes, Buffer.alloc(16)]).subarray(0, bytes.length);
    expect(() => decodeRangeRequest(within)).toThrow(expect.objectContaining({ name: "DecodeError", message }));
  });

  test("an embedded message ends where its length says, not where its field does", () => {
    // A compare of two bytes: tag and length of a key of five bytes that would reach into the next field.
    const message = Buffer.from("0a021a0512036b6579", "hex");
    expect(() => decodeTxnRequest(message)).toThrow("length beyond the end of the message");
  });
});

describe("nesting", () => {
  test(`is allowed to a depth of ${DEPTH_MAX}`, () => {
    let request = decodeTxnRequest(nestedTxn(DEPTH_MAX / 2));
    let depth = 0;
    for (; request.success.length === 1; depth++) {
      const [op] = request.success;
      if (op.case !== "txn") break;
      request = op.request;
    }
    expect(depth).toBe(DEPTH_MAX / 2);
  });

  test("is refused beyond", () => {
    const tooDeep = `messages nested deeper than ${DEPTH_MAX}`;
    expect(() => decodeTxnRequest(nestedTxn(DEPTH_MAX / 2 + 1))).toThrow(tooDeep);
    expect(() => decodeTxnRequest(nestedTxn(2000))).toThrow(tooDeep);
  });

  test("counts groups of unknown fields too, and only those that are open", () => {
    const begin = tag(15, 3);
    const end = tag(15, 4);
    const deep = (depth: number) => Buffer.concat([...Array(depth).fill(begin), ...Array(depth).fill(end)]);
    expect(decodeRangeRequest(Buffer.concat([deep(DEPTH_MAX), deep(DEPTH_MAX)]))).toEqual(emptyRangeRequest());
    expect(() => decodeRangeRequest(deep(DEPTH_MAX + 1))).toThrow("nested deeper");
    expect(() => decodeRangeRequest(deep(1_000_000))).toThrow("nested deeper");
  });

  test("a long list is not a deep one", () => {
    const op = lengthField(2, lengthField(2, lengthField(1, KEY)));
    expect(decodeTxnRequest(Buffer.concat(Array(1000).fill(op))).success).toHaveLength(1000);
  });
});
