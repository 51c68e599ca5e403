import { describe, expect, test } from "vitest";
import type { RequestOp, TxnRequest, TxnResponse } from "../../proto/messages.ts";
import {
  compare,
  compareMod,
  del,
  nested,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
} from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import {
  answers,
  COMPACTED,
  currentRevision,
  expectRefused,
  FUTURE_REVISION,
  KEY_NOT_FOUND,
  KEY_NOT_PROVIDED,
  LEASE_NOT_FOUND,
  pairsOf,
  revisionOf,
} from "./answers.ts";

const DUPLICATE_KEY = [3, "etcdserver: duplicate key given in txn request"] as const;
const TOO_MANY_OPS = [3, "etcdserver: too many operations in txn request"] as const;
const FALSE = [compareMod("a key that never is", 1)];

const puts = (count: number, prefix = "ops/"): RequestOp[] =>
  Array.from({ length: count }, (_, i) => put(`${prefix}${i}`));
const all = (prefix: string): RequestOp => range(prefix, { rangeEnd: Buffer.from(`${prefix}\xff`, "latin1") });

describeStores("Txn", (start) => {
  const shared = new SharedStore(start);

  const txn = (request: TxnRequest): Promise<TxnResponse> => shared.client.txn(request);

  test("TX-01: 128 operations in each list are taken, 129 in any are refused", async () => {
    const compares = (count: number) => Array.from({ length: count }, () => compare("none"));
    const { succeeded, responses } = await txn(txnRequest(puts(128), puts(128), compares(128)));
    expect([succeeded, responses.length]).toEqual([true, 128]);
    await expectRefused(txn(txnRequest(puts(129))), ...TOO_MANY_OPS);
    await expectRefused(txn(txnRequest([], puts(129))), ...TOO_MANY_OPS);
    await expectRefused(txn(txnRequest([], [], compares(129))), ...TOO_MANY_OPS);
  });

  test("TX-01: a txn of half a million operations is refused like one that has one too many", async () => {
    const operations = Array.from({ length: 500_000 }, (): RequestOp => ({ case: "none" }));
    await expectRefused(txn(txnRequest(operations)), ...TOO_MANY_OPS);
  });

  test("TX-01: a nested txn has what the longest list of its parent left", async () => {
    expect(answers(await txn(txnRequest([nested(puts(127))])))).toEqual([[true, ...Array(127).fill("put")]]);
    await expectRefused(txn(txnRequest([nested(puts(128))])), ...TOO_MANY_OPS);
    await expectRefused(txn(txnRequest([nested(puts(100))], puts(29, "other/"))), ...TOO_MANY_OPS);
    // Compares count as operations do.
    const compares = Array.from({ length: 100 }, () => compare("none"));
    await txn(txnRequest([nested(puts(28))], [], compares));
    await expectRefused(txn(txnRequest([nested(puts(29))], [], compares)), ...TOO_MANY_OPS);
    await expectRefused(txn(txnRequest([nested([], [], compares)], puts(29))), ...TOO_MANY_OPS);
    await txn(txnRequest([nested([nested(puts(126))])]));
    await expectRefused(txn(txnRequest([nested([nested(puts(127))])])), ...TOO_MANY_OPS);
    await expectRefused(txn(txnRequest([], [nested([], [nested([], puts(127))])])), ...TOO_MANY_OPS);
  });

  test("TX-01: an inner txn with too many operations comes behind what is wrong before it", async () => {
    for (const count of [129, 5_000]) {
      await expectRefused(txn(txnRequest([put(""), nested(puts(count))])), ...KEY_NOT_PROVIDED);
      await expectRefused(txn(txnRequest([nested(puts(count)), put("")])), ...TOO_MANY_OPS);
    }
  });

  describe("what is wrong in itself is refused, in whichever branch and depth", () => {
    const rows: [string, RequestOp | null, readonly [number, string]][] = [
      ["TX-02: a compare without key", null, KEY_NOT_PROVIDED],
      ["TX-03: a put without key", put(""), KEY_NOT_PROVIDED],
      ["TX-03: a delete without key", del(""), KEY_NOT_PROVIDED],
      ["TX-03: a range without key", range(""), KEY_NOT_PROVIDED],
      ["TX-03: a sort order outside its enum", range("k", { sortOrder: 3 }), [3, "etcdserver: invalid sort option"]],
      ["TX-03: a value that is ignored", put("k", "v", { ignoreValue: true }), [3, "etcdserver: value is provided"]],
      [
        "TX-03: a lease that is ignored",
        put("k", "", { ignoreLease: true, lease: 1n }),
        [3, "etcdserver: lease is provided"],
      ],
      ["TX-04: an operation that is none", { case: "none" }, KEY_NOT_FOUND],
    ];
    for (const [name, op, refusal] of rows) {
      test(name, async () => {
        const compares = op === null ? [compare("")] : [];
        const ops = op === null ? [] : [op];
        await expectRefused(txn(txnRequest(ops, [], compares)), ...refusal);
        await expectRefused(txn(txnRequest([], ops, compares)), ...refusal);
        await expectRefused(txn(txnRequest([nested([], [nested(ops, [], compares)])])), ...refusal);
      });
    }
  });

  describe("TX-05: writes that overlap are refused, in either branch", () => {
    const rows: [string, RequestOp[]][] = [
      ["(a) two puts of one key in a list", [put("a"), put("a")]],
      ["(b) a put before a delete that covers it", [put("b"), del("a", "c")]],
      ["(b) a put after a delete of it", [del("b"), put("b")]],
      ["(b) a put in a txn below the delete", [del("a", "c"), nested([put("b")])]],
      ["(b) a put two txns below the delete", [nested([], [nested([put("b")])]), del("a", "c")]],
      ["(c) a put and a nested put", [put("a"), nested([put("a")])]],
      ["(c) a put and a nested delete", [put("a"), nested([], [del("a")])]],
      ["(c) a nested put before the put", [nested([put("a")]), put("a")]],
      ["(c) a nested delete of a range before the put", [nested([del("a", "c")]), put("b")]],
      ["(c) a put and one two txns below it", [put("a"), nested([nested([], [put("a")])])]],
      ["(d) puts in sibling txns", [nested([put("a")]), nested([], [put("a")])]],
      ["(d) puts in the success branches of siblings", [nested([put("a")]), nested([put("a")])]],
      ["(d) puts in the failure branches of siblings", [nested([], [put("a")]), nested([], [put("a")])]],
      ["(d) puts at different depths of siblings", [nested([put("a")]), nested([nested([put("a")])])]],
      ["(e) a put after the delete of an earlier sibling", [nested([del("a")]), nested([put("a")])]],
      ["(e) a put after the delete of a range in a failure branch", [nested([], [del("a", "c")]), nested([put("b")])]],
    ];
    for (const [name, ops] of rows) {
      test(`TX-05 ${name}`, async () => {
        await expectRefused(txn(txnRequest(ops)), ...DUPLICATE_KEY);
        await expectRefused(txn(txnRequest([], ops)), ...DUPLICATE_KEY);
        await expectRefused(txn(txnRequest([nested(ops)])), ...DUPLICATE_KEY);
      });
    }
  });

  describe("TX-06: what excludes itself or has an order is done in it", () => {
    const old = ["z/a=old", "z/b=old", "z/c=old"];
    const rows: [string, RequestOp[], RequestOp[], unknown[], string[]][] = [
      ["overlapping deletes", [del("z/a", "z/c"), del("z/b"), del("z/", "z0")], [], [2, 0, 1], []],
      ["one key in success and failure", [put("z/a", "1")], [put("z/a", "2")], ["put"], ["z/a=1", ...old.slice(1)]],
      [
        "put in both branches of a nested txn",
        [nested([put("z/a", "1")], [put("z/a", "2")])],
        [],
        [[true, "put"]],
        ["z/a=1", ...old.slice(1)],
      ],
      [
        "put in one branch, delete in the other",
        [nested([put("z/a", "1")], [del("z/a")], FALSE)],
        [],
        [[false, 1]],
        old.slice(1),
      ],
      [
        "a later sibling deletes what an earlier one put",
        [nested([put("z/d")]), nested([del("z/d")])],
        [],
        [
          [true, "put"],
          [true, 1],
        ],
        old,
      ],
      ["a delete from a key on, after the put", [put("z/b", "1"), del("z/a", "\0")], [], ["put", 3], []],
      ["a delete from a key on, before the put", [del("z/a", "\0"), put("z/b", "1")], [], [3, "put"], ["z/b=1"]],
      [
        "a delete of nothing over a put",
        [put("z/b", "1"), del("z/c", "z/a")],
        [],
        ["put", 0],
        ["z/a=old", "z/b=1", "z/c=old"],
      ],
    ];
    for (const [name, success, failure, expected, left] of rows) {
      test(`TX-06 ${name}`, async () => {
        await txn(txnRequest(["z/a", "z/b", "z/c"].map((key) => put(key, "old"))));
        const before = await currentRevision(shared.client);
        const response = await txn(txnRequest(success, failure));
        expect([answers(response), revisionOf(response)]).toEqual([expected, before + 1]);
        expect(answers(await txn(txnRequest([all("z/"), del("z/", "z0")])))[0]).toEqual(left);
      });
    }
  });

  test("TX-07, TX-14: a txn of nothing succeeds, and so does one without compares", async () => {
    const before = await currentRevision(shared.client);
    expect(await txn(txnRequest([]))).toMatchObject({ succeeded: true, responses: [], header: { revision: before } });
    expect(await txn(txnRequest([], [put("never")]))).toMatchObject({ succeeded: true, responses: [] });
    expect(await currentRevision(shared.client)).toBe(before);
  });

  test("TX-08: counts, keys and flags of the whole tree are looked at before overlaps, counts before keys", async () => {
    const overlap = [put("a"), put("a")];
    await expectRefused(txn(txnRequest([...overlap, nested([put("")])])), ...KEY_NOT_PROVIDED);
    await expectRefused(
      txn(txnRequest(overlap, [range("k", { sortTarget: 9 })])),
      3,
      "etcdserver: invalid sort option",
    );
    await expectRefused(txn(txnRequest([...overlap, nested([nested(puts(127))])])), ...TOO_MANY_OPS);
    await expectRefused(txn(txnRequest([put(""), ...puts(128)])), ...TOO_MANY_OPS);
    await expectRefused(txn(txnRequest([put("")], [], [compare("")])), ...KEY_NOT_PROVIDED);
  });

  test("TX-10: all compares, nested ones too, look at the state before the txn", async () => {
    const exists = (key: string) => [compare(key, { result: 1 })];
    const response = await txn(
      txnRequest([put("t10/a"), nested([put("t10/then")], [put("t10/else")], exists("t10/a")), del("t10/a", "\0")]),
    );
    expect(answers(response)).toEqual(["put", [false, "put"], 2]);
    await shared.client.put(putRequest("t10/b"));
    const second = await txn(txnRequest([del("t10/b"), nested([range("t10/b")], [], exists("t10/b"))]));
    expect(answers(second)).toEqual([1, [true, []]]);
  });

  test("TX-11: whatever the chosen path cannot do refuses the whole txn without effect, in the order of operations", async () => {
    const { client } = shared;
    const revision = revisionOf(await client.put(putRequest("t11/a", "old")));
    await client.compact({ revision, physical: false });
    const rows: [RequestOp, readonly [number, string]][] = [
      [range("t11/a", { revision: revision - 1 }), COMPACTED],
      [range("t11/a", { revision: revision + 1 }), FUTURE_REVISION],
      [range("t11/a", { revision: -1 }), COMPACTED],
      [put("t11/b", "", { lease: 12345n }), LEASE_NOT_FOUND],
      [put("t11/b", "", { ignoreValue: true }), KEY_NOT_FOUND],
      [put("t11/b", "v", { ignoreLease: true }), KEY_NOT_FOUND],
    ];
    for (const [op, refusal] of rows) {
      await expectRefused(txn(txnRequest([put("t11/a", "new"), del("t11/z"), op])), ...refusal);
      await expectRefused(txn(txnRequest([put("t11/a", "new"), nested([], [op], FALSE)])), ...refusal);
      await expectRefused(txn(txnRequest([], [op, put("t11/a", "new")], FALSE)), ...refusal);
      // Not chosen, not looked at.
      expect(await txn(txnRequest([], [op]))).toMatchObject({ succeeded: true });
    }
    const both = [put("t11/c", "", { lease: 12345n, ignoreValue: true }), range("t11/a", { revision: revision + 1 })];
    await expectRefused(txn(txnRequest(both)), ...LEASE_NOT_FOUND);
    await expectRefused(txn(txnRequest(both.toReversed())), ...FUTURE_REVISION);
    expect(await currentRevision(client)).toBe(revision);
    expect(pairsOf((await client.range(rangeRequest("t11/a"))).kvs)).toEqual(["t11/a=old"]);
  });

  test("TX-11: a read-only txn is checked alike", async () => {
    const revision = await currentRevision(shared.client);
    await expectRefused(txn(txnRequest([range("k", { revision: revision + 1 })])), ...FUTURE_REVISION);
    await expectRefused(txn(txnRequest([], [range("k", { revision: -1 })], FALSE)), ...COMPACTED);
  });
});
