/** The stream that watches share: its order, what it ignores, and how a watch on it is cancelled. */
import { once } from "node:events";
import { connect } from "node:http2";
import { expect, test } from "vitest";
import { decodeEvent } from "../../proto/encoded-event.ts";
import { writeWatchRequest } from "../../proto/request-writers.ts";
import { eventText } from "../support/etcd-client.ts";
import { prefixWatch, watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { encode } from "./refused-calls.ts";

describeStores("watch: streams", (start) => {
  const shared = new SharedStore(start);

  test("WS-01 WS-07: every watch of a stream gets its own events under its own id, and nothing else is sent", async () => {
    const stream = shared.client.watch();
    for (const key of ["ws01/a", "ws01/b"]) await stream.create(watchCreateRequest(key));
    await stream.create(prefixWatch("ws01/"));
    const first = await shared.put("ws01/b", "1");
    await shared.put("ws01/none", "2");
    await shared.put("ws01/a", "3");
    const received: (readonly [number, string])[] = [];
    for (let i = 0; i < 5; i++) {
      const { watchId, events } = await stream.next();
      expect(events).toHaveLength(1);
      received.push([watchId, eventText(decodeEvent(events[0]))]);
    }
    const [one, two, three] = [`PUT ws01/b=1 @${first}`, `PUT ws01/none=2 @${first + 1}`, `PUT ws01/a=3 @${first + 2}`];
    expect(received.filter(([id]) => id === 0)).toEqual([[0, three]]);
    expect(received.filter(([id]) => id === 1)).toEqual([[1, one]]);
    expect(received.filter(([id]) => id === 2)).toEqual([
      [2, one],
      [2, two],
      [2, three],
    ]);
    expect(stream.waiting).toBe(0);
  });

  test("GR-08 WS-07: a stream on which nothing was asked for says nothing, not even a header", async () => {
    const session = connect(shared.store.url);
    const watch = session.request({
      ":method": "POST",
      ":path": "/etcdserverpb.Watch/Watch",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const heard: string[] = [];
    watch.on("response", () => heard.push("headers"));
    watch.on("data", () => heard.push("message"));
    // An event for others, and the answer to a ping: what the stream had to say would have come before it.
    await shared.put("gr08");
    await new Promise((resolve) => session.ping(resolve));
    expect(heard).toEqual([]);
    const create = encode(writeWatchRequest, { case: "create", request: watchCreateRequest("gr08") });
    watch.write(Buffer.concat([Buffer.of(0, 0, 0, 0, create.length), create]));
    await once(watch, "data");
    expect(heard).toEqual(["headers", "message"]);
    session.destroy();
  });

  test("WS-02: created comes before the events, also when there is much history to tell", async () => {
    const first = await shared.put("ws02", "0");
    for (let i = 1; i < 20; i++) await shared.put("ws02", String(i));
    const stream = shared.client.watch();
    for (let i = 0; i < 10; i++) {
      stream.send({ case: "create", request: watchCreateRequest("ws02", { startRevision: first }) });
    }
    const seen = new Set<number>();
    const counts = new Map<number, number>();
    while (counts.size < 10 || [...counts.values()].some((count) => count < 20)) {
      const { watchId, created, events } = await stream.next();
      expect(created).toBe(!seen.has(watchId));
      seen.add(watchId);
      counts.set(watchId, (counts.get(watchId) ?? 0) + events.length);
    }
    expect([...seen]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("WS-04: a request that says nothing, or something unknown, is ignored", async () => {
    const stream = shared.client.watch();
    stream.stream.send(Buffer.alloc(0));
    // Field 15, an embedded message of two bytes: a kind of request that nobody knows yet.
    stream.stream.send(Buffer.from([0x7a, 0x02, 0x08, 0x01]));
    const { watchId, canceled } = await stream.create(watchCreateRequest("ws04"));
    expect([watchId, canceled]).toEqual([0, false]);
  });

  test("WS-05: a client that has no more to say goes on listening", async () => {
    const stream = shared.client.watch();
    await stream.create(watchCreateRequest("ws05"));
    stream.stream.halfClose();
    const first = await shared.put("ws05", "1");
    await shared.put("ws05", "2");
    const events = await stream.nextEvents(2);
    expect(events.map(eventText)).toEqual([`PUT ws05=1 @${first}`, `PUT ws05=2 @${first + 1}`]);
    stream.stream.cancel();
  });

  test("§8.3: a cancelled watch is told so at the current revision, and gets nothing after it", async () => {
    const stream = shared.client.watch();
    await stream.create(prefixWatch("cancel/"));
    await stream.create(prefixWatch("cancel/"));
    const revision = await shared.put("cancel/a");
    expect([(await stream.next()).watchId, (await stream.next()).watchId].toSorted()).toEqual([0, 1]);
    stream.cancel(0);
    expect(await stream.next()).toMatchObject({
      header: { revision },
      watchId: 0,
      created: false,
      canceled: true,
      compactRevision: 0,
      cancelReason: "",
      events: [],
    });
    await shared.put("cancel/b");
    await shared.put("cancel/c");
    const after = [await stream.next(), await stream.next()];
    expect(after.map(({ watchId, header }) => [watchId, header?.revision])).toEqual([
      [1, revision + 1],
      [1, revision + 2],
    ]);
  });

  test("§8.3 WC-07: cancelling what is not there is not answered", async () => {
    const stream = shared.client.watch();
    stream.cancel(0);
    stream.cancel(7);
    stream.cancel(-1);
    expect((await stream.create(watchCreateRequest("a"))).watchId).toBe(0);
    stream.cancel(0);
    expect(await stream.next()).toMatchObject({ watchId: 0, canceled: true });
    stream.cancel(0);
    // Ids that the server chooses go on counting; one that the client chooses may come back.
    expect((await stream.create(watchCreateRequest("a"))).watchId).toBe(1);
    stream.cancel(1);
    expect(await stream.next()).toMatchObject({ watchId: 1, canceled: true });
    expect((await stream.create(watchCreateRequest("a", { watchId: 1 }))).watchId).toBe(1);
    expect((await stream.create(watchCreateRequest("a"))).watchId).toBe(2);
  });

  test("§8.3: a watch of a start in the future can be cancelled", async () => {
    const stream = shared.client.watch();
    const revision = await shared.revision();
    await stream.create(watchCreateRequest("a", { startRevision: revision + 100 }));
    stream.cancel(0);
    expect(await stream.next()).toMatchObject({ watchId: 0, canceled: true, header: { revision } });
  });

  test("§3.3: every watch response has a full header, with the same ids and term as any other reply", async () => {
    const { client } = shared;
    const { header } = await client.status();
    const { clusterId, memberId, raftTerm } = header ?? {};
    expect([clusterId, memberId].includes(0n)).toBe(false);
    const stream = client.watch();
    stream.send({ case: "create", request: watchCreateRequest("b", { rangeEnd: Buffer.from("a") }) });
    stream.send({ case: "create", request: watchCreateRequest("header") });
    const responses = [await stream.next(), await stream.next()];
    await shared.put("header");
    responses.push(await stream.next(), await stream.progress());
    stream.cancel(0);
    responses.push(await stream.next());
    for (const response of responses) expect(response.header).toMatchObject({ clusterId, memberId, raftTerm });
  });
});
