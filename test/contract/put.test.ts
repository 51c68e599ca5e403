import { expect, test } from "vitest";
import { deleteRequest, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import type { ReadableKeyValue } from "./answers.ts";
import {
  currentRevision,
  expectRefused,
  KEY_NOT_FOUND,
  KEY_NOT_PROVIDED,
  LEASE_NOT_FOUND,
  putAll,
  readable,
  revisionOf,
} from "./answers.ts";

const VALUE_PROVIDED = [3, "etcdserver: value is provided"] as const;
const LEASE_PROVIDED = [3, "etcdserver: lease is provided"] as const;

describeStores("Put", (start) => {
  const shared = new SharedStore(start);

  const stored = async (key: string): Promise<ReadableKeyValue | undefined> =>
    (await shared.client.range(rangeRequest(key))).kvs.map(readable)[0];

  const grant = async (): Promise<bigint> => (await shared.client.leaseGrant({ TTL: 600, ID: 0n })).ID;

  const keysOfLease = async (id: bigint): Promise<string[]> => {
    const { keys } = await shared.client.leaseTimeToLive(id, true);
    return keys.map((key) => Buffer.from(key).toString("latin1")).toSorted();
  };

  test("PT-01 PT-02 PT-03: what contradicts itself is refused, the missing key first, and changes nothing", async () => {
    const { client } = shared;
    await client.put(putRequest("strict", "before"));
    const revision = await currentRevision(client);
    await expectRefused(client.put(putRequest("", "v", { ignoreValue: true })), ...KEY_NOT_PROVIDED);
    await expectRefused(client.put(putRequest("strict", "v", { ignoreValue: true })), ...VALUE_PROVIDED);
    await expectRefused(client.put(putRequest("strict", "", { ignoreLease: true, lease: 1n })), ...LEASE_PROVIDED);
    await expectRefused(
      client.put(putRequest("strict", "v", { ignoreValue: true, ignoreLease: true, lease: 1n })),
      ...VALUE_PROVIDED,
    );
    expect(await stored("strict")).toMatchObject({ value: "before", mod: revision });
    expect(await currentRevision(client)).toBe(revision);
  });

  test("PT-04: value or lease can be kept only of a key that exists", async () => {
    const { client } = shared;
    await client.put(putRequest("was-here", "1"));
    await client.deleteRange(deleteRequest("was-here"));
    const revision = await currentRevision(client);
    for (const key of ["never-here", "was-here"]) {
      await expectRefused(client.put(putRequest(key, "", { ignoreValue: true })), ...KEY_NOT_FOUND);
      await expectRefused(client.put(putRequest(key, "v", { ignoreLease: true })), ...KEY_NOT_FOUND);
      await expectRefused(client.put(putRequest(key, "", { ignoreValue: true, ignoreLease: true })), ...KEY_NOT_FOUND);
    }
    expect(await currentRevision(client)).toBe(revision);
  });

  test("PT-04: ignore_value keeps the value, ignore_lease the lease, and both make a new version", async () => {
    const { client } = shared;
    const [first, second] = [await grant(), await grant()];
    const create = revisionOf(await client.put(putRequest("keep", "value", { lease: first })));
    const mod = async (...args: Parameters<typeof putRequest>): Promise<number> =>
      revisionOf(await client.put(putRequest(...args)));
    const base = { key: "keep", create };
    const other = await mod("keep", "", { ignoreValue: true, lease: second });
    expect(await stored("keep")).toEqual({ ...base, value: "value", lease: second, mod: other, version: 2 });
    const changed = await mod("keep", "changed", { ignoreLease: true });
    expect(await stored("keep")).toEqual({ ...base, value: "changed", lease: second, mod: changed, version: 3 });
    const touched = await mod("keep", "", { ignoreValue: true, ignoreLease: true });
    expect(await stored("keep")).toEqual({ ...base, value: "changed", lease: second, mod: touched, version: 4 });
    const detached = await mod("keep", "", { ignoreValue: true });
    expect(await stored("keep")).toEqual({ ...base, value: "changed", lease: 0n, mod: detached, version: 5 });
    expect([await keysOfLease(first), await keysOfLease(second)]).toEqual([[], []]);
  });

  test("PT-05: a put with an unknown lease is refused, also before a missing key, and writes nothing", async () => {
    const { client } = shared;
    const revision = await currentRevision(client);
    for (const lease of [1n, -1n, 2n ** 62n]) {
      await expectRefused(client.put(putRequest("unleased", "v", { lease })), ...LEASE_NOT_FOUND);
      await expectRefused(client.put(putRequest("unleased", "", { lease, ignoreValue: true })), ...LEASE_NOT_FOUND);
    }
    expect([await stored("unleased"), await currentRevision(client)]).toEqual([undefined, revision]);
  });

  test("PT-06: a lease holds the key until the next put says otherwise", async () => {
    const { client } = shared;
    const [first, second] = [await grant(), await grant()];
    await client.put(putRequest("held/a", "1", { lease: first }));
    await client.put(putRequest("held/b", "1", { lease: first }));
    expect(await keysOfLease(first)).toEqual(["held/a", "held/b"]);
    await client.put(putRequest("held/a", "2", { lease: second }));
    expect([await keysOfLease(first), await keysOfLease(second)]).toEqual([["held/b"], ["held/a"]]);
    await client.put(putRequest("held/a", "3"));
    expect(await keysOfLease(second)).toEqual([]);
    await client.leaseRevoke(second);
    expect(await stored("held/a")).toMatchObject({ value: "3", lease: 0n });
    await client.leaseRevoke(first);
    expect(await stored("held/b")).toBeUndefined();
  });

  test("PT-07: prev_kv is the key as it was, absent where it was not", async () => {
    const { client } = shared;
    const lease = await grant();
    const [, second] = await putAll(client, "previous=1", "previous=2");
    const third = await client.put(putRequest("previous", "", { prevKv: true, lease }));
    expect(third.prevKv && readable(third.prevKv)).toMatchObject({ value: "2", mod: second, version: 2, lease: 0n });
    const fourth = await client.put(putRequest("previous", "4", { prevKv: true }));
    expect(fourth.prevKv && readable(fourth.prevKv)).toMatchObject({ value: "", mod: revisionOf(third), lease });
    expect((await client.put(putRequest("previous", "5"))).prevKv).toBeNull();
    const kept = await client.put(putRequest("previous", "", { prevKv: true, ignoreValue: true }));
    expect(kept.prevKv && readable(kept.prevKv)).toMatchObject({ value: "5", version: 5 });
    await client.deleteRange(deleteRequest("previous"));
    expect((await client.put(putRequest("previous", "6", { prevKv: true }))).prevKv).toBeNull();
    expect((await client.put(putRequest("first-ever", "1", { prevKv: true }))).prevKv).toBeNull();
  });
});
