import { beforeAll, describe, expect, test } from "vitest";
import type { RangeRequest } from "../../proto/messages.ts";
import {
  SORT_ASCEND,
  SORT_BY_CREATE,
  SORT_BY_KEY,
  SORT_BY_MOD,
  SORT_BY_VALUE,
  SORT_BY_VERSION,
  SORT_DESCEND,
  SORT_NONE,
} from "../../proto/messages.ts";
import { EtcdClient, keyValues } from "../support/etcd-client.ts";
import {
  del,
  deleteRequest,
  prefixEnd,
  put,
  putRequest,
  rangeRequest,
  txnRequest,
} from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import type { ReadableKeyValue } from "./answers.ts";
import {
  COMPACTED,
  currentRevision,
  expectRefused,
  FUTURE_REVISION,
  keysOf,
  pairsOf,
  putAll,
  readable,
  revisionOf,
} from "./answers.ts";

const INVALID_SORT_OPTION = [3, "etcdserver: invalid sort option"] as const;

const prefix = (text: string, fields: Partial<RangeRequest> = {}): RangeRequest =>
  rangeRequest(text, { rangeEnd: prefixEnd(text), ...fields });

/** How key-values sort by each target. */
const TARGETS: readonly ((a: ReadableKeyValue, b: ReadableKeyValue) => number)[] = [
  (a, b) => (a.key < b.key ? -1 : 1),
  (a, b) => a.version - b.version,
  (a, b) => a.create - b.create,
  (a, b) => a.mod - b.mod,
  (a, b) => (a.value < b.value ? -1 : 1),
];

