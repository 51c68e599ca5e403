/** Large responses of watches that asked for fragments. */
import { expect, test } from "vitest";
import type { Event, WatchResponse } from "../../proto/messages.ts";
import { eventsOf, eventText } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { prefixWatch, put, putRequest, txnRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

/** From this size on a response is split: the largest request and 512 KiB. */
const fragmentBytes = 2 * 1024 * 1024;

describeStores("watch: fragments", (start) => {
  const shared = new SharedStore(start);

  /** One whole response out of its parts, whose run nothing may interrupt. */
  async function nextWhole(stream: WatchStream): Promise<{ parts: WatchResponse[]; events: Event[] }> {
    const parts = [await stream.next()];
    while (parts[parts.length - 1].fragment) parts.push(await stream.next());
    for (const { watchId, header } of parts) {
      expect([watchId, header?.revision]).toEqual([parts[0].watchId, parts[0].header?.revision]);
    }
    for (const { events } of parts) {
      const bytes = events.reduce((sum, event) => sum + event.length, 0);
      expect(events.length === 1 || bytes < fragmentBytes).toBe(true);
    }
    return { parts, events: parts.flatMap(eventsOf) };
  }

  test("WO-07 WA-13 WC-06: one revision of more than 2 MiB comes in parts, one after the other, all but the last marked", async () => {
    const { client } = shared;
    const value = Buffer.alloc(450_000, "v");
    const keys = ["wo07/a", "wo07/b", "wo07/c"];
    const stream = client.watch();
    await stream.create(prefixWatch("wo07/", { prevKv: true, fragment: true }));
    await stream.create(prefixWatch("wo07/", { prevKv: true, fragment: true }));
    const txn = txnRequest(keys.map((key) => put(key, value)));
    const revision = (await client.txn(txn)).header?.revision ?? 0;
    for (const _ of [0, 1]) {
      const { parts, events } = await nextWhole(stream);
      expect(parts).toHaveLength(1);
      expect(events).toHaveLength(3);
    }
    await client.txn(txn);
    for (const _ of [0, 1]) {
      const { parts, events } = await nextWhole(stream);
      expect(parts.map(({ fragment }) => fragment)).toEqual([true, false]);
      expect(events.map(({ kv }) => kv?.key.toString())).toEqual(keys);
      for (const { kv, prevKv } of events) {
        expect([kv?.modRevision, prevKv?.modRevision]).toEqual([revision + 1, revision]);
        expect([kv?.value.equals(value), prevKv?.value.equals(value)]).toEqual([true, true]);
      }
    }
  });

  test("WO-07: a deletion of 5 MiB comes in many parts, with what was before in each event", async () => {
    const value = Buffer.alloc(660_000, "v");
    for (let i = 0; i < 8; i++) await shared.client.put(putRequest(`deleted/${i}`, value));
    const stream = shared.client.watch();
    await stream.create(prefixWatch("deleted/", { prevKv: true, fragment: true }));
    const revision = await shared.delete("deleted/");
    const { parts, events } = await nextWhole(stream);
    expect(parts.length).toBeGreaterThan(2);
    expect(events.map(eventText)).toEqual(events.map((_, i) => `DELETE deleted/${i} @${revision}`));
    expect(events.map(({ prevKv }) => prevKv?.value.equals(value))).toEqual(Array.from({ length: 8 }, () => true));
  });

  test("WO-07: an event that is too large by itself comes whole", async () => {
    const stream = shared.client.watch();
    await stream.create(prefixWatch("large/", { prevKv: true, fragment: true }));
    const value = Buffer.alloc(1_500_000, "v");
    for (const version of [1, 2]) {
      await shared.client.put(putRequest("large/a", value));
      const { parts, events } = await nextWhole(stream);
      expect([parts.length, events.length, events[0].kv?.version]).toEqual([1, 1, version]);
    }
  });

  test("WO-07 WA-06: history comes in parts too, and none of it is missing", async () => {
    const value = "v".repeat(600_000);
    const first = await shared.put("history/0", value);
    for (let i = 1; i < 8; i++) await shared.put(`history/${i}`, value);
    const stream = shared.client.watch();
    await stream.create(prefixWatch("history/", { fragment: true, startRevision: first }));
    await shared.put("history/8", value);
    const texts: string[] = [];
    while (texts.length < 9) texts.push(...(await nextWhole(stream)).events.map(eventText));
    expect(texts).toEqual(texts.map((_, i) => `PUT history/${i}=${value} @${first + i}`));
    expect(texts).toHaveLength(9);
  });
});
