/** Leases and time. The tests of a store wait side by side, mostly for the delete that tells of an expiry. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { eventsOf, eventText } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { prefixWatch, putRequest, rangeRequest } from "../support/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

// The stores wait side by side.
describe.concurrent("lease: expiry", () => {
  describeStores("of", (start) => {
    const shared = new SharedStore(start);

    async function watchPrefix(prefix: string): Promise<WatchStream> {
      const stream = shared.client.watch();
      await stream.create(prefixWatch(prefix, { prevKv: true }));
      return stream;
    }

    async function grant(TTL: number): Promise<bigint> {
      return (await shared.client.leaseGrant({ TTL, ID: 0n })).ID;
    }

    describe.concurrent("in time", () => {
      test("LS-08 LS-10 LS-11 LS-18: after its TTL, and not before, a lease takes its keys along in one revision", async () => {
        const stream = await watchPrefix("ls10/");
        const started = performance.now();
        const ID = await grant(2);
        await shared.put("ls10/b", "2", ID);
        const mod = await shared.put("ls10/a", "1", ID);
        await stream.nextEvents(2);
        const response = await stream.next();
        expect(performance.now() - started).toBeGreaterThanOrEqual(2_000);
        const [first, second] = eventsOf(response);
        const revision = response.header?.revision ?? 0;
        expect([first, second].map(eventText)).toEqual([`DELETE ls10/a @${revision}`, `DELETE ls10/b @${revision}`]);
        expect(first.prevKv).toMatchObject({ lease: ID, modRevision: mod, value: Buffer.from("1") });
        expect(await shared.client.leaseTimeToLive(ID)).toMatchObject({ TTL: -1 });
        expect((await shared.client.leaseLeases()).leases).not.toContainEqual({ ID });
      });

      test("LS-10: leases that expire together end at a revision each", async () => {
        const stream = await watchPrefix("each/");
        const ids = await Promise.all(Array.from({ length: 20 }, () => grant(2)));
        await Promise.all(ids.map((ID) => shared.client.put(putRequest(`each/${ID}`, "", { lease: ID }))));
        await stream.nextEvents(20);
        const revisions = new Set<number>();
        for (const event of await stream.nextEvents(20)) revisions.add(event.kv?.modRevision ?? 0);
        expect(revisions.size).toBe(20);
      });

      test("LS-08: a lease without keys expires without a revision of its own", async () => {
        const [ID, other] = [await grant(2), await grant(4)];
        const stream = await watchPrefix("none/");
        await shared.put("none/a", "", other);
        await stream.nextEvents(1);
        await stream.nextEvents(1);
        expect((await shared.client.leaseTimeToLive(ID)).TTL).toBe(-1);
        const { count } = await shared.client.range(rangeRequest("none/a"));
        expect(count).toBe(0);
      });

      test("LS-07: a key that moved away or off stays when the lease that it had expires", async () => {
        const stream = await watchPrefix("moved/");
        const [short, long] = [await grant(2), await grant(600)];
        for (const key of ["moved/on", "moved/off", "moved/stays"]) await shared.put(key, "1", short);
        await shared.put("moved/on", "2", long);
        await shared.put("moved/off", "2");
        await stream.nextEvents(5);
        const events = eventsOf(await stream.next());
        expect(events.map(({ kv }) => kv?.key.toString())).toEqual(["moved/stays"]);
      });

      test("LS-12: a lease that is kept lives beyond its TTL, and has all of it again from then on", async () => {
        const stream = await watchPrefix("kept/");
        const keepAlive = shared.client.keepAlive();
        const ID = await grant(2);
        await shared.put("kept/a", "", ID);
        // Its twin, granted later and not kept, shows by its expiry that a TTL has passed.
        const twin = await grant(2);
        await shared.put("kept/twin", "", twin);
        await stream.nextEvents(2);
        const over = new AbortController();
        const keep = async (): Promise<void> => {
          while (!over.signal.aborted) {
            keepAlive.send({ ID });
            expect(await keepAlive.next()).toMatchObject({ ID, TTL: 2 });
            await delay(200);
          }
        };
        const [[event]] = await Promise.all([stream.nextEvents(1).finally(() => over.abort()), keep()]);
        expect(event.kv?.key.toString()).toBe("kept/twin");
        const kept = performance.now();
        keepAlive.send({ ID });
        expect(await keepAlive.next()).toMatchObject({ ID, TTL: 2 });
        const [last] = await stream.nextEvents(1);
        expect(last.kv?.key.toString()).toBe("kept/a");
        expect(performance.now() - kept).toBeGreaterThanOrEqual(2_000);
      });

      test("LS-12 LS-13: whoever keeps a lease too late is told 0, and it is gone by then", async () => {
        const keepAlive = shared.client.keepAlive();
        const ID = await grant(2);
        await shared.put("late/a", "", ID);
        await delay(2_001);
        keepAlive.send({ ID });
        expect(await keepAlive.next()).toMatchObject({ ID, TTL: 0 });
        expect((await shared.client.range(rangeRequest("late/a"))).count).toBe(0);
        expect((await shared.client.leaseTimeToLive(ID)).TTL).toBe(-1);
      });

      test("LS-14 LS-15: the seconds left count down, and a kept lease goes to the back of the list", async () => {
        const keepAlive = shared.client.keepAlive();
        const [kept, other] = [await grant(30), await grant(31)];
        const order = async (): Promise<bigint[]> => {
          const { leases } = await shared.client.leaseLeases();
          return leases.map(({ ID }) => ID).filter((ID) => ID === kept || ID === other);
        };
        expect(await order()).toEqual([kept, other]);
        await delay(1_100);
        expect((await shared.client.leaseTimeToLive(kept)).TTL).toBeLessThan(29);
        keepAlive.send({ ID: kept });
        expect((await keepAlive.next()).TTL).toBe(30);
        expect(await order()).toEqual([other, kept]);
      });
    });
  });
});
