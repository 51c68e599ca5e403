/** v3electionpb.Election: campaigns, proclamations, who leads, and what an observer is told. */
import { beforeAll, expect, test } from "vitest";
import { deleteRequest, putRequest } from "../../bench/client/requests.ts";
import type { LeaderKey, LeaderResponse } from "../../proto/concurrency.ts";
import { OK, UNKNOWN } from "../../proto/grpc-codes.ts";
import { Contenders } from "../support/contenders.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { expectRefused } from "./answers.ts";
import { AMY, BOB, CHEAP_PASSWORDS, connectAs, enableAuth, makeUsers } from "./users.ts";

const NOT_LEADER = [UNKNOWN, "election: not leader"] as const;

function told({ header, kv }: LeaderResponse): string {
  return `${kv?.key.toString()}=${kv?.value.toString()} @${kv?.modRevision} at ${header?.revision}`;
}

describeStores("elections", (start) => {
  const shared = new SharedStore(start);
  const contenders = (): Contenders => new Contenders(shared.client);

  async function lead(name: string, value: string): Promise<LeaderKey> {
    const all = contenders();
    const { leader } = await all.campaign(name, await all.grant(), value);
    if (leader === null) throw new Error("who wins is told its key");
    return leader;
  }

  test("who campaigns alone leads, under its lease, and may say something else as long as it does", async () => {
    const all = contenders();
    await expectRefused(all.leader("alone"), UNKNOWN, "election: no leader");
    const lease = await all.grant();
    const first = await all.campaign("alone", lease, "one");
    const revision = await shared.revision();
    const key = Buffer.from(`alone/${lease.toString(16)}`);
    const leader = { name: Buffer.from("alone"), key, rev: revision, lease };
    expect(first).toMatchObject({ header: { revision }, leader });
    // The same again, and with another value, which is proclaimed.
    expect(await all.campaign("alone", lease, "one")).toMatchObject({ header: { revision }, leader });
    expect(await all.campaign("alone", lease, "two")).toMatchObject({ header: { revision }, leader });
    expect(told(await all.leader("alone"))).toBe(`${key.toString()}=two @${revision + 1} at ${revision + 1}`);
    expect(await all.proclaim(leader, "three")).toBe(revision + 2);
    await expectRefused(all.proclaim({ ...leader, rev: revision + 1 }, "four"), ...NOT_LEADER);
    await expectRefused(
      all.proclaim({ ...leader, lease: 0x77n }, "four"),
      UNKNOWN,
      "etcdserver: requested lease not found",
    );
    expect(told(await all.leader("alone"))).toContain("=three");
    // Another create revision is not that leader, which is no error.
    expect(await all.resign({ ...leader, rev: revision + 1 })).toBe(revision + 2);
    expect(await all.resign(leader)).toBe(revision + 3);
    await expectRefused(all.leader("alone"), UNKNOWN, "election: no leader");
    expect(await all.resign(leader)).toBe(revision + 3);
  });

  test("a proclamation without a lease gives the key one of 60 s", async () => {
    const all = contenders();
    const leader = await lead("unleased", "one");
    await all.proclaim({ ...leader, lease: 0n }, "two");
    const { kv } = await all.leader("unleased");
    expect(kv?.lease).not.toBe(leader.lease);
    expect((await shared.client.leaseTimeToLive(kv?.lease ?? 0n)).grantedTTL).toBe(60);
  });

  test("who campaigns beside a leader waits until that resigns, and is told the revision of its key", async () => {
    const all = contenders();
    const leader = await lead("second", "one");
    const lease = await all.grant();
    const waits = all.campaign("second", lease, "two");
    await all.untilInLine("second", 2);
    const rev = await shared.revision();
    await all.resign(leader);
    expect(await waits).toMatchObject({ header: { revision: rev }, leader: { rev, lease } });
    expect(told(await all.leader("second"))).toContain("=two");
  });

  test("the key of a candidate is gone when its client is", async () => {
    const all = contenders();
    await lead("gone", "one");
    const client = await EtcdClient.connect(shared.store.url);
    const waits = new Contenders(client).campaign("gone", await all.grant(), "two").catch(() => {});
    await all.untilInLine("gone", 2);
    client.lean.destroy();
    await waits;
    await all.untilInLine("gone", 1);
    expect(told(await all.leader("gone"))).toContain("=one");
  });

  test("a request without a lease is given one, also where it is of no use", async () => {
    const all = contenders();
    const leases = async (): Promise<number> => (await shared.client.leaseLeases()).leases.length;
    const before = await leases();
    const leader = { name: Buffer.from("x"), key: Buffer.from("no such key"), rev: 7, lease: 0n };
    await expectRefused(all.proclaim(leader, "x"), ...NOT_LEADER);
    await all.resign(leader);
    await expectRefused(all.leader("x"), UNKNOWN, "election: no leader");
    expect(await leases()).toBe(before + 2);
  });

  test("a request without a leader's key is refused", async () => {
    const all = contenders();
    await expectRefused(all.proclaim(null, "x"), UNKNOWN, '"leader" field must be provided');
    await expectRefused(all.resign(null), UNKNOWN, '"leader" field must be provided');
    const empty = { name: Buffer.alloc(0), key: Buffer.alloc(0), rev: 0, lease: await all.grant() };
    await expectRefused(all.proclaim(empty, "x"), UNKNOWN, "etcdserver: key is not provided");
    await expectRefused(all.resign(empty), UNKNOWN, "etcdserver: key is not provided");
  });

  test("an observer is told of the leader, of what it proclaims, and of the next one", async () => {
    const all = contenders();
    const { client } = shared;
    const leader = await lead("watched", "one");
    const observer = all.observe("watched");
    expect(told(await observer.next())).toContain("=one");
    const proclaimed = await all.proclaim(leader, "two");
    expect(told(await observer.next())).toBe(`${leader.key.toString()}=two @${proclaimed} at ${proclaimed}`);
    const later = all.campaign("watched", await all.grant(), "three");
    await all.untilInLine("watched", 2);
    const resigned = await all.resign(leader);
    const key = (await later).leader?.key.toString();
    expect(told(await observer.next())).toBe(`${key}=three @${(resigned ?? 0) - 1} at ${resigned}`);
    await client.deleteRange(deleteRequest(key ?? ""));
    // It waits for the first key that comes, whoever writes it.
    const put = (await client.put(putRequest("watched/x", "four"))).header?.revision;
    expect(told(await observer.next())).toBe(`watched/x=four @${put} at ${put}`);
    observer.stream.cancel();
  });

  test("an observer of nobody waits for the first leader", async () => {
    const observer = contenders().observe("nobody");
    // What follows on the connection is served later.
    await shared.client.status();
    const leader = await lead("nobody", "one");
    expect(told(await observer.next())).toBe(`${leader.key.toString()}=one @${leader.rev} at ${leader.rev}`);
    observer.stream.cancel();
  });
});

