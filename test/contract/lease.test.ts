/** Leases as objects: how they are granted, what hangs on them, how they are revoked and asked about. */
import { expect, test } from "vitest";
import type { KeyValue } from "../../proto/messages.ts";
import { leaseRevokeRequest, leaseRevokeResponse } from "../../proto/rare.ts";
import { eventsOf, eventText, keyValues } from "../support/etcd-client.ts";
import { prefixEnd, prefixWatch, put, putRequest, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

const notFound = { code: 5, message: "etcdserver: requested lease not found" };

describeStores("lease", (start) => {
  const shared = new SharedStore(start);

  async function grant(TTL = 600, ID = 0n): Promise<bigint> {
    return (await shared.client.leaseGrant({ TTL, ID })).ID;
  }

  async function get(key: string, revision = 0): Promise<KeyValue | undefined> {
    const { kvs } = await shared.client.range(rangeRequest(key, { revision }));
    return keyValues(kvs)[0];
  }

  test("LS-01 LS-02: the TTL is raised to the least, and refused above the largest", async () => {
    const { client } = shared;
    const granted = [];
    for (const TTL of [-5, 0, 1, 2, 3, 9_000_000_000]) granted.push((await client.leaseGrant({ TTL, ID: 0n })).TTL);
    expect(granted).toEqual([2, 2, 2, 2, 3, 9_000_000_000]);
    const refused = { code: 11, message: "etcdserver: too large lease TTL" };
    await expect(client.leaseGrant({ TTL: 9_000_000_001, ID: 0n })).rejects.toMatchObject(refused);
  });

  test("LS-03 LS-05: an id is chosen or taken as it is, over all 64 bits, and no revision is used", async () => {
    const revision = await shared.revision();
    const chosen = new Set<bigint>();
    for (let i = 0; i < 20; i++) {
      const { ID, error, header } = await shared.client.leaseGrant({ TTL: 600, ID: 0n });
      expect([ID > 0n, ID < 2n ** 63n, error, header?.revision]).toEqual([true, true, "", revision]);
      chosen.add(ID);
    }
    expect(chosen.size).toBe(20);
    for (const ID of [-7n, 1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      expect(await grant(600, ID)).toBe(ID);
      await shared.put(`ls03/${ID}`, "", ID);
      expect((await get(`ls03/${ID}`))?.lease).toBe(ID);
      expect((await shared.client.leaseTimeToLive(ID, true)).keys.map(String)).toEqual([`ls03/${ID}`]);
    }
  });

  test("LS-04: an id that is in use is refused, and free again after the revoke", async () => {
    await grant(600, 4n);
    const refused = { code: 9, message: "etcdserver: lease already exists" };
    await expect(grant(600, 4n)).rejects.toMatchObject(refused);
    await shared.client.leaseRevoke(4n);
    expect(await grant(600, 4n)).toBe(4n);
  });

  test("LS-06 LS-08: a revoke deletes all keys of its lease in one revision, in key order, and no others", async () => {
    const [one, other] = [await grant(), await grant()];
    for (const key of ["c", "a", "b"]) await shared.put(`ls08/${key}`, "", one);
    const before = await shared.put("ls08/d", "", other);
    const stream = shared.client.watch();
    await stream.create(prefixWatch("ls08/", { startRevision: before + 1 }));
    const { header } = await shared.client.leaseRevoke(one);
    expect(header?.revision).toBe(before + 1);
    const response = await stream.next();
    expect(eventsOf(response).map(eventText)).toEqual(
      ["a", "b", "c"].map((key) => `DELETE ls08/${key} @${before + 1}`),
    );
    expect(response.header?.revision).toBe(before + 1);
    expect((await get("ls08/d"))?.lease).toBe(other);
  });

  test("LS-08 MV-03: the revoke of a lease without keys uses no revision", async () => {
    const [never, formerly] = [await grant(), await grant()];
    await shared.put("ls08", "", formerly);
    const revision = await shared.delete("ls08");
    for (const ID of [never, formerly]) {
      expect((await shared.client.leaseRevoke(ID)).header?.revision).toBe(revision);
    }
    expect(await shared.revision()).toBe(revision);
  });

  test("LS-09: a revoked lease is gone", async () => {
    const { client } = shared;
    const ID = await grant();
    await client.leaseRevoke(ID);
    await expect(client.leaseRevoke(ID)).rejects.toMatchObject(notFound);
    await expect(client.put(putRequest("ls09", "", { lease: ID }))).rejects.toMatchObject(notFound);
    await expect(client.txn(txnRequest([put("ls09", "", { lease: ID })]))).rejects.toMatchObject(notFound);
    expect((await client.txn(txnRequest([], [put("ls09", "", { lease: ID })]))).succeeded).toBe(true);
    expect(await get("ls09")).toBeUndefined();
    const old = client.rare("Lease/LeaseRevoke", leaseRevokeRequest, leaseRevokeResponse, { ID: 0n });
    await expect(old).rejects.toMatchObject(notFound);
  });

  test("LS-07: a put moves its key to its lease or off any, ignore_lease keeps it, history stays as it was", async () => {
    const { client } = shared;
    const [one, two] = [await grant(), await grant()];
    const first = await shared.put("ls07", "1", one);
    await shared.put("ls07", "2", two);
    await client.put(putRequest("ls07", "3", { ignoreLease: true }));
    await client.leaseRevoke(one);
    expect((await get("ls07"))?.lease).toBe(two);
    await shared.put("ls07", "4");
    await client.leaseRevoke(two);
    expect(await get("ls07")).toMatchObject({ value: Buffer.from("4"), lease: 0n });
    const leases = [];
    for (let i = 0; i < 4; i++) leases.push((await get("ls07", first + i))?.lease);
    expect(leases).toEqual([one, two, two, 0n]);
  });

  test("LS-07: a deleted key is off its lease, also when it comes back", async () => {
    const ID = await grant();
    await shared.put("ls07/again", "1", ID);
    await shared.delete("ls07/again");
    expect((await shared.client.leaseTimeToLive(ID, true)).keys).toEqual([]);
    await shared.put("ls07/again", "2");
    await shared.client.leaseRevoke(ID);
    expect((await get("ls07/again"))?.value.toString()).toBe("2");
  });

  test("LS-06 LS-19: a thousand keys of one lease go in one revision and one response", async () => {
    const { client } = shared;
    const ID = await grant();
    const keys = Array.from({ length: 1_000 }, (_, i) => `ls19/${String(i).padStart(4, "0")}`);
    for (let i = 0; i < keys.length; i += 125) {
      await client.txn(txnRequest(keys.slice(i, i + 125).map((key) => put(key, "event", { lease: ID }))));
    }
    const stream = client.watch();
    await stream.create(prefixWatch("ls19/", { prevKv: true }));
    expect((await client.leaseTimeToLive(ID, true)).keys.map(String).toSorted()).toEqual(keys);
    const revision = (await client.leaseRevoke(ID)).header?.revision ?? 0;
    const events = eventsOf(await stream.next());
    expect(events.map(eventText)).toEqual(keys.map((key) => `DELETE ${key} @${revision}`));
    expect(new Set(events.map(({ prevKv }) => prevKv?.lease))).toEqual(new Set([ID]));
    const range = rangeRequest("ls19/", { rangeEnd: prefixEnd("ls19/"), countOnly: true });
    expect((await client.range(range)).count).toBe(0);
  });

  test("LS-14: what is left of a lease is asked for, with its keys if wanted; of an unknown one nothing is", async () => {
    const { client } = shared;
    const ID = await grant(500);
    const revision = await shared.put("ls14/b", "", ID);
    await shared.put("ls14/a", "", ID);
    const without = await client.leaseTimeToLive(ID);
    expect(without).toMatchObject({ ID, grantedTTL: 500, keys: [], header: { revision: revision + 1 } });
    expect(without.TTL).toBeGreaterThan(0);
    // Whole seconds, and the first one has begun.
    expect(without.TTL).toBeLessThan(500);
    expect((await client.leaseTimeToLive(ID, true)).keys.map(String).toSorted()).toEqual(["ls14/a", "ls14/b"]);
    for (const unknown of [987_654_321n, 0n, -5n]) {
      const expected = { ID: unknown, TTL: -1, grantedTTL: 0, keys: [] };
      expect(await client.leaseTimeToLive(unknown, true)).toMatchObject(expected);
    }
  });

  test("LS-15: leases are listed by when they expire", async () => {
    const { client } = shared;
    const [long, short, middle] = [await grant(3_000), await grant(1_000), await grant(2_000)];
    const order = async (): Promise<bigint[]> => {
      const { leases } = await client.leaseLeases();
      return leases.map(({ ID }) => ID).filter((ID) => [long, short, middle].includes(ID));
    };
    expect(await order()).toEqual([short, middle, long]);
    await client.leaseRevoke(middle);
    expect(await order()).toEqual([short, long]);
  });

  test("LS-12: a kept lease has its granted TTL again; an unknown one is answered 0, and the stream lives on", async () => {
    const { client } = shared;
    const stream = client.keepAlive();
    const ID = await grant(700);
    const revision = await shared.revision();
    for (const [asked, TTL] of [
      [ID, 700],
      [123_456n, 0],
      [0n, 0],
      [ID, 700],
    ] as const) {
      stream.send({ ID: asked });
      expect(await stream.next()).toMatchObject({ ID: asked, TTL, header: { revision } });
    }
    await client.leaseRevoke(ID);
    stream.send({ ID });
    expect(await stream.next()).toMatchObject({ ID, TTL: 0 });
    stream.stream.halfClose();
    expect((await stream.ended).code).toBe(0);
  });
});
