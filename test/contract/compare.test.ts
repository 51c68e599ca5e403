import { beforeAll, expect, test } from "vitest";
import type { Compare } from "../../proto/messages.ts";
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
} from "../../proto/messages.ts";
import {
  compare,
  del,
  nested,
  prefixEnd,
  put,
  putRequest,
  rangeRequest,
  txnRequest,
} from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { readable } from "./answers.ts";

const RESULTS = [COMPARE_EQUAL, COMPARE_GREATER, COMPARE_LESS, COMPARE_NOT_EQUAL];

/** Which of EQUAL, GREATER, LESS, NOT_EQUAL hold, by how the stored stands to the given. */
const LOWER = [false, false, true, true];
const SAME = [true, false, false, false];
const HIGHER = [false, true, false, true];
const NEVER = [false, false, false, false];

const UNIONS = [UNION_VERSION, UNION_CREATE, UNION_MOD];
const LEASE = 0x7000_0000_0000_0001n;

describeStores("Compare", (start) => {
  const shared = new SharedStore(start);

  /** Whether the compare holds with each of the four operators. All are asked in one txn. */
  const outcomes = async (key: string, fields: Partial<Compare>): Promise<boolean[]> => {
    const { responses } = await shared.client.txn(
      txnRequest(RESULTS.map((result) => nested([], [], [compare(key, { ...fields, result })]))),
    );
    return responses.map((op) => op.case === "txn" && op.response.succeeded);
  };

  const numbers = (target: number, number: number): Partial<Compare> => ({ target, union: UNIONS[target], number });
  const value = (text: string): Partial<Compare> => ({
    target: TARGET_VALUE,
    union: UNION_VALUE,
    value: Buffer.from(text, "latin1"),
  });
  const lease = (id: bigint): Partial<Compare> => ({ target: TARGET_LEASE, union: UNION_LEASE, lease: id });

  let create: number;
  let mod: number;
  beforeAll(async () => {
    const { client } = shared;
    await client.leaseGrant({ TTL: 600, ID: LEASE });
    await client.put(putRequest("key", "1"));
    await client.put(putRequest("other"));
    await client.put(putRequest("key", "b\x80", { lease: LEASE }));
    const { kvs } = await client.range(rangeRequest("key"));
    ({ create, mod } = readable(kvs[0]));
    await client.txn(txnRequest([put("row/a", "5"), put("row/b", "6"), put("row/c", "7")]));
    await client.put(putRequest("row/b", "6"));
  });

  test("CP-06: a stored number stands to the given one as the operator says", async () => {
    for (const [target, stored] of [
      [TARGET_VERSION, 2],
      [TARGET_CREATE, create],
      [TARGET_MOD, mod],
    ]) {
      expect([target, await outcomes("key", numbers(target, stored - 1))]).toEqual([target, HIGHER]);
      expect([target, await outcomes("key", numbers(target, stored))]).toEqual([target, SAME]);
      expect([target, await outcomes("key", numbers(target, stored + 1))]).toEqual([target, LOWER]);
      expect([target, await outcomes("key", numbers(target, -1))]).toEqual([target, HIGHER]);
      expect([target, await outcomes("key", numbers(target, 2 ** 60))]).toEqual([target, LOWER]);
    }
  });

  test("CP-06: leases are compared as signed 64-bit numbers", async () => {
    expect(await outcomes("key", lease(LEASE))).toEqual(SAME);
    expect(await outcomes("key", lease(LEASE - 1n))).toEqual(HIGHER);
    expect(await outcomes("key", lease(LEASE + 1n))).toEqual(LOWER);
    expect(await outcomes("key", lease(-LEASE))).toEqual(HIGHER);
    expect(await outcomes("other", lease(0n))).toEqual(SAME);
    expect(await outcomes("other", lease(-1n))).toEqual(HIGHER);
  });

  test("CP-05: values are compared as unsigned bytes, the shorter first", async () => {
    const rows: [string, boolean[]][] = [
      ["b\x80", SAME],
      ["b\x7f", HIGHER],
      ["b\x81", LOWER],
      ["b", HIGHER],
      ["b\x80\0", LOWER],
      ["", HIGHER],
      ["c", LOWER],
    ];
    for (const [given, expected] of rows)
      expect([given, await outcomes("key", value(given))]).toEqual([given, expected]);
    expect(await outcomes("other", value(""))).toEqual(SAME);
  });

  test("CP-01: of a missing key every number is 0", async () => {
    for (const target of [TARGET_VERSION, TARGET_CREATE, TARGET_MOD]) {
      expect(await outcomes("missing", numbers(target, 0))).toEqual(SAME);
      expect(await outcomes("missing", numbers(target, 1))).toEqual(LOWER);
      expect(await outcomes("missing", numbers(target, -1))).toEqual(HIGHER);
    }
    expect(await outcomes("missing", lease(0n))).toEqual(SAME);
    expect(await outcomes("missing", lease(1n))).toEqual(LOWER);
  });

  test("CP-02: a missing key has no value, not even an unequal one", async () => {
    for (const given of ["", "a"]) expect(await outcomes("missing", value(given))).toEqual(NEVER);
    await shared.client.put(putRequest("was", "a"));
    await shared.client.txn(txnRequest([del("was")]));
    expect(await outcomes("was", value("a"))).toEqual(NEVER);
    expect(await outcomes("was", numbers(TARGET_MOD, 0))).toEqual(SAME);
  });

  test("CP-03: over a range every key must satisfy it", async () => {
    const row = { rangeEnd: prefixEnd("row/") };
    expect(await outcomes("row/", { ...row, ...value("5") })).toEqual([false, false, false, false]);
    expect(await outcomes("row/", { ...row, ...value("4") })).toEqual([false, true, false, true]);
    expect(await outcomes("row/", { ...row, ...value("8") })).toEqual([false, false, true, true]);
    expect(await outcomes("row/", { ...row, ...value("6") })).toEqual(NEVER);
    expect(await outcomes("row/", { ...row, ...numbers(TARGET_VERSION, 1) })).toEqual(NEVER);
    expect(await outcomes("row/", { ...row, ...numbers(TARGET_VERSION, 0) })).toEqual([false, true, false, true]);
    expect(await outcomes("row/", { ...row, ...lease(0n) })).toEqual(SAME);
    expect(await outcomes("row/a", { rangeEnd: Buffer.of(0), ...numbers(TARGET_VERSION, 2) })).toEqual(NEVER);
  });

  test("CP-03: a range without keys is like a missing key", async () => {
    for (const rangeEnd of [Buffer.from("nowhere0"), Buffer.from("a"), Buffer.from("nowhere/")]) {
      expect(await outcomes("nowhere/", { rangeEnd, ...numbers(TARGET_MOD, 0) })).toEqual(SAME);
      expect(await outcomes("nowhere/", { rangeEnd, ...value("") })).toEqual(NEVER);
    }
  });

  test("CP-04: what is not given, or given for another target, is 0 or empty", async () => {
    for (const target of [TARGET_VERSION, TARGET_CREATE, TARGET_MOD, TARGET_VALUE, TARGET_LEASE]) {
      expect([target, await outcomes("key", { target })]).toEqual([target, HIGHER]);
    }
    expect(await outcomes("missing", { target: TARGET_MOD })).toEqual(SAME);
    expect(await outcomes("key", { target: TARGET_MOD, union: UNION_VERSION, number: 2 ** 40 })).toEqual(HIGHER);
    expect(await outcomes("key", { target: TARGET_VERSION, union: UNION_LEASE, lease: 2n ** 40n })).toEqual(HIGHER);
    expect(await outcomes("key", { target: TARGET_LEASE, union: UNION_MOD, number: 2 ** 40 })).toEqual(HIGHER);
    expect(await outcomes("key", { target: TARGET_VALUE, union: UNION_MOD, number: 2 ** 40 })).toEqual(HIGHER);
  });

  test("CP-06: an operator that is not known holds, a target that is not known is equal", async () => {
    const { succeeded } = await shared.client.txn(
      txnRequest([], [], [compare("key", { result: 7, target: TARGET_MOD })]),
    );
    expect(succeeded).toBe(true);
    expect(await outcomes("key", { target: 9, union: UNION_MOD, number: 5 })).toEqual(SAME);
  });

  test("TX-14: all compares must hold, and none need be there", async () => {
    const holds = compare("key", numbers(TARGET_MOD, mod));
    const fails = compare("key", numbers(TARGET_MOD, 1));
    const succeeded = async (...compares: Compare[]): Promise<boolean> =>
      (await shared.client.txn(txnRequest([], [], compares))).succeeded;
    expect([await succeeded(), await succeeded(holds, holds)]).toEqual([true, true]);
    expect([await succeeded(fails), await succeeded(holds, fails), await succeeded(fails, holds)]).toEqual([
      false,
      false,
      false,
    ]);
  });
});