describeStores("elections of users", (start) => {
  const shared = new SharedStore(start, CHEAP_PASSWORDS);

  beforeAll(async () => {
    await makeUsers(shared.client);
    await enableAuth(shared.client);
  });

  test("who may read the keys may ask for the leader, who may write them as well may campaign", async () => {
    const nobody = new Contenders(shared.client);
    const amy = new Contenders(await connectAs(shared.store.url, AMY));
    const bob = new Contenders(await connectAs(shared.store.url, BOB));
    await expectRefused(nobody.campaign("amy/e", 0n, "x"), UNKNOWN, "etcdserver: user name is empty");
    await expectRefused(nobody.leader("amy/e"), UNKNOWN, "etcdserver: user name is empty");
    const { leader } = await amy.campaign("amy/e", 0n, "x");
    await expectRefused(bob.leader("amy/e"), UNKNOWN, "etcdserver: permission denied");
    await expectRefused(bob.resign(leader), UNKNOWN, "etcdserver: permission denied");
    await expectRefused(bob.campaign("both/e", 0n, "x"), UNKNOWN, "etcdserver: permission denied");
    await amy.resign(leader);
    for (const one of [amy, bob]) one.client.lean.destroy();
  });

  test("an observer who may not look is told nothing, and no error", async () => {
    expect(await new Contenders(shared.client).observe("amy/e").ended).toMatchObject({ code: OK });
  });
});
