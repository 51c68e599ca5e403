import { expect, test } from "vitest";
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
} from "../support/requests.ts";
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
    stream.stream.cancel();
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

  test("CO-05, CO-11: physical or not, reads and writes that run beside it are right", async () => {
    const { client } = shared;
    const keys = Array.from({ length: 100 }, (_, i) => `co11/${String(i).padStart(2, "0")}`);
    for (const value of ["1", "2", "3"]) await client.txn(txnRequest(keys.map((key) => put(key, value))));
    const point = await currentRevision(client);
    const work = [compact(point, true), client.put(putRequest("co11/00", "4")), at("co11/", 0), at("co11/", point)];
    const [header, written, , exact] = await Promise.all(work);
    expect(exact).toEqual(keys.map((key) => `${key}=3`));
    expect(header).toBeGreaterThanOrEqual(point);
    expect(await currentRevision(client)).toBe(revisionOf(written as Awaited<ReturnType<typeof client.put>>));
  });

  test("CO-07, MV-09: the point outlives a crash, with the removal finished or not", async () => {
    await putAll(shared.client, "co7/a=1", "co7/b=1", "co7/a=2");
    const gone = revisionOf(await shared.client.deleteRange(deleteRequest("co7/b")));
    await compact(gone, false);
    await crash(shared);
    expect(await currentRevision(shared.client)).toBe(gone);
    await expectRefused(at("co7/", gone - 1), ...COMPACTED);
    await expectRefused(compact(gone), ...COMPACTED);
    expect(await at("co7/", gone)).toEqual(["co7/a=2"]);
    const { kvs } = await shared.client.range(rangeRequest("co7/", { rangeEnd: prefixEnd("co7/") }));
    expect(keysOf(kvs)).toEqual(["co7/a"]);
    const next = revisionOf(await shared.client.put(putRequest("co7/b", "3")));
    expect(await compact(next, true)).toBe(next);
  });
});
