import { beforeEach, expect, test } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { KEY_NOT_FOUND, Refusal, TOO_MANY_KEYS } from "../../../partitions/refusals.ts";
import { TXN_RANGE_KEYS_MAX } from "../../../partitions/txn/txn.ts";
import { deleteOp, everything, FROM_KEY, putOp, putRequest, rangeOp, txnOp, txnRequest } from "../requests.ts";

let keyspace: Keyspace;

beforeEach(() => {
  keyspace = new Keyspace();
  for (let i = 0; i < 100; i++) keyspace.put(putRequest(`k${i}`, "v"));
});

test("without an answer a txn changes the same and refuses the same, and reads no range", () => {
  const twin = new Keyspace();
  for (let i = 0; i < 100; i++) twin.put(putRequest(`k${i}`, "v"));
  const requests = [
    txnRequest([], [putOp("k1", "new"), rangeOp(FROM_KEY, FROM_KEY), txnOp([], [deleteOp("k2"), rangeOp("k3")])]),
    txnRequest([], [putOp("k1"), rangeOp("k1", "", { revision: 9_999 })]),
    txnRequest([], [rangeOp(FROM_KEY, FROM_KEY)]),
  ];
  for (const request of requests) {
    const answered = keyspace.txn(request);
    const quiet = twin.txn(request, false);
    expect(quiet instanceof Refusal).toBe(answered instanceof Refusal);
    if (quiet instanceof Refusal) expect(quiet).toBe(answered);
    else expect(quiet.responses.filter((op) => op.case === "range")).toEqual([]);
    expect(twin.range(everything())).toEqual(keyspace.range(everything()));
    expect(twin.revision).toBe(keyspace.revision);
  }
});

test("many ranges of one txn may not give more keys together than an answer may have, and nothing happens then", () => {
  const times = Math.ceil(TXN_RANGE_KEYS_MAX / 100) + 1;
  const ranges = Array.from({ length: times }, () => rangeOp(FROM_KEY, FROM_KEY));
  const revision = keyspace.revision;
  expect(keyspace.txn(txnRequest([], [putOp("a"), ...ranges]))).toBe(TOO_MANY_KEYS);
  expect(keyspace.revision).toBe(revision);
  const bounded = Array.from({ length: times }, () => rangeOp(FROM_KEY, FROM_KEY, { limit: 1 }));
  expect(keyspace.txn(txnRequest([], [putOp("a"), ...bounded]))).not.toBeInstanceOf(Refusal);
});

test("TX-06, PT-04: a key that was deleted before is not there to keep its value, unless it was put since", () => {
  const keep = { ignoreValue: true };
  const all = deleteOp("k", FROM_KEY);
  expect(keyspace.txn(txnRequest([], [all, putOp("k1", "", keep)]))).toBe(KEY_NOT_FOUND);
  expect(keyspace.txn(txnRequest([], [all, putOp("k1", "v"), all, putOp("k1", "", keep)]))).toBe(KEY_NOT_FOUND);
  expect(keyspace.txn(txnRequest([], [putOp("k1", "", keep)]))).not.toBeInstanceOf(Refusal);
  expect(keyspace.txn(txnRequest([], [all, putOp("k1", "v"), putOp("k1", "", keep)]))).not.toBeInstanceOf(Refusal);
});
