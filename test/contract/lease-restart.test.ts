/** Leases across a crash. */
import { describe, expect, test } from "vitest";
import { eventsOf, eventText, keyValues } from "../support/etcd-client.ts";
import { prefixWatch, putRequest, rangeRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

// The stores wait side by side.
describe.concurrent("lease: restart", () => {
  describeStores("of", (start) => {
    const shared = new SharedStore(start);

    test("LS-16 LS-17: leases and what hangs on them survive a crash, with their whole TTL; revoked ones stay gone", async () => {
      const { client } = shared;
      const TTL = 4;
      const grant = async (seconds: number): Promise<bigint> => (await client.leaseGrant({ TTL: seconds, ID: 0n })).ID;
      const lease = await grant(TTL);
      const [long, empty, revoked, clock] = [await grant(5_000), await grant(700), await grant(600), await grant(2)];
      const first = await shared.put("crash/a", "1", lease);
      await shared.put("crash/b", "2", lease);
      await shared.put("crash/long", "3", long);
      await shared.put("crash/moved", "4", lease);
      await shared.put("crash/moved", "5", long);
      await shared.put("crash/revoked", "6", revoked);
      await client.leaseRevoke(revoked);
      // The end of a shorter one tells that half of the TTL is over.
      await shared.put("clock", "", clock);
      const clockStream = client.watch();
      await clockStream.create(watchCreateRequest("clock"));
      await clockStream.nextEvents(1);
      const before = await client.leaseTimeToLive(lease);
      expect(before.TTL).toBeLessThan(TTL / 2);
      const revision = await shared.revision();

      await shared.store.kill();
      await shared.store.restart();
      await shared.reconnect();
      const restarted = performance.now();
      const after = await shared.client.leaseTimeToLive(lease, true);
      expect(after).toMatchObject({ grantedTTL: TTL, header: { revision } });
      expect(after.TTL).toBeGreaterThan(before.TTL);
      expect(after.keys.map(String).toSorted()).toEqual(["crash/a", "crash/b"]);
      expect((await shared.client.leaseTimeToLive(long, true)).keys.map(String).toSorted()).toEqual([
        "crash/long",
        "crash/moved",
      ]);
      expect(await shared.client.leaseTimeToLive(empty, true)).toMatchObject({ grantedTTL: 700, keys: [] });
      const { leases } = await shared.client.leaseLeases();
      expect(leases.map(({ ID }) => ID)).toEqual([lease, empty, long]);
      expect((await shared.client.leaseTimeToLive(revoked)).TTL).toBe(-1);
      const lost = shared.client.put(putRequest("crash/revoked", "", { lease: revoked }));
      await expect(lost).rejects.toMatchObject({ code: 5 });
      const { kvs } = await shared.client.range(rangeRequest("crash/a"));
      expect(keyValues(kvs)[0]?.lease).toBe(lease);

      // It expires once, by itself, and no earlier than a TTL after the crash.
      const stream = shared.client.watch();
      await stream.create(prefixWatch("crash/", { startRevision: first }));
      const history = [...(await stream.nextEvents(7))];
      expect(history.map(({ kv }) => kv?.key.toString()).at(-1)).toBe("crash/revoked");
      const expired = await stream.next();
      const at = expired.header?.revision ?? 0;
      expect(eventsOf(expired).map(eventText)).toEqual([`DELETE crash/a @${at}`, `DELETE crash/b @${at}`]);
      expect(at).toBe(revision + 1);
      expect(performance.now() - restarted).toBeGreaterThan((TTL - 2) * 1_000);
      const next = await shared.put("crash/end");
      expect((await stream.nextEvents(1)).map(eventText)).toEqual([`PUT crash/end= @${next}`]);
    });
  });
});
