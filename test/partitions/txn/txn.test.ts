import { describe, expect, test } from "vitest";
import {
  COMPARE_EQUAL,
  COMPARE_GREATER,
  COMPARE_LESS,
  COMPARE_NOT_EQUAL,
  TARGET_CREATE,
  TARGET_LEASE,
  TARGET_MOD,
  TARGET_VALUE,
  TARGET_VERSION,
  UNION_CREATE,
  UNION_LEASE,
  UNION_MOD,
  UNION_VALUE,
  UNION_VERSION,
} from "../../../proto/messages.ts";
import { COMPACTED, FUTURE_REVISION, KEY_NOT_FOUND, LEASE_NOT_FOUND } from "../../../partitions/refusals.ts";
import { Harness, keysOf, kv } from "../harness.ts";
import type { RangeOutcome, TxnOutcome } from "../outcome.ts";
import { compareRequest, deleteOp, FROM_KEY, putOp, rangeOp, txnOp, txnRequest } from "../requests.ts";

function modIs(key: string, revision: number) {
  return compareRequest(key, { target: TARGET_MOD, union: UNION_MOD, number: revision });
}

describe("txn execution", () => {
  test("create, update and delete as kube-apiserver does", () => {
    const harness = new Harness();
    expect(harness.txn([modIs("a", 0)], [putOp("a", "1")])).toMatchObject({ succeeded: true });
    expect(harness.txn([modIs("a", 0)], [putOp("a", "2")])).toEqual({ succeeded: false, responses: [] });
    expect(harness.keyspace.revision).toBe(2);
    const lost = harness.txn([modIs("a", 9)], [putOp("a", "3")], [rangeOp("a")]);
    expect(lost.succeeded).toBe(false);
    expect((lost.responses[0].outcome as RangeOutcome).kvs).toEqual([kv("a", "1", 2, 2, 1)]);
    expect(harness.txn([modIs("a", 2)], [deleteOp("a")], [rangeOp("a")])).toMatchObject({ succeeded: true });
    expect(harness.keyspace.revision).toBe(3);
    expect(harness.get("a")).toBeNull();
  });

  test("TX-07, TX-14: an empty txn succeeds and takes no revision", () => {
    const harness = new Harness();
    expect(harness.txn([], [])).toEqual({ succeeded: true, responses: [] });
    expect(harness.keyspace.revision).toBe(1);
  });

  test("TX-10: compares of inner txns look at the state before the whole txn", () => {
    const harness = new Harness();
    const outcome = harness.txn(
      [],
      [putOp("a", "1"), txnOp([modIs("a", 0)], [putOp("b", "was missing")], [putOp("c")])],
    );
    expect((outcome.responses[1].outcome as TxnOutcome).succeeded).toBe(true);
    expect(keysOf(harness.all())).toEqual(["a", "b"]);
  });

  test("TX-11: the chosen path is checked before anything is done", () => {
    const harness = new Harness();
    for (const key of ["a", "b", "c"]) harness.put(key);
    harness.compact(3);
    const put = putOp("new");
    expect(harness.refusedTxn(put, rangeOp("a", "", { revision: 5 }))).toBe(FUTURE_REVISION);
    expect(harness.refusedTxn(put, rangeOp("a", "", { revision: 2 }))).toBe(COMPACTED);
    expect(harness.refusedTxn(put, rangeOp("a", "", { revision: -1 }))).toBe(COMPACTED);
    expect(harness.refusedTxn(put, putOp("x", "", { lease: 7n }))).toBe(LEASE_NOT_FOUND);
    expect(harness.refusedTxn(put, putOp("x", "", { ignoreValue: true }))).toBe(KEY_NOT_FOUND);
    expect(harness.refusedTxn(put, txnOp([], [putOp("x", "", { lease: 7n })]))).toBe(LEASE_NOT_FOUND);
    expect(harness.refusedTxn(putOp("x"), txnOp([], [putOp("x", "", { ignoreValue: true })]))).toBe(KEY_NOT_FOUND);
    expect(keysOf(harness.all())).toEqual(["a", "b", "c"]);
    expect(harness.keyspace.revision).toBe(4);
    harness.keyspace.verify();
  });

  test("TX-11: the branch that is not chosen is not checked", () => {
    const harness = new Harness();
    const outcome = harness.txn([], [putOp("a")], [putOp("b", "", { lease: 7n })]);
    expect(outcome.succeeded).toBe(true);
    expect(harness.keyspace.revision).toBe(2);
  });

  test("TX-06, TX-11: a put that keeps a value which the txn deletes before is refused without a trace", () => {
    const harness = new Harness();
    harness.put("k", "1");
    const keep = putOp("k", "", { ignoreValue: true });
    expect(harness.refusedTxn(deleteOp("a", FROM_KEY), keep)).toBe(KEY_NOT_FOUND);
    expect(harness.get("k")).toEqual(kv("k", "1", 2, 2, 1));
    expect(harness.refusedTxn(deleteOp("a", FROM_KEY), txnOp([], [putOp("k", "2")]), keep)).not.toBe(KEY_NOT_FOUND);
    expect(harness.get("k")).toEqual(kv("k", "2", 3, 3, 2));
  });

  test("TX-12: later operations see earlier ones, explicit revisions see history", () => {
    const harness = new Harness();
    harness.put("a", "old");
    const { responses } = harness.txn(
      [],
      [
        rangeOp("a", "z"),
        putOp("a", "new"),
        putOp("b"),
        rangeOp("a", "z"),
        rangeOp("a", "z", { revision: 2 }),
        deleteOp("a", "z", true),
        rangeOp("a", "z", { countOnly: true }),
      ],
    );
    expect(responses[0].outcome).toMatchObject({ count: 1, kvs: [kv("a", "old", 2, 2, 1)] });
    expect(responses[3].outcome).toMatchObject({ kvs: [kv("a", "new", 2, 3, 2), kv("b", "", 3, 3, 1)] });
    expect(responses[4].outcome).toMatchObject({ count: 1, kvs: [kv("a", "old", 2, 2, 1)] });
    expect(responses[5].outcome).toMatchObject({
      deleted: 2,
      prevKvs: [kv("a", "new", 2, 3, 2), kv("b", "", 3, 3, 1)],
    });
    expect(responses[6].outcome).toMatchObject({ count: 0 });
    harness.keyspace.verify();
  });

  test("TX-13: responses correspond to the operations of the chosen branch", () => {
    const harness = new Harness();
    const { responses } = harness.txn([], [rangeOp("a"), putOp("a"), deleteOp("b"), txnOp([], [rangeOp("a")])]);
    expect(responses.map((response) => response.case)).toEqual(["range", "put", "deleteRange", "txn"]);
  });

  test("TX-15: deleting only missing keys leaves the revision", () => {
    const harness = new Harness();
    const { responses } = harness.txn([], [deleteOp("a"), rangeOp("a")]);
    expect(harness.keyspace.revision).toBe(1);
    expect(responses.map(({ revision }) => revision)).toEqual([1, 1]);
  });

  test("inner headers tell the revision as it is after their operation, those of inner txns nothing", () => {
    const harness = new Harness();
    const { responses } = harness.txn(
      [],
      [rangeOp("a"), deleteOp("a"), putOp("a"), rangeOp("a"), deleteOp("nothing"), txnOp([], [rangeOp("a")])],
    );
    expect(responses.map(({ revision }) => revision)).toEqual([1, 1, 2, 2, 2, 0]);
    const inner = harness.keyspace.txn(txnRequest([], [txnOp([], [putOp("b")])]));
    expect(inner).toMatchObject({
      header: null,
      responses: [{ case: "txn", response: { header: { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 } } }],
    });
  });
});

