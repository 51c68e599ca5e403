/** How much a txn looks at: it is known before, and none of the steps in which one is read looks at more than it may. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SORT_BY_MOD, TARGET_VALUE, UNION_VALUE } from "../../../proto/messages.ts";
import type { Compare, RequestOp, TxnRequest } from "../../../proto/messages.ts";
import { Harness } from "../harness.ts";
import { compareRequest, deleteOp, FROM_KEY, putOp, rangeOp, txnOp, txnRequest } from "../requests.ts";
import { Looks } from "../range/looks.ts";

const KEYS = 3_000;

const keyOf = (i: number): string => `/registry/pods/${String(i).padStart(6, "0")}`;

/** True for every key, so all are looked at. */
const existAll = (start = keyOf(0), end = keyOf(KEYS)): Compare =>
  compareRequest(start, { rangeEnd: Buffer.from(end), result: 1, number: 0 });
const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

let harness: Harness;
let looks: Looks;

beforeEach(() => {
  harness = new Harness();
  for (let i = 0; i < KEYS; i++) harness.put(keyOf(i), "value");
  looks = new Looks();
});

afterEach(() => void vi.restoreAllMocks());

function known(compare: Compare[], ...ops: RequestOp[]): number {
  return harness.keyspace.looksOf(txnRequest(compare, ops));
}

describe("how many keys a txn looks at is known before", () => {
  test("and is one for each compare and operation on a single key", () => {
    expect(
      known([compareRequest(keyOf(1)), compareRequest("none")], putOp("a"), rangeOp(keyOf(1)), deleteOp("b")),
    ).toBe(5);
    expect(known([compareRequest(keyOf(1))], putOp("a"))).toBe(2);
  });

  test("and is no less than what it takes", () => {
    const requests: TxnRequest[] = [
      txnRequest(times(10, existAll()), [putOp("a")]),
      txnRequest([], [putOp("a"), ...times(10, rangeOp(FROM_KEY, FROM_KEY, { sortTarget: SORT_BY_MOD, limit: 1 }))]),
      txnRequest([], [putOp("a"), ...times(10, rangeOp(FROM_KEY, FROM_KEY, { limit: 7 }))]),
      txnRequest([], [putOp("a"), ...times(4, txnOp(times(5, existAll()), [rangeOp(FROM_KEY, FROM_KEY)]))]),
    ];
    harness.delete(keyOf(0), keyOf(KEYS / 2));
    for (const request of requests) {
      const before = harness.keyspace.looksOf(request);
      expect(looks.of(() => void harness.keyspace.txn(request))).toBeLessThanOrEqual(before);
    }
  });

  test("and counts deleted keys, which are passed over, but not the present ones behind a limit", () => {
    expect(known([], rangeOp(FROM_KEY, FROM_KEY, { limit: 1 }))).toBeLessThan(20);
    harness.delete(keyOf(0), keyOf(1_000));
    const looked = known([], rangeOp(FROM_KEY, FROM_KEY, { limit: 1 }));
    expect([looked > 1_000, looked < 1_020]).toEqual([true, true]);
    expect(known([existAll()])).toBe(KEYS);
  });

  test("and counts a value that is compared by its length", () => {
    const value = Buffer.alloc(100 * 1_024);
    const compare = { ...existAll(), target: TARGET_VALUE, union: UNION_VALUE, value };
    expect(known([compare])).toBeGreaterThan(100 * KEYS);
  });

  test("and is next to nothing for the present count, but not for one of long ago", () => {
    const { revision } = harness.keyspace;
    expect(known([], rangeOp(FROM_KEY, FROM_KEY, { countOnly: true }))).toBe(1);
    harness.delete(keyOf(0), keyOf(KEYS));
    const looked = known([], rangeOp(FROM_KEY, FROM_KEY, { countOnly: true, revision }));
    expect([looked >= KEYS, looked <= 2 * KEYS]).toEqual([true, true]);
  });

  test("and counts the newer versions that are passed over to one of long ago, and each such read has a step of its own", () => {
    const { revision } = harness.keyspace;
    for (let i = 0; i < 500; i++) harness.put(keyOf(0), String(i));
    const older = rangeOp(keyOf(0), "", { revision });
    expect(known([], older)).toBe(501);
    expect(known([], rangeOp(keyOf(0)))).toBe(1);
    const reader = harness.keyspace.openTxn(txnRequest([], times(20, older)));
    reader.hold.take();
    let steps = 1;
    for (; !reader.step(100, Number.POSITIVE_INFINITY); steps++);
    reader.end();
    expect(steps).toBe(20);
  });

  test("and does not count what is deleted, unless several deletes look at it", () => {
    const half = keyOf(KEYS / 2);
    expect(known([], deleteOp(keyOf(0), keyOf(KEYS)))).toBe(1);
    expect(known([], deleteOp(keyOf(0), half), deleteOp(half, keyOf(KEYS)))).toBe(2);
    const inner = txnOp([], [deleteOp(keyOf(0), keyOf(KEYS))]);
    expect(known([], inner, inner, inner)).toBe(3 + 2 * KEYS);
  });

  test("and counts partitions that are crossed, however few keys they have", () => {
    for (let i = 0; i < 500; i++) harness.put(`/registry/crd-${i}/x`);
    const everything = compareRequest(FROM_KEY, { rangeEnd: FROM_KEY, result: 1, number: 0 });
    expect(known([everything])).toBeGreaterThan(KEYS + 500 + 500);
  });
});

test("a step of a txn that is read looks at no more than it may, give or take what a short range does", () => {
  const { revision } = harness.keyspace;
  harness.put("later");
  const request = txnRequest(times(10, existAll()), [
    ...times(5, rangeOp(FROM_KEY, FROM_KEY, { sortTarget: SORT_BY_MOD, limit: 1 })),
    ...times(50, rangeOp(keyOf(7))),
    ...times(5, rangeOp(FROM_KEY, FROM_KEY, { countOnly: true, revision: revision - KEYS / 2 })),
    rangeOp(FROM_KEY, FROM_KEY),
    txnOp([existAll()], [rangeOp(FROM_KEY, FROM_KEY, { limit: 2_000 })]),
  ]);
  const reader = harness.keyspace.openTxn(request);
  reader.hold.take();
  let most = 0;
  let isFinished: boolean;
  const step = (): void => {
    isFinished = reader.step(200, Number.POSITIVE_INFINITY);
  };
  do {
    isFinished = true;
    most = Math.max(most, looks.of(step));
  } while (!isFinished);
  reader.end();
  expect(reader.outcome).toEqual(harness.keyspace.txn(request));
  expect(most).toBeLessThan(3 * 200 + 100);
});