describeStores("Range", (start) => {
  const shared = new SharedStore(start);

  test("RG-01 RG-02 RG-03 RG-04: revisions from the compact revision to the current one can be read", async () => {
    const { client } = shared;
    const revisions = await putAll(client, "rev=1", "rev=2", "rev=3", "rev=4");
    const [first, second, , current] = revisions;
    const valueAt = async (revision: number): Promise<string[]> =>
      pairsOf((await client.range(rangeRequest("rev", { revision }))).kvs);
    expect(await valueAt(0)).toEqual(["rev=4"]);
    expect(await valueAt(-1)).toEqual(["rev=4"]);
    expect(await valueAt(-7)).toEqual(["rev=4"]);
    expect(await valueAt(current)).toEqual(["rev=4"]);
    expect(await valueAt(first)).toEqual(["rev=1"]);
    await expectRefused(valueAt(current + 1), ...FUTURE_REVISION);
    await expectRefused(valueAt(2 ** 52), ...FUTURE_REVISION);
    await client.compact({ revision: second, physical: true });
    await expectRefused(valueAt(first), ...COMPACTED);
    await expectRefused(valueAt(1), ...COMPACTED);
    expect(await valueAt(second)).toEqual(["rev=2"]);
    expect(await valueAt(-1)).toEqual(["rev=4"]);
    await expectRefused(client.range(prefix("r", { revision: first, countOnly: true })), ...COMPACTED);
    await expectRefused(client.range(prefix("r", { revision: current + 1, keysOnly: true })), ...FUTURE_REVISION);
  });

  test("RG-05 RG-06 RG-07: limit cuts the keys off, count does not know it, more tells", async () => {
    const { client } = shared;
    await client.txn(txnRequest(["a", "b", "c", "d"].map((key) => put(`limit/${key}`))));
    for (const [limit, length, more] of [
      [0, 4, false],
      [-1, 4, false],
      [1, 1, true],
      [3, 3, true],
      [4, 4, false],
      [9, 4, false],
    ] as const) {
      const response = await client.range(prefix("limit/", { limit }));
      expect([limit, response.kvs.length, response.count, response.more]).toEqual([limit, length, 4, more]);
    }
    const keysOnly = await client.range(prefix("limit/", { limit: 2, keysOnly: true }));
    expect([keysOf(keysOnly.kvs), keysOnly.count, keysOnly.more]).toEqual([["limit/a", "limit/b"], 4, true]);
    const none = await client.range(rangeRequest("limit/z", { limit: 1 }));
    expect([none.kvs, none.count, none.more]).toEqual([[], 0, false]);
  });

  test("RG-05 RG-06 RG-07 A3: pages of a pinned revision are its keys, whatever a writer does meanwhile", async () => {
    const { client } = shared;
    const keys = Array.from({ length: 300 }, (_, i) => `page/${String(i).padStart(3, "0")}`);
    for (let i = 0; i < keys.length; i += 100) {
      await client.txn(txnRequest(keys.slice(i, i + 100).map((key) => put(key, "old"))));
    }
    const revision = await currentRevision(client);
    const writer = await EtcdClient.connect(shared.store.url);
    const writing = { isOver: false, revision };
    const write = async (): Promise<void> => {
      for (let i = 0; !writing.isOver; i++) {
        const ops = [put(`page/${i % 300}/new`), put(keys[i % 300], "new"), del(keys[(i + 150) % 300])];
        writing.revision = revisionOf(await writer.txn(txnRequest(ops)));
      }
    };
    const written = write();
    const seen: string[] = [];
    let header = revision;
    for (let from = "page/", more = true; more;) {
      // Every page finds another present.
      while (writing.revision <= header) await client.put(putRequest("elsewhere"));
      const page = await client.range(rangeRequest(from, { rangeEnd: prefixEnd("page/"), limit: 7, revision }));
      expect(page.count).toBe(keys.length - seen.length);
      expect(page.more).toBe(page.kvs.length < page.count);
      expect(revisionOf(page)).toBeGreaterThan(header);
      header = revisionOf(page);
      seen.push(...pairsOf(page.kvs));
      from = `${keysOf(page.kvs).at(-1)}\0`;
      more = page.more;
    }
    writing.isOver = true;
    await written;
    expect(seen).toEqual(keys.map((key) => `${key}=old`));
    await writer.close();
  });

  test("RG-08, RG-09: count_only has no keys, keys_only no values", async () => {
    const { client } = shared;
    await putAll(client, "only/a=1", "only/a=2", "only/b=3");
    const full = await client.range(prefix("only/"));
    for (const fields of [
      {},
      { limit: 1 },
      { keysOnly: true },
      { minModRevision: 2 ** 40 },
      { sortTarget: SORT_BY_MOD },
    ]) {
      const { kvs, count, more } = await client.range(prefix("only/", { countOnly: true, ...fields }));
      expect([kvs, count, more]).toEqual([[], 2, false]);
    }
    const { kvs, count } = await client.range(prefix("only/", { keysOnly: true }));
    expect([kvs.map(readable), count]).toEqual([full.kvs.map((encoded) => ({ ...readable(encoded), value: "" })), 2]);
    const single = await client.range(rangeRequest("only/a", { keysOnly: true }));
    expect(single.kvs.map(readable)).toEqual([{ ...readable(full.kvs[0]), value: "" }]);
    const one = await client.range(rangeRequest("only/a", { countOnly: true }));
    expect([one.kvs, one.count]).toEqual([[], 1]);
    // The lease may be left out of a list of keys, as etcd 3.7 does; a sort by value takes another way, which has it.
    const { ID } = await client.leaseGrant({ TTL: 600, ID: 0n });
    await client.put(putRequest("leased", "1", { lease: ID }));
    const [leased] = keyValues((await client.range(prefix("leased", { keysOnly: true }))).kvs);
    expect([0n, ID]).toContain(leased.lease);
    const sortedByValue = await client.range(prefix("leased", { keysOnly: true, sortTarget: SORT_BY_VALUE }));
    expect(sortedByValue.kvs.map(readable)).toMatchObject([{ key: "leased", value: "", lease: ID }]);
    // Sorting by value happens before the value is dropped.
    const byValue = await client.range(
      prefix("only/", { keysOnly: true, sortTarget: SORT_BY_VALUE, sortOrder: SORT_DESCEND }),
    );
    expect(pairsOf(byValue.kvs)).toEqual(["only/b=", "only/a="]);
  });

  test("RG-13: sort options outside their enums are refused, after a missing key", async () => {
    const { client } = shared;
    for (const fields of [
      { sortOrder: 3 },
      { sortOrder: 9 },
      { sortOrder: -1 },
      { sortTarget: 5 },
      { sortTarget: -1 },
    ]) {
      await expectRefused(client.range(prefix("a", fields)), ...INVALID_SORT_OPTION);
    }
    await expectRefused(client.range(rangeRequest("", { sortOrder: 9 })), 3, "etcdserver: key is not provided");
  });

  test("RG-14: a serializable read of the only member sees what was acknowledged", async () => {
    const { client } = shared;
    const revision = revisionOf(await client.put(putRequest("serializable", "1")));
    const response = await client.range(rangeRequest("serializable", { serializable: true }));
    expect([pairsOf(response.kvs), revisionOf(response)]).toEqual([["serializable=1"], revision]);
  });

  test("RG-15, RG-16: every field is that of the revision read, the lease too, and the header tells of the present", async () => {
    const { client } = shared;
    const { ID } = await client.leaseGrant({ TTL: 600, ID: 0n });
    const first = revisionOf(await client.put(putRequest("past", "1", { lease: ID })));
    const second = revisionOf(await client.put(putRequest("past", "2")));
    const third = revisionOf(await client.deleteRange(deleteRequest("past")));
    const at = async (revision: number): Promise<ReadableKeyValue[]> => {
      const response = await client.range(rangeRequest("past", { revision }));
      expect(revisionOf(response)).toBe(third);
      return response.kvs.map(readable);
    };
    expect(await at(first)).toEqual([{ key: "past", value: "1", create: first, mod: first, version: 1, lease: ID }]);
    expect(await at(second)).toEqual([{ key: "past", value: "2", create: first, mod: second, version: 2, lease: 0n }]);
    expect(await at(third)).toEqual([]);
    expect(await at(first - 1)).toEqual([]);
  });

  test("RG-17 GR-04: a result of 64 MiB is one message", async () => {
    const { client } = shared;
    const keys = Array.from({ length: 48 }, (_, i) => `big/${String(i).padStart(2, "0")}`);
    const value = (i: number): Buffer => Buffer.alloc(1_400_000, i + 1);
    // One after the other: all at once they are more than may wait for the journal, where its disk is slow.
    for (const [i, key] of keys.entries()) await client.put(putRequest(key, value(i)));
    const { kvs, count, more } = await client.range(prefix("big/"));
    expect([keysOf(kvs), count, more]).toEqual([keys, keys.length, false]);
    const isSame = keyValues(kvs).map((kv, i) => kv.value.equals(value(i)));
    expect(isSame.every(Boolean)).toBe(true);
    expect(kvs.reduce((sum, encoded) => sum + encoded.length, 0)).toBeGreaterThan(64 * 1024 * 1024);
  });

  describe("sorting and filters", () => {
    // Five keys whose order is another one by every target, without ties.
    let all: readonly ReadableKeyValue[];
    beforeAll(async () => {
      for (const key of "cebaddcecaecaee") {
        await shared.client.put(putRequest(`sort/${key}`, String("daebc".indexOf(key))));
      }
      all = (await shared.client.range(prefix("sort/"))).kvs.map(readable);
    });

    test("RG-10: every target in every order with every limit gives what sorting the whole and cutting it off gives", async () => {
      for (const [sortTarget, compare] of TARGETS.entries()) {
        for (const sortOrder of [SORT_ASCEND, SORT_DESCEND]) {
          const sorted = all.toSorted(compare);
          if (sortOrder === SORT_DESCEND) sorted.reverse();
          for (const limit of [0, 1, 3, 5, 6]) {
            const request = prefix("sort/", { sortTarget, sortOrder, limit });
            const { kvs, count, more } = await shared.client.range(request);
            const expected = limit === 0 ? sorted : sorted.slice(0, limit);
            expect([kvs.map(readable), count, more]).toEqual([expected, 5, expected.length < 5]);
          }
        }
      }
    });

    test("RG-10: without an order the target sorts ascending, but only the first limit and one keys", async () => {
      for (const [sortTarget, compare] of TARGETS.entries()) {
        for (const limit of [0, 1, 2, 3, 4, 5]) {
          const { kvs, count, more } = await shared.client.range(
            prefix("sort/", { sortTarget, sortOrder: SORT_NONE, limit }),
          );
          const expected =
            limit === 0
              ? all.toSorted(compare)
              : all
                  .slice(0, limit + 1)
                  .toSorted(compare)
                  .slice(0, limit);
          expect([sortTarget, limit, kvs.map(readable), count, more]).toEqual([
            sortTarget,
            limit,
            expected,
            5,
            expected.length < 5,
          ]);
        }
      }
    });

    test("RG-11: keys that sort alike all come", async () => {
      const { client } = shared;
      await client.txn(txnRequest(["a", "b", "c", "d", "e", "f"].map((key) => put(`tie/${key}`, "same"))));
      for (const sortTarget of [SORT_BY_VERSION, SORT_BY_CREATE, SORT_BY_MOD, SORT_BY_VALUE]) {
        const { kvs } = await client.range(prefix("tie/", { sortTarget, sortOrder: SORT_DESCEND }));
        expect(keysOf(kvs).toSorted().join(" ")).toBe("tie/a tie/b tie/c tie/d tie/e tie/f");
      }
    });

    test("RG-12: revision bounds are inclusive, come before sort and limit, and leave count alone", async () => {
      const [low, high] = all
        .map(({ mod }) => mod)
        .toSorted((x, y) => x - y)
        .slice(1, 3);
      const [early, late] = all
        .map(({ create }) => create)
        .toSorted((x, y) => x - y)
        .slice(1, 4);
      const rows: [Partial<RangeRequest>, (kv: ReadableKeyValue) => boolean][] = [
        [{ minModRevision: low }, ({ mod }) => mod >= low],
        [{ maxModRevision: high }, ({ mod }) => mod <= high],
        [{ minModRevision: low, maxModRevision: high }, ({ mod }) => mod >= low && mod <= high],
        [{ minCreateRevision: early }, ({ create }) => create >= early],
        [{ maxCreateRevision: late }, ({ create }) => create <= late],
        [{ minCreateRevision: early, maxModRevision: high }, ({ create, mod }) => create >= early && mod <= high],
        [{ minModRevision: high + 1000 }, () => false],
        [{ maxModRevision: 1 }, () => false],
        [{ minModRevision: -5 }, () => true],
        [{ maxModRevision: -5 }, () => false],
      ];
      for (const [fields, passes] of rows) {
        for (const limit of [0, 1, 2]) {
          for (const sorting of [
            {},
            { sortTarget: SORT_BY_VALUE, sortOrder: SORT_DESCEND },
            { sortTarget: SORT_BY_MOD },
          ]) {
            const matches = all.filter(passes).toSorted(TARGETS[sorting.sortTarget ?? SORT_BY_KEY]);
            if (sorting.sortOrder === SORT_DESCEND) matches.reverse();
            const expected = limit === 0 ? matches : matches.slice(0, limit);
            const { kvs, count, more } = await shared.client.range(prefix("sort/", { ...fields, ...sorting, limit }));
            expect([fields, kvs.map(readable), count, more]).toEqual([
              fields,
              expected,
              5,
              expected.length < matches.length,
            ]);
          }
        }
      }
    });

    test("RG-12: a single key is filtered as well, and counted", async () => {
      const { mod } = all[0];
      const request = rangeRequest("sort/a", { maxModRevision: mod });
      expect(await shared.client.range(request)).toMatchObject({ kvs: [expect.anything()], count: 1 });
      expect(await shared.client.range({ ...request, maxModRevision: mod - 1 })).toMatchObject({
        kvs: [],
        count: 1,
        more: false,
      });
    });
  });
});
