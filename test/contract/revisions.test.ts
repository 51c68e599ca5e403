import { expect, test } from "vitest";
import { defragmentRequest, defragmentResponse } from "../../proto/rare.ts";
import { EtcdClient, eventsOf, eventText, keyValues } from "../support/etcd-client.ts";
import {
  compareMod,
  del,
  deleteRequest,
  nested,
  prefixEnd,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
  watchCreateRequest,
} from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { crash, currentRevision, keysOf, readable, revisionOf } from "./answers.ts";

describeStores("revisions", (start) => {
  const shared = new SharedStore(start);

  test("MV-01 MV-02 MV-03 MV-04 MV-05: a fresh store is at 1, changes count up, deletes begin anew, nothings do not count", async () => {
    const { client } = shared;
    const all = rangeRequest("\0", { rangeEnd: Buffer.of(0) });
    const fresh = await client.range(all);
    expect([fresh.count, fresh.header?.revision]).toEqual([0, 1]);
    const revisions = [];
    for (const step of ["put", "put", "delete", "delete", "put"]) {
      const { header } =
        step === "put" ? await client.put(putRequest("a", "1")) : await client.deleteRange(deleteRequest("a"));
      const { kvs } = await client.range(rangeRequest("a"));
      const kv = keyValues(kvs)[0];
      revisions.push([header?.revision, kv?.createRevision, kv?.modRevision, kv?.version]);
    }
    const gone = [undefined, undefined, undefined];
    expect(revisions).toEqual([
      [2, 2, 2, 1],
      [3, 2, 3, 2],
      [4, ...gone],
      [4, ...gone],
      [5, 5, 5, 1],
    ]);
  });

  test("MV-02, MV-06: all changes of one request have one revision, and their events the order of the operations", async () => {
    const { client } = shared;
    await client.put(putRequest("txn/c", "old"));
    const watch = client.watch();
    await watch.create(watchCreateRequest("txn/", { rangeEnd: prefixEnd("txn/") }));
    const before = await currentRevision(client);
    const { header } = await client.txn(
      txnRequest([put("txn/b", "1"), put("txn/a", "2"), del("txn/c"), put("txn/d", "3")]),
    );
    expect(header?.revision).toBe(before + 1);
    const { kvs } = await client.range(rangeRequest("txn/", { rangeEnd: prefixEnd("txn/") }));
    expect(kvs.map(readable).map(({ key, mod }) => [key, mod])).toEqual(
      ["txn/a", "txn/b", "txn/d"].map((key) => [key, before + 1]),
    );
    expect(eventsOf(await watch.next()).map(eventText)).toEqual([
      `PUT txn/b=1 @${before + 1}`,
      `PUT txn/a=2 @${before + 1}`,
      `DELETE txn/c @${before + 1}`,
      `PUT txn/d=3 @${before + 1}`,
    ]);
    watch.stream.cancel();
  });

  test("MV-02: a delete of many keys and the revocation of a lease with many take one revision each", async () => {
    const { client } = shared;
    const { ID } = await client.leaseGrant({ TTL: 600, ID: 0n });
    await client.txn(txnRequest(["1", "2", "3"].map((n) => put(`many/${n}`))));
    await client.txn(txnRequest(["1", "2", "3"].map((n) => put(`leased/${n}`, "", { lease: ID }))));
    const before = await currentRevision(client);
    expect(await client.deleteRange(deleteRequest("many/", "many0"))).toMatchObject({
      deleted: 3,
      header: { revision: before + 1 },
    });
    expect(revisionOf(await client.leaseRevoke(ID))).toBe(before + 2);
    expect(await currentRevision(client)).toBe(before + 2);
  });

  test("MV-03: what changes nothing takes no revision, and says the current one", async () => {
    const { client } = shared;
    await client.put(putRequest("still", "here"));
    const before = await currentRevision(client);
    const keepAlive = client.keepAlive();
    const lease = await client.leaseGrant({ TTL: 600, ID: 0n });
    keepAlive.send({ ID: lease.ID });
    const responses = {
      "delete of nothing": await client.deleteRange(deleteRequest("nothing")),
      "delete of an empty interval": await client.deleteRange(deleteRequest("z", "a")),
      range: await client.range(rangeRequest("still")),
      "empty txn": await client.txn(txnRequest([])),
      "read-only txn": await client.txn(txnRequest([range("still")])),
      "nested read-only txn": await client.txn(txnRequest([nested([range("still")])])),
      "txn that deletes nothing": await client.txn(txnRequest([del("nothing")])),
      "failed compare": await client.txn(txnRequest([put("still")], [], [compareMod("still", 1)])),
      "lease grant": lease,
      "lease keep alive": await keepAlive.next(),
      "lease time to live": await client.leaseTimeToLive(lease.ID),
      leases: await client.leaseLeases(),
      "revocation of a lease without keys": await client.leaseRevoke(lease.ID),
      status: await client.status(),
      hash: await client.hashKv(0),
      alarm: await client.alarm({ action: 0, memberID: 0n, alarm: 0 }),
    };
    for (const [what, response] of Object.entries(responses))
      expect([what, revisionOf(response)]).toEqual([what, before]);
    await client.rare("Maintenance/Defragment", defragmentRequest, defragmentResponse, {});
    expect(revisionOf(await client.compact({ revision: before, physical: false }))).toBe(before);
    expect(await currentRevision(client)).toBe(before);
    keepAlive.stream.cancel();
  });

  test("§3.3: ids and term are not zero, the same in every answer, and the member leads itself", async () => {
    const { client } = shared;
    const responses = [
      await client.put(putRequest("header")),
      await client.range(rangeRequest("header")),
      await client.txn(txnRequest([put("header")])),
      await client.deleteRange(deleteRequest("header")),
      await client.status(),
    ];
    const { clusterId, memberId, raftTerm } = responses[0].header ?? { clusterId: 0n, memberId: 0n, raftTerm: 0 };
    expect([clusterId, memberId]).not.toContain(0n);
    expect(raftTerm).toBeGreaterThan(0);
    for (const { header } of responses) expect(header).toMatchObject({ clusterId, memberId, raftTerm });
    expect((await client.status()).leader).toBe(memberId);
  });

  test("§4.2: the header of every answer is that of its own operation", async () => {
    const { client } = shared;
    const first = revisionOf(await client.put(putRequest("hdr", "1")));
    expect(revisionOf(await client.put(putRequest("hdr", "2")))).toBe(first + 1);
    // A read of the past tells of the present.
    expect(revisionOf(await client.range(rangeRequest("hdr", { revision: first })))).toBe(first + 1);
    expect(revisionOf(await client.deleteRange(deleteRequest("hdr")))).toBe(first + 2);
    expect(revisionOf(await client.txn(txnRequest([put("hdr", "3")])))).toBe(first + 3);
    expect(revisionOf(await client.txn(txnRequest([], [range("hdr")], [compareMod("hdr", 1)])))).toBe(first + 3);
  });

  test("MV-07: an empty value is a value", async () => {
    const { client } = shared;
    const watch = client.watch();
    await watch.create(watchCreateRequest("empty"));
    const revision = revisionOf(await client.put(putRequest("empty", "")));
    const { kvs, count } = await client.range(rangeRequest("empty"));
    expect(count).toBe(1);
    expect(readable(kvs[0])).toEqual({
      key: "empty",
      value: "",
      create: revision,
      mod: revision,
      version: 1,
      lease: 0n,
    });
    expect((await watch.nextEvents(1)).map(eventText)).toEqual([`PUT empty= @${revision}`]);
    watch.stream.cancel();
  });

  test("MV-08: keys and values are any bytes, ordered unsigned, the shorter first", async () => {
    const { client } = shared;
    const keys = [
      "\0",
      "\0\0",
      "\u0001",
      "b\0",
      "b\0\xff",
      "b\x7f",
      "b\x80",
      "b\xc3\x28",
      "b\xff",
      "b\xff\0",
      "\xff",
      "\xff\xff",
    ];
    await client.txn(txnRequest(keys.toReversed().map((key) => put(key, `\xff${key}\0`))));
    for (const key of keys) {
      const { kvs } = await client.range(rangeRequest(key));
      expect(readable(kvs[0])).toMatchObject({ key, value: `\xff${key}\0` });
    }
    const { kvs } = await client.range(rangeRequest("\0", { rangeEnd: Buffer.of(0) }));
    expect(keysOf(kvs).filter((key) => keys.includes(key))).toEqual(keys);
  });

  test("MV-10: what one connection was told, every other one reads", async () => {
    const { client, store } = shared;
    const other = await EtcdClient.connect(store.url);
    for (let i = 0; i < 10; i++) {
      const written = await client.put(putRequest("shared", String(i)));
      const { kvs, header } = await other.range(rangeRequest("shared"));
      expect([readable(kvs[0]).value, header?.revision]).toEqual([String(i), written.header?.revision]);
    }
    await other.close();
  });

  test("MV-09, MV-10: after a crash all that was acknowledged is there, and the revision of a last delete that was compacted away", async () => {
    await shared.client.put(putRequest("crash/kept", "1"));
    await shared.client.put(putRequest("crash/gone", "1"));
    const header = (await shared.client.deleteRange(deleteRequest("crash/gone"))).header;
    const revision = header?.revision ?? 0;
    await shared.client.compact({ revision, physical: true });
    await crash(shared);
    const { client } = shared;
    const response = await client.range(rangeRequest("crash/", { rangeEnd: prefixEnd("crash/") }));
    expect([keysOf(response.kvs), response.header?.revision]).toEqual([["crash/kept"], revision]);
    expect(response.header).toMatchObject({ clusterId: header?.clusterId, memberId: header?.memberId });
    expect(revisionOf(await client.put(putRequest("crash/next")))).toBe(revision + 1);
  });
});
