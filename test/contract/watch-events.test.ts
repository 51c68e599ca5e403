/** What is in the events of a watch, and how they are grouped into responses. */
import { expect, test } from "vitest";
import { EVENT_DELETE, EVENT_PUT } from "../../proto/messages.ts";
import type { Event, KeyValue, WatchResponse } from "../../proto/messages.ts";
import { EtcdClient, eventsOf, eventText } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import {
  del,
  nested,
  prefixWatch,
  put,
  putRequest,
  txnRequest,
  watchCreateRequest,
} from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

describeStores("watch: events", (start) => {
  const shared = new SharedStore(start);

  /** The same changes as they are seen live and from history, with and without prev_kv. */
  async function watchTwice(
    prefix: string,
    change: () => Promise<number>,
  ): Promise<Record<"live" | "past", Event[][]>> {
    const live = [shared.client.watch(), shared.client.watch()];
    const past = [shared.client.watch(), shared.client.watch()];
    const first = (await shared.revision()) + 1;
    for (const [i, stream] of live.entries()) await stream.create(prefixWatch(prefix, { prevKv: i === 1 }));
    const count = await change();
    for (const [i, stream] of past.entries()) {
      await stream.create(prefixWatch(prefix, { prevKv: i === 1, startRevision: first }));
    }
    const read = (streams: WatchStream[]): Promise<Event[][]> =>
      Promise.all(streams.map((stream) => stream.nextEvents(count)));
    return { live: await read(live), past: await read(past) };
  }

  test("WA-11 §8.4: create, update, delete: full kv on puts, key and revision on deletes, the state before", async () => {
    const { client } = shared;
    const { ID } = await client.leaseGrant({ ID: 0n, TTL: 600 });
    const first = (await shared.revision()) + 1;
    const seen = await watchTwice("wa11/", async () => {
      await shared.put("wa11/a", "1");
      await shared.put("wa11/a", "2", ID);
      await shared.delete("wa11/a");
      await shared.put("wa11/a", "");
      return 4;
    });
    const state = (value: string, create: number, mod: number, version: number, lease = 0n): KeyValue => ({
      key: Buffer.from("wa11/a"),
      value: Buffer.from(value),
      createRevision: create,
      modRevision: mod,
      version,
      lease,
    });
    const created = state("1", first, first, 1);
    const updated = state("2", first, first + 1, 2, ID);
    const deleted = state("", 0, first + 2, 0);
    const again = state("", first + 3, first + 3, 1);
    const withPrevious = [
      { type: EVENT_PUT, kv: created, prevKv: null },
      { type: EVENT_PUT, kv: updated, prevKv: created },
      { type: EVENT_DELETE, kv: deleted, prevKv: updated },
      { type: EVENT_PUT, kv: again, prevKv: null },
    ];
    const without = withPrevious.map((event) => ({ ...event, prevKv: null }));
    expect(seen).toEqual({ live: [without, withPrevious], past: [without, withPrevious] });
  });

  test("§8.4 LS-18: what a revoked lease takes away are ordinary deletes, with the state before", async () => {
    const { client } = shared;
    const { ID } = await client.leaseGrant({ ID: 0n, TTL: 600 });
    const stream = client.watch();
    await stream.create(prefixWatch("ls18/", { prevKv: true }));
    await shared.put("ls18/b", "2", ID);
    const mod = await shared.put("ls18/a", "1", ID);
    await stream.nextEvents(2);
    await client.leaseRevoke(ID);
    const { events, header } = await stream.next();
    const [first, second] = eventsOf({ events } as WatchResponse);
    expect(header?.revision).toBe(mod + 1);
    expect([first, second].map(eventText)).toEqual([`DELETE ls18/a @${mod + 1}`, `DELETE ls18/b @${mod + 1}`]);
    expect(first.prevKv).toMatchObject({ value: Buffer.from("1"), modRevision: mod, lease: ID });
  });

  test("§8.4 TX-06: two changes of a key in one revision are two events in order, before both the state before the txn", async () => {
    const { client } = shared;
    const key = "~twice";
    const before = await shared.put(key, "0");
    const live = client.watch();
    await live.create(watchCreateRequest(key, { prevKv: true }));
    await client.txn(txnRequest([nested([put(key, "1")]), nested([del(key)])]));
    await shared.put(key, "2");
    await client.txn(txnRequest([put(key, "3"), del(key, "\0")]));
    const texts = [`PUT ${key}=1 @${before + 1}`, `DELETE ${key} @${before + 1}`, `PUT ${key}=2 @${before + 2}`];
    texts.push(`PUT ${key}=3 @${before + 3}`, `DELETE ${key} @${before + 3}`);
    const events = await live.nextEvents(5);
    expect(events.map(eventText)).toEqual(texts);
    const previous = events.map(({ prevKv }) => prevKv?.value.toString() ?? null);
    expect(previous).toEqual(["0", "0", null, "2", "2"]);
    await shared.put(key, "4");
    await client.txn(txnRequest([del(key, "\0"), put(key, "5")]));
    const [, deleted, created] = await live.nextEvents(3);
    expect([deleted.type, deleted.prevKv?.value.toString()]).toEqual([EVENT_DELETE, "4"]);
    expect([created.kv?.version, created.kv?.createRevision, created.prevKv]).toEqual([1, before + 5, null]);
    const past = client.watch();
    await past.create(watchCreateRequest(key, { prevKv: true, startRevision: before + 1 }));
    expect((await past.nextEvents(8)).slice(0, 5)).toEqual(events);
  });

  test("WO-01 WO-02 WO-03: all events of a revision are in one response, in the order of the operations", async () => {
    const { client } = shared;
    await shared.put("wo02/c");
    const live = client.watch();
    const { header } = await live.create(prefixWatch("wo02/"));
    const revision = (header?.revision ?? 0) + 1;
    await client.txn(txnRequest([put("wo02/b", "1"), put("wo02/a", "2"), del("wo02/c"), put("wo02/d", "3"), put("x")]));
    const many = Array.from({ length: 128 }, (_, i) => put(`wo02/${127 - i}`));
    await client.txn(txnRequest(many));
    const one = await live.next();
    const all = await live.next();
    const expected = ["PUT wo02/b=1", "PUT wo02/a=2", "DELETE wo02/c", "PUT wo02/d=3"].map(
      (text) => `${text} @${revision}`,
    );
    expect(eventsOf(one).map(eventText)).toEqual(expected);
    expect(eventsOf(all).map(eventText)).toEqual(many.map((_, i) => `PUT wo02/${127 - i}= @${revision + 1}`));
    expect([one, all].map((response) => response.header?.revision)).toEqual([revision, revision + 1]);

    const past = client.watch();
    await past.create(prefixWatch("wo02/", { startRevision: revision }));
    const events = await past.nextEvents(132);
    expect(events.map(eventText)).toEqual([...eventsOf(one), ...eventsOf(all)].map(eventText));
  });

  test("WO-01 WO-04 WO-06 WA-06: from any start, while a writer runs: each event once, revisions whole, none missing", async () => {
    const writer = await EtcdClient.connect(shared.store.url);
    const first = (await shared.revision()) + 1;
    const revisions = 240;
    const streams: WatchStream[] = [];
    for (let i = 0; i < revisions; i++) {
      // Revisions of one, two and three events; a watch every few of them.
      const size = 1 + (i % 3);
      await writer.txn(txnRequest(Array.from({ length: size }, (_, n) => put(`wo04/${i % 10}/${n}`, String(i)))));
      if (i % 40 !== 20) continue;
      for (const behind of [0, 1, 19]) {
        const stream = shared.client.watch();
        stream.send({
          case: "create",
          request: prefixWatch("wo04/", { startRevision: first + i - behind, prevKv: true }),
        });
        streams.push(stream);
      }
    }
    await writer.close();
    const last = first + revisions - 1;
    for (const [n, stream] of streams.entries()) {
      const from = first + 20 + 40 * Math.floor(n / 3) - [0, 1, 19][n % 3];
      expect((await stream.next()).created).toBe(true);
      const texts: string[] = [];
      let previousHeader = 0;
      let ended = 0;
      while (ended < last) {
        const response = await stream.next();
        const events = eventsOf(response);
        const mods = events.map(({ kv }) => kv?.modRevision ?? 0);
        // A revision that was begun in one response does not go on in the next one.
        expect(mods[0]).toBe(ended === 0 ? from : ended + 1);
        ended = mods[mods.length - 1];
        const headerRevision = response.header?.revision ?? 0;
        expect(headerRevision).toBeGreaterThanOrEqual(Math.max(ended, previousHeader));
        previousHeader = headerRevision;
        texts.push(...events.map(eventText));
      }
      const expected: string[] = [];
      for (let revision = from; revision <= last; revision++) {
        const i = revision - first;
        for (let k = 0; k <= i % 3; k++) expected.push(`PUT wo04/${i % 10}/${k}=${i} @${revision}`);
      }
      expect(texts).toEqual(expected);
      stream.stream.cancel();
    }
  });

  test("WO-02 WO-04: history of large revisions is cut between them only", async () => {
    const { client } = shared;
    const value = "x".repeat(12_000);
    const first = (await shared.revision()) + 1;
    for (let i = 0; i < 6; i++) {
      await client.txn(txnRequest(Array.from({ length: 100 + i }, (_, n) => put(`large/${n}`, value))));
    }
    const stream = client.watch();
    await stream.create(prefixWatch("large/", { startRevision: first, prevKv: true }));
    let next = first;
    while (next < first + 6) {
      const counts = new Map<number, number>();
      for (const { kv } of eventsOf(await stream.next())) {
        counts.set(kv?.modRevision ?? 0, (counts.get(kv?.modRevision ?? 0) ?? 0) + 1);
      }
      for (const [revision, count] of counts) expect([revision, count]).toEqual([next, 100 + next++ - first]);
    }
  });

  test("WO-08: without fragments a response is as large as its revision", async () => {
    const { client } = shared;
    const value = Buffer.alloc(700_000, "v");
    const stream = client.watch();
    await stream.create(prefixWatch("wo08/", { prevKv: true }));
    const both = txnRequest(["wo08/a", "wo08/b"].map((key) => put(key, value)));
    await client.txn(both);
    await client.txn(both);
    expect(eventsOf(await stream.next())).toHaveLength(2);
    const events = eventsOf(await stream.next());
    expect(events.map(({ kv, prevKv }) => [kv?.value.equals(value), prevKv?.value.equals(value)])).toEqual([
      [true, true],
      [true, true],
    ]);
    await client.put(putRequest("wo08/a"));
  });
});
