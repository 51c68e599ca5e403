/** Watches and compaction: whose history is gone is told so and ends, all others notice nothing. */
import { beforeAll, expect, test } from "vitest";
import { eventsOf, eventText } from "../support/etcd-client.ts";
import { del, prefixWatch, put, txnRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

describeStores("watch: compaction", (start) => {
  const shared = new SharedStore(start);
  /** Where history was compacted before the tests. */
  let compacted: number;

  beforeAll(async () => {
    for (let i = 0; i < 5; i++) await shared.put("base", String(i));
    compacted = (await shared.revision()) - 1;
    await shared.client.compact({ revision: compacted, physical: true });
  });

  test("WA-08 §8.7: a start below the compaction is created, then cancelled with the revision of the compaction", async () => {
    const stream = shared.client.watch();
    const revision = await shared.revision();
    for (const startRevision of [1, compacted - 1]) {
      const { watchId, header } = await stream.create(watchCreateRequest("base", { startRevision }));
      expect(header?.revision).toBe(revision);
      expect(await stream.next()).toMatchObject({
        header: { revision: 0 },
        watchId,
        created: false,
        canceled: true,
        compactRevision: compacted,
        cancelReason: "",
        events: [],
      });
    }
  });

  test("WA-06 CO-03: a start at the compaction gets everything from there on", async () => {
    const stream = shared.client.watch();
    await stream.create(watchCreateRequest("base", { startRevision: compacted }));
    const texts = [`PUT base=3 @${compacted}`, `PUT base=4 @${compacted + 1}`];
    expect((await stream.nextEvents(2)).map(eventText)).toEqual(texts);
  });

  test("CO-03 CO-04: a delete at the revision of the compaction is still told to who starts there", async () => {
    await shared.put("tomb", "1");
    const revision = await shared.delete("tomb");
    await shared.put("tomb", "2");
    await shared.client.compact({ revision, physical: true });
    const stream = shared.client.watch();
    await stream.create(watchCreateRequest("tomb", { startRevision: revision }));
    const texts = [`DELETE tomb @${revision}`, `PUT tomb=2 @${revision + 1}`];
    expect((await stream.nextEvents(2)).map(eventText)).toEqual(texts);
  });

  test("§8.3 WC-08: a watch that compaction ended still has its cancel answered, once", async () => {
    const stream = shared.client.watch();
    const { watchId } = await stream.create(watchCreateRequest("base", { startRevision: 1 }));
    expect((await stream.next()).compactRevision).toBeGreaterThan(0);
    const revision = await shared.revision();
    stream.cancel(watchId);
    expect(await stream.next()).toMatchObject({ watchId, canceled: true, compactRevision: 0, header: { revision } });
    stream.cancel(watchId);
    expect((await stream.create(watchCreateRequest("base", { watchId: 9 }))).watchId).toBe(9);
  });

  test("WP-08: once it is cancelled, a watch that compaction ended does not hold up the progress of others", async () => {
    const stream = shared.client.watch();
    await stream.create(watchCreateRequest("base"));
    await stream.create(watchCreateRequest("base", { startRevision: 1 }));
    expect((await stream.next()).canceled).toBe(true);
    stream.cancel(1);
    expect((await stream.next()).canceled).toBe(true);
    expect(await stream.progress()).toMatchObject({ watchId: -1, events: [] });
  });

  test("§8.7 CO-08: a watch that has caught up goes on over any compaction, whenever it last had an event", async () => {
    const streams = [shared.client.watch(), shared.client.watch(), shared.client.watch()];
    const revision = await shared.put("quiet", "1");
    await streams[0].create(watchCreateRequest("quiet"));
    await streams[1].create(watchCreateRequest("quiet", { startRevision: revision }));
    await streams[2].create(watchCreateRequest("quiet", { startRevision: revision + 30, prevKv: true }));
    await streams[1].nextEvents(1);
    for (let i = 0; i < 20; i++) await shared.put("busy", String(i));
    await shared.client.compact({ revision: revision + 20, physical: true });
    await shared.client.compact({ revision: await shared.put("busy"), physical: true });
    const next = await shared.put("quiet", "2");
    for (const stream of streams.slice(0, 2)) {
      expect((await stream.nextEvents(1)).map(eventText)).toEqual([`PUT quiet=2 @${next}`]);
    }
    for (let i = next; i < revision + 29; i++) await shared.put("busy");
    const later = await shared.put("quiet", "3");
    const [event] = await streams[2].nextEvents(1);
    expect([eventText(event), event.prevKv?.value.toString()]).toEqual([`PUT quiet=3 @${later}`, "2"]);
  });

  test("CO-09 WA-11: prev_kv of the first revision after the compaction is there, for live watches as for new ones", async () => {
    const { client } = shared;
    await client.txn(txnRequest([put("prev/a", "old"), put("prev/b", "old")]));
    const live = client.watch();
    await live.create(prefixWatch("prev/", { prevKv: true }));
    const revision = await shared.revision();
    await client.compact({ revision, physical: true });
    await client.txn(txnRequest([put("prev/a", "new"), del("prev/b")]));
    const past = client.watch();
    await past.create(prefixWatch("prev/", { prevKv: true, startRevision: revision + 1 }));
    for (const stream of [live, past]) {
      const events = eventsOf(await stream.next());
      expect(events.map(eventText)).toEqual([`PUT prev/a=new @${revision + 1}`, `DELETE prev/b @${revision + 1}`]);
      expect(events.map(({ prevKv }) => prevKv?.value.toString())).toEqual(["old", "old"]);
    }
  });

  test("WA-11 CO-09: an event at the compaction comes without prev_kv, which is compacted away, the next one with it", async () => {
    await shared.put("gone", "1");
    const revision = await shared.put("gone", "2");
    await shared.client.compact({ revision, physical: true });
    const stream = shared.client.watch();
    await stream.create(watchCreateRequest("gone", { prevKv: true, startRevision: revision }));
    await shared.put("gone", "3");
    const events = await stream.nextEvents(2);
    expect(events.map(eventText)).toEqual([`PUT gone=2 @${revision}`, `PUT gone=3 @${revision + 1}`]);
    expect(events.map(({ prevKv }) => prevKv?.value.toString())).toEqual([undefined, "2"]);
  });
});
