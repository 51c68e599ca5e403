import { expect, test } from "vitest";
import { eventText } from "../support/etcd-client.ts";
import {
  deleteRequest,
  prefixEnd,
  put,
  putRequest,
  rangeRequest,
  txnRequest,
  watchCreateRequest,
} from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { currentRevision, keysOf, readable, revisionOf } from "./answers.ts";

describeStores("DeleteRange", (start) => {
  const shared = new SharedStore(start);

  test("§4.7: one key: deleted is 1, prev_kvs is the key as it was, the second time there is nothing", async () => {
    const { client } = shared;
    const { ID } = await client.leaseGrant({ TTL: 600, ID: 0n });
    const create = revisionOf(await client.put(putRequest("one", "1")));
    const mod = revisionOf(await client.put(putRequest("one", "2", { lease: ID })));
    const { prevKvs, deleted, header } = await client.deleteRange(deleteRequest("one", "", true));
    expect([deleted, header?.revision]).toEqual([1, mod + 1]);
    expect(prevKvs.map(readable)).toEqual([{ key: "one", value: "2", create, mod, version: 2, lease: ID }]);
    const again = await client.deleteRange(deleteRequest("one", "", true));
    expect(again).toMatchObject({ deleted: 0, prevKvs: [], header: { revision: mod + 1 } });
    expect((await client.leaseTimeToLive(ID, true)).keys).toEqual([]);
  });

  test("§4.7: a range goes at one revision, prev_kvs in key order, tombstones in key order", async () => {
    const { client } = shared;
    for (const key of ["c", "a", "d", "b"]) await client.put(putRequest(`range/${key}`, key));
    const watch = client.watch();
    await watch.create(watchCreateRequest("range/", { rangeEnd: prefixEnd("range/") }));
    const before = await currentRevision(client);
    const { prevKvs, deleted, header } = await client.deleteRange(deleteRequest("range/a", "range/d", true));
    expect([deleted, header?.revision, keysOf(prevKvs)]).toEqual([3, before + 1, ["range/a", "range/b", "range/c"]]);
    expect((await watch.nextEvents(3)).map(eventText)).toEqual(
      ["a", "b", "c"].map((key) => `DELETE range/${key} @${before + 1}`),
    );
    const left = await client.range(rangeRequest("range/", { rangeEnd: prefixEnd("range/") }));
    expect([keysOf(left.kvs), left.count]).toEqual([["range/d"], 1]);
    watch.stream.cancel();
  });

  test("§4.7: prev_kvs only when asked, and nothing where nothing matches", async () => {
    const { client } = shared;
    await client.txn(txnRequest([put("quiet/a"), put("quiet/b")]));
    const before = await currentRevision(client);
    for (const [key, end] of [
      ["quiet", ""],
      ["quiet/c", "quiet/z"],
      ["quiet/b", "quiet/a"],
      ["quiet/a", "quiet/a"],
    ]) {
      const response = await client.deleteRange(deleteRequest(key, end, true));
      expect(response).toMatchObject({ deleted: 0, prevKvs: [], header: { revision: before } });
    }
    const { deleted, prevKvs } = await client.deleteRange(deleteRequest("quiet/", "quiet0"));
    expect([deleted, prevKvs]).toEqual([2, []]);
  });

  test("MV-05: what was deleted can be read in the past, and begins anew with the next put", async () => {
    const { client } = shared;
    const first = revisionOf(await client.put(putRequest("again", "1")));
    await client.deleteRange(deleteRequest("again"));
    const next = revisionOf(await client.put(putRequest("again", "2")));
    const past = await client.range(rangeRequest("again", { revision: first }));
    expect(past.kvs.map(readable)).toMatchObject([{ value: "1", create: first, version: 1 }]);
    expect((await client.range(rangeRequest("again", { revision: first + 1 }))).kvs).toEqual([]);
    const present = await client.range(rangeRequest("again"));
    expect(present.kvs.map(readable)).toMatchObject([{ value: "2", create: next, mod: next, version: 1 }]);
  });

  test("§4.7: every key can be deleted at once", async () => {
    const { client } = shared;
    await client.txn(txnRequest(Array.from({ length: 100 }, (_, i) => put(`all/${i}`))));
    const { count } = await client.range(rangeRequest("\0", { rangeEnd: Buffer.of(0), countOnly: true }));
    const { deleted, prevKvs } = await client.deleteRange(deleteRequest("\0", "\0", true));
    expect([deleted, prevKvs.length]).toEqual([count, count]);
    expect((await client.range(rangeRequest("\0", { rangeEnd: Buffer.of(0) }))).count).toBe(0);
  });
});
