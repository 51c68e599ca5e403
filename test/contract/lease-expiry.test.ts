/** Leases and time. The tests of a store wait side by side, mostly for the delete that tells of an expiry. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { EVENT_PUT } from "../../proto/messages.ts";
import { eventsOf, eventText } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { prefixEnd, prefixWatch, putRequest, rangeRequest } from "../../bench/client/requests.ts";
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

      test(
        "LS-12: a lease that is kept lives for five times its TTL, and has all of it again from then on",
        { timeout: 60_000 },
        async () => {
          const stream = await watchPrefix("kept/");
          const keepAlive = shared.client.keepAlive();
          const ID = await grant(2);
          await shared.put("kept/a", "", ID);
          await stream.nextEvents(1);
          const over = new AbortController();
          const keep = async (): Promise<void> => {
            while (!over.signal.aborted) {
              keepAlive.send({ ID });
              expect(await keepAlive.next()).toMatchObject({ ID, TTL: 2 });
              await delay(200);
            }
          };
          // The end of a lease like it that is not kept tells that a TTL has passed.
          const passFiveTimes = async (): Promise<void> => {
            for (let i = 0; i < 5; i++) {
              await shared.put("kept/twin", String(i), await grant(2));
              const [granted, expired] = [...(await stream.nextEvents(1)), ...(await stream.nextEvents(1))];
              expect([granted.type, eventText(expired)]).toEqual([
                EVENT_PUT,
                expect.stringMatching(/^DELETE kept\/twin @/),
              ]);
            }
          };
          await Promise.all([passFiveTimes().finally(() => over.abort()), keep()]);
          const kept = performance.now();
          keepAlive.send({ ID });
          expect(await keepAlive.next()).toMatchObject({ ID, TTL: 2 });
          const [last] = await stream.nextEvents(1);
          expect(last.kv?.key.toString()).toBe("kept/a");
          expect(performance.now() - kept).toBeGreaterThanOrEqual(2_000);
        },
      );

      test("LS-10 LS-11: leases end in the order of their time, and the keys of the later ones are there until then", async () => {
        const stream = await watchPrefix("order/");
        const ids = await Promise.all([6, 2, 4].map(grant));
        for (const [i, ID] of ids.entries()) await shared.put(`order/${[6, 2, 4][i]}`, "", ID);
        await stream.nextEvents(3);
        const gone: string[] = [];
        for (let left = 3; left > 0; left--) {
          const [event] = await stream.nextEvents(1);
          gone.push(event.kv?.key.toString() ?? "");
          const at = event.kv?.modRevision ?? 0;
          const { count } = await shared.client.range(
            rangeRequest("order/", { rangeEnd: prefixEnd("order/"), revision: at }),
          );
          expect(count).toBe(left - 1);
        }
        expect(gone).toEqual(["order/2", "order/4", "order/6"]);
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
