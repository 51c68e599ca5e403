/** Many connections, many streams, large messages, deadlines and metadata, seen from the outside. */
import { expect, test } from "vitest";
import type { Field } from "../../bench/client/lean-client.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { putRequest, rangeRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

const rangePath = "/etcdserverpb.KV/Range";
const watchPath = "/etcdserverpb.Watch/Watch";
/** A range of the key "a". */
const rangeMessage = Buffer.from([0x0a, 1, 0x61]);

describeStores("connections", (start) => {
  const shared = new SharedStore(start);

  /** How many watchers the store says it has. */
  async function watchers(): Promise<number> {
    const body = await (await fetch(`${shared.store.url}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(body)?.[1]);
  }

  async function untilWatchers(count: number): Promise<void> {
    await expect.poll(watchers, { timeout: 10_000, interval: 20 }).toBe(count);
  }

  test("GR-02: a thousand watch streams on one connection, and calls beside them", async () => {
    const client = await EtcdClient.connect(shared.store.url);
    const streams = Array.from({ length: 1_000 }, () => client.watch());
    await Promise.all(streams.map((stream) => stream.create(watchCreateRequest("gr02"))));
    const { header } = await client.put(putRequest("gr02", "1"));
    const responses = await Promise.all(streams.map((stream) => stream.next()));
    expect(responses.every((response) => response.header?.revision === header?.revision)).toBe(true);
    expect(responses.every((response) => response.events.length === 1)).toBe(true);
    client.lean.destroy();
    await untilWatchers(0);
  });

  test("GR-02 WS-01: a thousand watches on one stream", async () => {
    const client = await EtcdClient.connect(shared.store.url);
    const stream = client.watch();
    for (let i = 0; i < 1_000; i++) stream.send({ case: "create", request: watchCreateRequest(`many/${i}`) });
    for (let i = 0; i < 1_000; i++) expect(await stream.next()).toMatchObject({ watchId: i, created: true });
    for (const i of [999, 0, 500]) {
      const { header } = await client.put(putRequest(`many/${i}`));
      expect(await stream.next()).toMatchObject({ watchId: i, header: { revision: header?.revision } });
    }
    stream.requestProgress();
    expect((await stream.next()).watchId).toBe(-1);
    await client.close();
    await untilWatchers(0);
  });

  test("GR-02: two hundred connections with a watch each", async () => {
    const urls = Array.from({ length: 200 }, () => shared.store.url);
    const clients = await Promise.all(urls.map((url) => EtcdClient.connect(url)));
    const streams = clients.map((client) => client.watch());
    await Promise.all(streams.map((stream) => stream.create(watchCreateRequest("gr02/each"))));
    const revisions = await Promise.all(
      clients.map(async (client, i) => (await client.put(putRequest("gr02/each", String(i)))).header?.revision ?? 0),
    );
    const first = Math.min(...revisions);
    for (const stream of streams) {
      const events = await stream.nextEvents(200);
      expect(events.map(({ kv }) => kv?.modRevision)).toEqual(events.map((_, i) => first + i));
    }
    await Promise.all(clients.map((client) => client.close()));
    await untilWatchers(0);
  });

  test("GR-09 WS-06: a cancelled stream, a cancelled watch and a lost connection free their watchers", async () => {
    const client = await EtcdClient.connect(shared.store.url);
    const streams: WatchStream[] = [client.watch(), client.watch()];
    for (const stream of streams) for (let i = 0; i < 10; i++) await stream.create(watchCreateRequest("gr09"));
    await untilWatchers(20);
    streams[0].stream.cancel();
    expect((await streams[0].ended).code).toBe(1);
    await untilWatchers(10);
    streams[1].cancel(3);
    expect((await streams[1].next()).canceled).toBe(true);
    await untilWatchers(9);
    client.lean.destroy();
    await untilWatchers(0);
  });

  test("GR-09: a stream whose deadline passes is over and frees its watchers; a call with time enough is answered", async () => {
    const { lean } = shared.client;
    const reply = await lean.call(rangePath, rangeMessage, { timeoutMilliseconds: 30_000 });
    expect(reply.length).toBeGreaterThan(0);
    const ended = Promise.withResolvers<number>();
    const created = Promise.withResolvers<void>();
    const stream = lean.stream(
      watchPath,
      { onMessage: () => created.resolve(), onEnd: (code) => ended.resolve(code) },
      { timeoutMilliseconds: 1_000 },
    );
    // A create request for the key "a".
    stream.send(Buffer.from([0x0a, rangeMessage.length, ...rangeMessage]));
    await created.promise;
    // The client has given up by then: whether it reads DEADLINE_EXCEEDED or a reset stream, CANCELLED, is the same to it.
    expect([1, 4]).toContain(await ended.promise);
    await untilWatchers(0);
  });

  test("GR-03: a message beyond 2 MiB is refused by its size, also on a stream, and the connection lives on", async () => {
    const { lean } = shared.client;
    const limit = 2 * 1024 * 1024;
    const refused = { code: 8, message: `grpc: received message larger than max (${limit + 1} vs. ${limit})` };
    await expect(lean.call("/etcdserverpb.KV/Put", Buffer.alloc(limit + 1))).rejects.toMatchObject(refused);
    const stream = shared.client.watch();
    stream.stream.send(Buffer.alloc(limit + 1));
    expect(await stream.ended).toEqual(refused);
    // A message just within the limit gets as far as the request's own checks.
    const tooLarge = { code: 3, message: "etcdserver: request is too large" };
    const request = putRequest("a", Buffer.alloc(limit - 100));
    await expect(shared.client.put(request)).rejects.toMatchObject(tooLarge);
    await shared.put("a");
  });

  test("GR-05: pings between messages are answered, as many as there are", async () => {
    const client = await EtcdClient.connect(shared.store.url);
    const stream = client.watch();
    await stream.create(watchCreateRequest("gr05"));
    for (let i = 0; i < 50; i++) {
      await client.put(putRequest("gr05", String(i)));
      await Promise.all([stream.nextEvents(1), client.lean.ping()]);
    }
    expect(client.lean.goaway).toBeNull();
    await client.close();
  });

  test("§3.2: the client's version may be anything in UTF-8, and only that", async () => {
    const { lean } = shared.client;
    const versioned = (version: string): Field[] => [["client-api-version", version]];
    for (const version of ["3.5", "3.7.3", "v4", "none", "", "\u00c3\u00bc"]) {
      await lean.call(rangePath, rangeMessage, { metadata: versioned(version) });
    }
    const refused = { code: 3, message: "etcdserver: invalid client api version" };
    const invalid = { metadata: versioned("3.\u00ff") };
    await expect(lean.call(rangePath, rangeMessage, invalid)).rejects.toMatchObject(refused);
    const ended = Promise.withResolvers<unknown>();
    const onEnd = (code: number, message: string): void => ended.resolve({ code, message });
    lean.stream(watchPath, { onMessage: () => {}, onEnd }, invalid);
    expect(await ended.promise).toEqual(refused);
  });

  test("§3.2: who wants a leader finds one, and metadata that means nothing here is ignored", async () => {
    const metadata: Field[] = [
      ["hasleader", "true"],
      ["token", "no such token"],
      ["authorization", "nobody"],
      ["source", "cache"],
      ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
      ["x-unknown", "1"],
      ["x-unknown-bin", "AAEC"],
    ];
    const client = await EtcdClient.connect(shared.store.url, { metadata });
    await client.range(rangeRequest("a"));
    await client.watch().create(watchCreateRequest("a"));
    const { ID } = await client.leaseGrant({ ID: 0n, TTL: 600 });
    const keepAlive = client.keepAlive();
    keepAlive.send({ ID });
    expect((await keepAlive.next()).TTL).toBe(600);
    await client.close();
  });

  test("§3.3: every unary reply has the header with the ids of cluster and member", async () => {
    const { client } = shared;
    const { clusterId, memberId, raftTerm } = (await client.status()).header ?? {};
    const lease = await client.leaseGrant({ ID: 0n, TTL: 600 });
    const replies = [
      await client.put(putRequest("header")),
      await client.range(rangeRequest("header")),
      await client.txn({ compare: [], success: [], failure: [] }),
      await client.compact({ revision: 1, physical: false }),
      lease,
      await client.leaseTimeToLive(lease.ID),
      await client.leaseLeases(),
      await client.leaseRevoke(lease.ID),
      await client.alarm({ action: 0, alarm: 0, memberID: 0n }),
      await client.hashKv(0),
    ];
    for (const { header } of replies) {
      expect(header).toMatchObject({ clusterId, memberId, raftTerm });
      expect(header?.revision).toBeGreaterThan(1);
    }
  });
});
