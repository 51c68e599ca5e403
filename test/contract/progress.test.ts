/** Progress: the promise that everything up to a revision has been told on this stream. */
import { describe, expect, test } from "vitest";
import { EtcdClient, eventsOf } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { prefixWatch, putRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

const intervalMs = 250;

describeStores("watch: progress", (start) => {
  const shared = new SharedStore(start, [`--watch-progress-notify-interval=${intervalMs}ms`]);

  test("WP-03 WP-06 WC-03 WC-04: asked for, it comes once for the whole stream, at the current revision, under the id -1", async () => {
    const stream = shared.client.watch();
    await stream.create(watchCreateRequest("wp03/a"));
    await stream.create(watchCreateRequest("wp03/b"));
    const revision = await shared.put("wp03/other");
    stream.requestProgress();
    const response = await stream.next();
    expect(response).toMatchObject({
      header: { revision },
      watchId: -1,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: "",
      events: [],
    });
    const next = await shared.put("wp03/a");
    // The one after it: there is only one progress.
    expect(await stream.next()).toMatchObject({ watchId: 0, header: { revision: next } });
    expect(stream.waiting).toBe(0);
  });

  test("WP-01 WP-10: a write that was acknowledged before the request has been told before the progress", async () => {
    const writer = await EtcdClient.connect(shared.store.url);
    const stream = shared.client.watch();
    await stream.create(prefixWatch("wp01/"));
    for (let i = 0; i < 20; i++) {
      const { header } = await writer.put(putRequest("wp01/a", String(i)));
      const revision = header?.revision ?? 0;
      stream.requestProgress();
      const event = await stream.next();
      expect([event.events.length, event.header?.revision]).toEqual([1, revision]);
      expect(await stream.next()).toMatchObject({ watchId: -1, header: { revision } });
    }
    await writer.close();
  });

  test("WP-10: progress may tell of one revision again and again", async () => {
    const stream = shared.client.watch();
    await stream.create(watchCreateRequest("wp10"));
    const revision = await shared.put("wp10");
    for (let i = 0; i < 3; i++) stream.requestProgress();
    expect(await stream.next()).toMatchObject({ watchId: 0, header: { revision } });
    for (let i = 0; i < 3; i++) expect(await stream.next()).toMatchObject({ watchId: -1, header: { revision } });
  });

  test("WP-05: without a watch on the stream nothing is answered", async () => {
    const stream = shared.client.watch();
    stream.requestProgress();
    stream.requestProgress();
    await stream.create(watchCreateRequest("wp05"));
    const revision = await shared.put("wp05");
    expect(await stream.next()).toMatchObject({ watchId: 0, header: { revision } });
    stream.cancel(0);
    expect((await stream.next()).canceled).toBe(true);
    stream.requestProgress();
    await stream.create(watchCreateRequest("wp05"));
    await shared.put("wp05");
    expect(await stream.next()).toMatchObject({ watchId: 1, header: { revision: revision + 1 } });
  });

  test("WP-04 WP-07: while one watch waits for a later revision the request is dropped for all", async () => {
    const stream = shared.client.watch();
    await stream.create(watchCreateRequest("wp04"));
    const revision = await shared.revision();
    // Not even the very next revision counts as reached.
    await stream.create(watchCreateRequest("wp04", { startRevision: revision + 1 }));
    stream.requestProgress();
    stream.cancel(1);
    expect((await stream.next()).canceled).toBe(true);
    await stream.create(watchCreateRequest("wp04", { startRevision: revision + 2 }));
    stream.requestProgress();
    await shared.put("wp04");
    stream.requestProgress();
    expect(await stream.next()).toMatchObject({ watchId: 0, header: { revision: revision + 1 } });
    await shared.put("none");
    const { watchId, header } = await stream.progress();
    expect([watchId, header?.revision]).toEqual([-1, revision + 2]);
  });

  test("WP-01 WP-09: while history is told there is no progress before its end", async () => {
    const first = await shared.put("wp09/0", "x".repeat(20_000));
    for (let i = 1; i < 60; i++) await shared.put(`wp09/${i}`, "x".repeat(20_000));
    const stream = shared.client.watch();
    stream.send({ case: "create", request: prefixWatch("wp09/", { startRevision: first, progressNotify: true }) });
    for (let i = 0; i < 10; i++) stream.requestProgress();
    let told = 0;
    expect((await stream.next()).created).toBe(true);
    while (told < 60) {
      const response = await stream.next();
      expect(response.events.length).toBeGreaterThan(0);
      told += response.events.length;
    }
    expect((await stream.progress()).header?.revision).toBe(first + 59);
  });

  describe.concurrent("in time", () => {
    test("WP-02 WA-12 WC-04: idle watches that asked for it are told in turn, each under its own id, and no others", async () => {
      const stream = shared.client.watch();
      const requests = [
        watchCreateRequest("wp02/a", { progressNotify: true }),
        watchCreateRequest("wp02/b"),
        watchCreateRequest("wp02/c", { progressNotify: true, watchId: 5 }),
        watchCreateRequest("wp02/c", { progressNotify: true, startRevision: 1_000_000 }),
      ];
      for (const request of requests) stream.send({ case: "create", request });
      const ids = [];
      const revision = await shared.revision();
      while (ids.length < 6) {
        const { watchId, created, events, header } = await stream.next();
        if (created) continue;
        ids.push(watchId);
        expect(events).toEqual([]);
        expect(header?.revision).toBeGreaterThanOrEqual(revision);
      }
      expect(ids.toSorted()).toEqual([0, 0, 0, 5, 5, 5]);
    });

    test("WP-02: a watch that is busy has its events instead", async () => {
      const stream = shared.client.watch();
      await stream.create(watchCreateRequest("busy", { progressNotify: true }));
      await stream.create(watchCreateRequest("idle", { progressNotify: true }));
      let events = 0;
      let idle = 0;
      let busy = 0;
      while (idle < 3) {
        await shared.put("busy");
        for (;;) {
          const response = await stream.next();
          events += response.events.length;
          if (response.events.length > 0) break;
          if (response.watchId === 1) idle++;
          else busy++;
        }
      }
      // Between two ticks a slow machine may not have written once.
      expect(busy).toBeLessThan(idle);
      expect(events).toBeGreaterThan(idle);
    });

    test("WP-01 Bookmarkable: under a writer, every progress comes after all events up to its revision", async () => {
      const writer = await EtcdClient.connect(shared.store.url);
      const names = ["wp01/x/", "wp01/y/"];
      const streams = names.map(() => shared.client.watch());
      for (const [i, name] of names.entries()) await streams[i].create(prefixWatch(name, { progressNotify: true }));
      const rounds = 100;
      const putsPerRound = 6;
      const write = async (): Promise<void> => {
        for (let round = 0; round < rounds; round++) {
          const keys = Array.from({ length: putsPerRound }, (_, n) => `${names[n % 2]}${n}`);
          const puts = keys.map((key) => writer.put(putRequest(key, String(round))));
          for (const stream of streams) stream.requestProgress();
          await Promise.race(puts);
          for (const stream of streams) stream.requestProgress();
          await Promise.all(puts);
        }
      };
      const follow = async (stream: WatchStream): Promise<number> => {
        let promised = 0;
        let promises = 0;
        for (let events = 0; events < (rounds * putsPerRound) / names.length;) {
          const response = await stream.next();
          for (const { kv } of eventsOf(response)) {
            expect(kv?.modRevision).toBeGreaterThan(promised);
            events++;
          }
          if (response.events.length > 0) continue;
          promises++;
          promised = Math.max(promised, response.header?.revision ?? 0);
        }
        return promises;
      };
      const [, ...promises] = await Promise.all([write(), ...streams.map(follow)]);
      expect(Math.min(...promises)).toBeGreaterThan(0);
      await writer.close();
    });
  });
});