describe("compare", () => {
  const operators = [COMPARE_EQUAL, COMPARE_GREATER, COMPARE_LESS, COMPARE_NOT_EQUAL];

  function truths(harness: Harness, key: string, fields: object): boolean[] {
    return operators.map((result) => harness.txn([compareRequest(key, { ...fields, result })], []).succeeded);
  }

  function filled(): Harness {
    const harness = new Harness();
    harness.keyspace.leaseGrant(7n, 60);
    harness.put("a", "m");
    harness.put("a", "m", { lease: 7n });
    return harness;
  }

  test("CP-01: numbers of a missing key are zero", () => {
    const harness = new Harness();
    for (const target of [TARGET_VERSION, TARGET_CREATE, TARGET_MOD]) {
      expect(truths(harness, "a", { target, union: target + 4, number: 0 })).toEqual([true, false, false, false]);
      expect(truths(harness, "a", { target, union: target + 4, number: 1 })).toEqual([false, false, true, true]);
    }
    expect(truths(harness, "a", { target: TARGET_LEASE, union: UNION_LEASE, lease: -1n })).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });

  test("CP-02: a missing key has no value to compare, not even an unequal one", () => {
    const value = { target: TARGET_VALUE, union: UNION_VALUE, value: Buffer.alloc(0) };
    expect(truths(new Harness(), "a", value)).toEqual([false, false, false, false]);
  });

  test("CP-03: over a range every key must satisfy it, and no key is like a missing one", () => {
    const harness = filled();
    harness.put("b");
    const modBelow4 = { target: TARGET_MOD, union: UNION_MOD, number: 4, rangeEnd: Buffer.from("z") };
    expect(truths(harness, "a", modBelow4)).toEqual([false, false, false, false]);
    expect(truths(harness, "b", modBelow4)).toEqual([true, false, false, false]);
    expect(truths(harness, "c", { ...modBelow4, number: 0 })).toEqual([true, false, false, false]);
    expect(truths(harness, "z", { ...modBelow4, rangeEnd: Buffer.from("a"), number: 0 })[0]).toBe(true);
    expect(truths(harness, "c", { target: TARGET_VALUE, rangeEnd: FROM_KEY })).toEqual([false, false, false, false]);
  });

  test("CP-04: a member of the oneof that is not set, or is another's, counts as zero", () => {
    const harness = filled();
    expect(truths(harness, "a", { target: TARGET_MOD })).toEqual([false, true, false, true]);
    expect(truths(harness, "a", { target: TARGET_MOD, union: UNION_VERSION, number: 3 })).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect(truths(harness, "a", { target: TARGET_VALUE })).toEqual([false, true, false, true]);
  });

  test("CP-05: values compare as unsigned bytes", () => {
    const harness = filled();
    const value = (bytes: number[]) => ({ target: TARGET_VALUE, union: UNION_VALUE, value: Buffer.from(bytes) });
    expect(truths(harness, "a", value([0xff]))).toEqual([false, false, true, true]);
    expect(truths(harness, "a", value([0x6d]))).toEqual([true, false, false, false]);
    expect(truths(harness, "a", value([0x6d, 0]))).toEqual([false, false, true, true]);
  });

  test("CP-06: stored stands left of the operator", () => {
    const harness = filled();
    expect(truths(harness, "a", { target: TARGET_VERSION, union: UNION_VERSION, number: 2 })[0]).toBe(true);
    expect(truths(harness, "a", { target: TARGET_CREATE, union: UNION_CREATE, number: 3 })).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(truths(harness, "a", { target: TARGET_LEASE, union: UNION_LEASE, lease: 7n })[0]).toBe(true);
    expect(truths(harness, "a", { target: TARGET_LEASE, union: UNION_LEASE, lease: 6n })[1]).toBe(true);
  });
});
