import { describe, expect, test } from "vitest";
import { eventText } from "../support/etcd-client.ts";
import {
  deleteRequest,
  prefixEnd,
  prefixWatch,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
  watchCreateRequest,
} from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import {
  crash,
  answers,
  COMPACTED,
  currentRevision,
  expectRefused,
  FUTURE_REVISION,
  keysOf,
  pairsOf,
  putAll,
  revisionOf,
} from "./answers.ts";

describeStores("Compact", (start) => {
  const shared = new SharedStore(start);

  const compact = async (revision: number, physical = false): Promise<number> =>
    revisionOf(await shared.client.compact({ revision, physical }));

  const at = async (key: string, revision: number): Promise<string[]> => {
    const { kvs } = await shared.client.range(rangeRequest(key, { rangeEnd: prefixEnd(key), revision }));
    return pairsOf(kvs);
  };

  test("CO-02: a fresh store can be compacted at 0 once, at negative revisions never", async () => {
    const { client } = shared;
    // Of a range inside a txn -1 is taken for a revision, and a store that was never compacted begins there.
    expect(answers(await client.txn(txnRequest([range("k", { revision: -1 })])))).toEqual([[]]);
    await expectRefused(client.txn(txnRequest([range("k", { revision: -2 })])), ...COMPACTED);
    await expectRefused(compact(-1), ...COMPACTED);
    await expectRefused(compact(-5), ...COMPACTED);
    await expectRefused(compact(2), ...FUTURE_REVISION);
    expect(await compact(0)).toBe(1);
    await expectRefused(compact(0), ...COMPACTED);
    await expectRefused(client.txn(txnRequest([range("k", { revision: -1 })])), ...COMPACTED);
    expect(await compact(1)).toBe(1);
    await expectRefused(compact(1), ...COMPACTED);
  });

  test("CO-01, CO-06: from behind the last one up to the current revision, which the header tells", async () => {
    const { client } = shared;
    const [first, second, third] = await putAll(client, "co1=1", "co1=2", "co1=3");
    await expectRefused(compact(third + 1), ...FUTURE_REVISION);
    expect(await compact(second)).toBe(third);
    await expectRefused(compact(second), ...COMPACTED);
    await expectRefused(compact(first, true), ...COMPACTED);
    expect(await compact(third)).toBe(third);
    await expectRefused(compact(third), ...COMPACTED);
    expect(await currentRevision(client)).toBe(third);
  });

  test("CO-03, CO-04: below the point nothing can be read, from it on everything is exact", async () => {
    const { client } = shared;
    const [first] = await putAll(client, "co3/a=1", "co3/b=1", "co3/c=1");
    await client.deleteRange(deleteRequest("co3/b"));
    const [point] = await putAll(client, "co3/a=2");
    const [later] = await putAll(client, "co3/c=2");
    const states = new Map([
      [point, ["co3/a=2", "co3/c=1"]],
      [later, ["co3/a=2", "co3/c=2"]],
    ]);
    for (const physical of [false, true]) {
      if (physical) await expectRefused(compact(point, true), ...COMPACTED);
      else await compact(point);
      for (const [revision, pairs] of states) expect(await at("co3/", revision)).toEqual(pairs);
      for (const revision of [first, point - 1]) await expectRefused(at("co3/", revision), ...COMPACTED);
      await expectRefused(client.txn(txnRequest([put("co3/d"), range("co3/a", { revision: first })])), ...COMPACTED);
      expect(answers(await client.txn(txnRequest([range("co3/c", { revision: point })])))).toEqual([["co3/c=1"]]);
    }
  });

  test("CO-03, CO-04: a delete exactly at the point is still told to a watch from there, until the next compaction", async () => {
    const { client } = shared;
    await client.put(putRequest("co4", "1"));
    const point = revisionOf(await client.deleteRange(deleteRequest("co4")));
    await client.put(putRequest("other", "1"));
    await compact(point, true);
    expect(await at("co4", point)).toEqual([]);
    const stream = client.watch();
    await stream.create(watchCreateRequest("co4", { startRevision: point }));
    expect((await stream.nextEvents(1)).map(eventText)).toEqual([`DELETE co4 @${point}`]);
    await compact(point + 1, true);
    const { watchId } = await stream.create(watchCreateRequest("co4", { startRevision: point }));
    expect(await stream.next()).toMatchObject({
      watchId,
      canceled: true,
      compactRevision: point + 1,
      cancelReason: "",
    });
    // With the next compaction all of its history has gone.
    const last = await currentRevision(client);
    expect(await at("co4", last)).toEqual([]);
    const after = client.watch();
    await after.create(watchCreateRequest("co4", { startRevision: point + 1 }));
    expect(await after.progress()).toMatchObject({ watchId: -1, events: [], header: { revision: last } });
    for (const { stream: each } of [stream, after]) each.cancel();
  });

  test("CO-03: a watch from below the point is cancelled, one at it and one behind it get all from there", async () => {
    const { client } = shared;
    const [first, point, last] = await putAll(client, "co5=1", "co5=2", "co5=3");
    await compact(point);
    const stream = client.watch();
    await stream.create(watchCreateRequest("co5", { startRevision: point }));
    expect((await stream.nextEvents(2)).map(eventText)).toEqual([`PUT co5=2 @${point}`, `PUT co5=3 @${last}`]);
    const { watchId } = await stream.create(watchCreateRequest("co5", { startRevision: first }));
    expect(await stream.next()).toMatchObject({ watchId, canceled: true, compactRevision: point });
    await stream.create(watchCreateRequest("co5", { startRevision: last }));
    expect((await stream.nextEvents(1)).map(eventText)).toEqual([`PUT co5=3 @${last}`]);
    stream.stream.cancel();
  });

  test("CO-08: a watch that has seen everything goes on, whatever is compacted", async () => {
    const { client } = shared;
    const stream = client.watch();
    await stream.create(prefixWatch("co8/"));
    const revisions = [];
    for (const value of ["1", "2", "3"]) {
      const revision = revisionOf(await client.put(putRequest("co8/a", value)));
      revisions.push(`PUT co8/a=${value} @${revision}`);
      expect((await stream.nextEvents(1)).map(eventText)).toEqual(revisions.slice(-1));
      await compact(revision, true);
    }
    stream.stream.cancel();
  });

  /** Bytes that the store keeps, history included. */
  const keptBytes = async (): Promise<number> => {
    const { dbSizeInUse } = await shared.client.status();
    return dbSizeInUse;
  };

  /** Puts the same 128 keys so many times, with the number of the time as value, and gives the last revision. */
  const putManyTimes = async (prefix: string, times: number): Promise<number> => {
    const keys = Array.from({ length: 128 }, (_, i) => `${prefix}${String(i).padStart(3, "0")}`);
    for (let i = 0; i < times; i += 20) {
      const round = Array.from({ length: Math.min(20, times - i) }, (_, n) =>
        shared.client.txn(txnRequest(keys.map((key) => put(key, String(i + n))))),
      );
      await Promise.all(round);
    }
    return currentRevision(shared.client);
  };

  test("CO-05 CO-11: a physical compaction is answered when a long history is gone, and what runs beside it all the time", async () => {
    const { client } = shared;
    const point = await putManyTimes("co11/", 2_000);
    const before = await keptBytes();
    const removal = { isOver: false };
    const removed = compact(point, true).finally(() => (removal.isOver = true));
    const kept = removed.then(keptBytes);
    let beside = 0;
    const whileRemoved = async (work: (turn: string) => Promise<void>): Promise<void> => {
      for (let turn = 0; !removal.isOver; turn++) {
        await work(String(turn));
        if (!removal.isOver) beside++;
      }
    };
    await Promise.all([
      whileRemoved(async (value) => {
        const { header } = await client.put(putRequest("co11/~", value));
        expect(await at("co11/~", header?.revision ?? 0)).toEqual([`co11/~=${value}`]);
      }),
      whileRemoved(async () => {
        const exact = await at("co11/", point);
        expect([exact.length, new Set(exact.map((pair) => pair.split("=")[1])).size]).toEqual([128, 1]);
      }),
    ]);
    expect(await removed).toBeGreaterThanOrEqual(point);
    expect(await kept).toBeLessThan(before / 2);
    // The first of each kind may have come before it, later ones have not.
    expect(beside).toBeGreaterThan(4);
  });

  test("CO-07 MV-09: the point outlives a crash in the midst of the removal, which is finished afterwards", async () => {
    await putAll(shared.client, "co7/a=1", "co7/b=1", "co7/a=2");
    await putManyTimes("co7/many/", 300);
    const value = "v".repeat(100_000);
    for (let i = 0; i < 50; i++) await shared.client.put(putRequest("co7/large", value));
    await shared.client.put(putRequest("co7/large"));
    const gone = revisionOf(await shared.client.deleteRange(deleteRequest("co7/b")));
    const before = await keptBytes();
    await compact(gone, false);
    await crash(shared);
    expect(await currentRevision(shared.client)).toBe(gone);
    await expectRefused(at("co7/", gone - 1), ...COMPACTED);
    await expectRefused(compact(gone), ...COMPACTED);
    const { kvs, count } = await shared.client.range(rangeRequest("co7/", { rangeEnd: prefixEnd("co7/") }));
    expect([count, ...keysOf(kvs).slice(0, 2)]).toEqual([130, "co7/a", "co7/large"]);
    expect((await at("co7/", gone)).slice(0, 2)).toEqual(["co7/a=2", "co7/large="]);
    // etcd frees what it has removed with a later write.
    const kept = async (): Promise<number> => {
      await shared.client.put(putRequest("other"));
      return keptBytes();
    };
    await expect.poll(kept, { timeout: 10_000 }).toBeLessThan(before / 2);
    const next = revisionOf(await shared.client.put(putRequest("co7/b", "3")));
    expect(await compact(next, true)).toBe(next);
  });
});

// The stores wait side by side.
describe.concurrent("Compact by itself", () => {
  describeStores("of", (start) => {
    const asked = new SharedStore(start, ["--auto-compaction-retention=1s"]);
    const shared = new SharedStore(start);

    test("CO-10: a store compacts by itself only when it was asked to", async () => {
      for (const { client } of [shared, asked]) await putAll(client, "co10=1", "co10=2", "co10=3");
      const compactRevision = async ({ client }: SharedStore): Promise<number> =>
        (await client.hashKv(0)).compactRevision;
      await expect.poll(() => compactRevision(asked), { timeout: 20_000 }).toBe(4);
      expect(await compactRevision(shared)).toBe(-1);
      const { kvs } = await shared.client.range(rangeRequest("co10", { revision: 2 }));
      expect(pairsOf(kvs)).toEqual(["co10=1"]);
    });
  });
});
