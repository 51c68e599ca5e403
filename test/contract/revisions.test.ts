import { afterAll, beforeAll, expect, test } from "vitest";
import { EtcdClient, keyValues } from "../support/etcd-client.ts";
import { deleteRequest, putRequest, rangeRequest } from "../support/requests.ts";
import type { Store } from "../support/stores.ts";
import { describeStores } from "../support/stores.ts";

describeStores("revisions", (start) => {
  let store: Store;
  let client: EtcdClient;

  beforeAll(async () => {
    store = await start();
    client = await EtcdClient.connect(store.url);
  });

  afterAll(async () => {
    await client.close();
    await store.remove();
  });

  test("MV-01 to MV-05: a fresh store is at 1, changes count up, deletes begin anew, nothings do not count", async () => {
    const all = rangeRequest("\0", { rangeEnd: Buffer.from([0]) });
    const fresh = await client.range(all);
    expect([fresh.count, fresh.header?.revision]).toEqual([0, 1]);
    const revisions = [];
    for (const step of ["put", "put", "delete", "delete", "put"]) {
      const { header } = step === "put" ? await client.put(putRequest("a", "1")) : await client.deleteRange(deleteRequest("a"));
      const { kvs } = await client.range(rangeRequest("a"));
      const kv = keyValues(kvs)[0];
      revisions.push([header?.revision, kv?.createRevision, kv?.modRevision, kv?.version]);
    }
    const gone = [undefined, undefined, undefined];
    expect(revisions).toEqual([[2, 2, 2, 1], [3, 2, 3, 2], [4, ...gone], [4, ...gone], [5, 5, 5, 1]]);
  });
});
