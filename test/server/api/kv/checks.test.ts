import { describe, expect, test } from "vitest";
import type { Compare, RequestOp, TxnRequest } from "../../../../proto/messages.ts";
import { checkDeleteRange, checkPut, checkRange, checkTxn } from "../../../../server/api/kv/checks.ts";
import {
  compare,
  del,
  deleteRequest,
  nested,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest as txn,
} from "../../../../bench/client/requests.ts";

const OPS_MAX = 128;

const text = (request: TxnRequest): string | null => checkTxn(request, OPS_MAX)?.message ?? null;

const NO_KEY = "etcdserver: key is not provided";
const DUPLICATE = "etcdserver: duplicate key given in txn request";
const TOO_MANY = "etcdserver: too many operations in txn request";

test("RG-13: sort order and target outside the enums are refused, and a missing key before them", () => {
  expect(checkRange(rangeRequest("k"))).toBeNull();
  expect(checkRange(rangeRequest("", { sortOrder: 9 }))?.message).toBe(NO_KEY);
  for (const bad of [{ sortOrder: 3 }, { sortOrder: -1 }, { sortTarget: 5 }, { sortTarget: -1 }]) {
    expect(checkRange(rangeRequest("k", bad))).toEqual({ code: 3, message: "etcdserver: invalid sort option" });
  }
});

test("PT-01 PT-02 PT-03: a put needs a key, and gives no value or lease that it ignores", () => {
  expect(checkPut(putRequest("k"))).toBeNull();
  expect(checkPut(putRequest(""))).toEqual({ code: 3, message: NO_KEY });
  expect(checkPut(putRequest("k", "v", { ignoreValue: true }))?.message).toBe("etcdserver: value is provided");
  expect(checkPut(putRequest("k", "", { ignoreLease: true, lease: -1n }))?.message).toBe(
    "etcdserver: lease is provided",
  );
  expect(checkPut(putRequest("k", "v", { ignoreLease: true }))).toBeNull();
});

test("a delete needs a key", () => {
  expect(checkDeleteRange(deleteRequest("k"))).toBeNull();
  expect(checkDeleteRange(deleteRequest(""))?.message).toBe(NO_KEY);
});

describe("TX-01: the number of operations", () => {
  const puts = (count: number): RequestOp[] => Array.from({ length: count }, (_, i) => put(`k${i}`));

  test("128 are taken in each of compares and branches, 129 in any are refused", () => {
    const compares = (count: number): Compare[] => Array.from({ length: count }, () => compare("k"));
    expect(text(txn(puts(128), puts(128), compares(128)))).toBeNull();
    expect(text(txn(puts(129)))).toBe(TOO_MANY);
    expect(text(txn([], puts(129)))).toBe(TOO_MANY);
    expect(text(txn([], [], compares(129)))).toBe(TOO_MANY);
  });

  test("a tree of nested txns is bounded as a whole", () => {
    const lists = (count: number): RequestOp[] => Array.from({ length: count }, () => nested([range("k")]));
    expect(text(txn(lists(120), lists(120), []))).toBeNull();
    expect(
      text(txn([nested(lists(50), lists(50)), nested(lists(50), lists(50)), nested(lists(50), lists(50))])),
    ).toBeNull();
    const six = Array.from({ length: 6 }, () => nested(lists(50), lists(50)));
    expect(text(txn(six))).toBe(TOO_MANY);
  });

  test("a nested txn has what its parent left", () => {
    expect(text(txn([nested(puts(127))]))).toBeNull();
    expect(text(txn([nested(puts(128))]))).toBe(TOO_MANY);
    expect(text(txn([nested([nested(puts(126))])]))).toBeNull();
    expect(text(txn([nested([nested(puts(127))])]))).toBe(TOO_MANY);
  });
});

test("TX-02 TX-03 TX-04: keys, flags and enums are checked in compares and at every depth", () => {
  expect(text(txn([], [], [compare("")]))).toBe(NO_KEY);
  expect(text(txn([put("")]))).toBe(NO_KEY);
  expect(text(txn([], [del("")]))).toBe(NO_KEY);
  expect(text(txn([range("k", { sortTarget: 9 })]))).toBe("etcdserver: invalid sort option");
  expect(text(txn([nested([], [nested([{ case: "none" }])])]))).toBe("etcdserver: key not found");
  expect(text(txn([]))).toBeNull();
});

describe("TX-05: overlapping writes are refused", () => {
  const cases: [string, RequestOp[]][] = [
    ["(a) two puts of one key in a list", [put("a"), put("a")]],
    ["(b) a put before a delete that covers it", [put("b"), del("a", "c")]],
    ["(b) a put after a delete that covers it", [del("b"), put("b")]],
    ["(b) a put in a nested txn below the delete", [del("a", "c"), nested([put("b")])]],
    ["(c) a put and a nested put", [put("a"), nested([put("a")])]],
    ["(c) a put and a nested delete", [put("a"), nested([], [del("a")])]],
    ["(d) puts in sibling txns", [nested([put("a")]), nested([], [put("a")])]],
    ["(e) a put after the delete of an earlier sibling", [nested([del("a")]), nested([put("a")])]],
  ];
  for (const [name, ops] of cases) {
    test(name, () => {
      expect(text(txn(ops))).toBe(DUPLICATE);
      expect(text(txn([], ops))).toBe(DUPLICATE);
    });
  }
});

describe("TX-06: what excludes itself or runs in order is allowed", () => {
  const cases: [string, RequestOp[]][] = [
    ["overlapping deletes", [del("a", "c"), del("b"), del("a", "c")]],
    ["one key put in both branches of a nested txn", [nested([put("a")], [put("a")])]],
    ["put in one branch and deleted in the other", [nested([put("a")], [del("a")])]],
    ["a later sibling deletes what an earlier one puts", [nested([put("a")]), nested([del("a")])]],
    ["a delete to the end of the keyspace takes no part", [put("b"), del("a", "\0")]],
    ["a delete of an empty interval", [put("b"), del("c", "b")]],
  ];
  for (const [name, ops] of cases) {
    test(name, () => {
      expect(text(txn(ops))).toBeNull();
    });
  }

  test("the same key in success and failure", () => {
    expect(text(txn([put("a")], [put("a")]))).toBeNull();
  });
});

test("TX-08: keys and flags of the whole tree come before overlaps", () => {
  expect(text(txn([put("a"), put("a"), nested([put("")])]))).toBe(NO_KEY);
});
