/** The end of a server that was asked to end, and what its clients find when it comes back. */
import { describe, expect, test } from "vitest";
import { EtcdClient, eventText } from "../support/etcd-client.ts";
import { prefixWatch, putRequest, rangeRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

// The stores wait side by side: etcd takes some seconds for its end.
describe.concurrent("shutdown", () => {
  describeStores("of", (start) => {
    const shared = new SharedStore(start);

    test("GR-12 WS-08 WC-10 OC-02 OC-08: streams and calls end with Unavailable, and nothing acknowledged is lost", async () => {
      const { client } = shared;
      const revision = await shared.put("a", "1");
      const watches = [client.watch(), client.watch()];
      for (const stream of watches) await stream.create(watchCreateRequest("a", { progressNotify: true }));
      const lease = await client.leaseGrant({ ID: 0n, TTL: 600 });
      const keepAlive = client.keepAlive();
      keepAlive.send({ ID: lease.ID });
      await keepAlive.next();
      const writer = await EtcdClient.connect(shared.store.url);
      const acknowledged = new Map<string, number>();
      const write = async (name: number): Promise<unknown> => {
        try {
          for (let i = 0; ; i++) {
            const { header } = await writer.put(putRequest(`load/${name}/${i}`));
            acknowledged.set(`load/${name}/${i}`, header?.revision ?? 0);
          }
        } catch (error) {
          return error;
        }
      };
      const writers = [0, 1, 2, 3].map(write);
      const load = client.watch();
      await load.create(prefixWatch("load/"));
      await load.next();

      await shared.store.stop();
      for (const stream of [...watches, load, keepAlive]) expect((await stream.ended).code).toBe(14);
      // Unavailable leaves open what became of a write.
      for (const error of await Promise.all(writers)) expect(error).toMatchObject({ code: 14 });
      for (const { lean } of [client, writer]) {
        await lean.closed;
        expect(lean.goaway?.errorCode).toBe(0);
      }

      // WC-11: a watch that resumes misses nothing and gets nothing twice.
      await shared.store.restart();
      await shared.reconnect();
      const next = await shared.put("a", "2");
      const stream = shared.client.watch();
      await stream.create(prefixWatch("a", { startRevision: revision + 1 }));
      await shared.put("a", "3");
      const texts = [`PUT a=2 @${next}`, `PUT a=3 @${next + 1}`];
      expect((await stream.nextEvents(2)).map(eventText)).toEqual(texts);
      expect((await shared.client.leaseTimeToLive(lease.ID)).grantedTTL).toBe(600);
      expect(acknowledged.size).toBeGreaterThan(0);
      for (const [key, mod] of acknowledged) {
        const { count } = await shared.client.range(rangeRequest(key, { minModRevision: mod, maxModRevision: mod }));
        expect([key, count]).toEqual([key, 1]);
      }
    });
  });
});
