/** v3lockpb.Lock: keys, order, sessions, refusals, and what is left of one who went away while it waited. */
import { beforeAll, describe, expect, test } from "vitest";
import { lockRequest, lockResponse } from "../../proto/concurrency.ts";
import { CANCELED, DEADLINE_EXCEEDED, INTERNAL, OK, UNAVAILABLE, UNKNOWN } from "../../proto/grpc-codes.ts";
import { grpcJsTestClient } from "../server/transport/support-clients.ts";
import { Contenders } from "../support/contenders.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores, startPlinthStore } from "../support/stores.ts";
import { expectRefused } from "./answers.ts";
import { AMY, CHEAP_PASSWORDS, connectAs, enableAuth, makeUsers, ROOT } from "./users.ts";

const EXPIRED = [UNKNOWN, "mutex: session is expired"] as const;

/** It is in line long before, also on a busy machine. */
const DEADLINE_MS = 2_000;

const LOCK = "/v3lockpb.Lock/Lock";

function keyOf(name: string, lease: bigint): string {
  return `${name}/${lease.toString(16)}`;
}

describeStores("locks", (start) => {
  const shared = new SharedStore(start);
  const contenders = (): Contenders => new Contenders(shared.client);

  test("a lock is a key with the lease in hex, and is had again by the same lease", async () => {
    const all = contenders();
    const lease = await all.grant();
    const first = await all.lock("again", lease);
    expect(first.key.toString()).toBe(keyOf("again", lease));
    expect(first.header?.revision).toBe(await shared.revision());
    const second = await all.lock("again", lease);
    expect([second.key, second.header?.revision]).toEqual([first.key, first.header?.revision]);
    expect((await shared.client.leaseTimeToLive(lease, true)).keys.map(String)).toEqual([keyOf("again", lease)]);
  });

  test("those who wait have the lock in the order in which they came", async () => {
    const all = contenders();
    const had: string[] = [];
    const waiters: { key: string; done: Promise<number | undefined> }[] = [];
    for (let i = 0; i < 4; i++) {
      const lease = await all.grant();
      const lock = async (): Promise<number | undefined> => {
        const { key, header } = await all.lock("order", lease);
        had.push(key.toString());
        return header?.revision;
      };
      waiters.push({ key: keyOf("order", lease), done: lock() });
      await all.untilInLine("order", waiters.length);
    }
    for (const { key, done } of waiters) {
      await done;
      expect(had.at(-1)).toBe(key);
      await all.unlock(key);
    }
    expect(had).toEqual(waiters.map(({ key }) => key));
  });

  test("who waited is told the revision at which it has the lock", async () => {
    const all = contenders();
    const [holder, waiter] = [await all.grant(), await all.grant()];
    await all.lock("revision", holder);
    const waits = all.lock("revision", waiter);
    await all.untilInLine("revision", 2);
    const unlocked = await all.unlock(keyOf("revision", holder));
    expect((await waits).header?.revision).toBe(unlocked);
  });

  test("a waiter need not wait for one before it that went away", async () => {
    const all = contenders();
    const [holder, second, third] = [await all.grant(), await all.grant(), await all.grant()];
    await all.lock("gap", holder);
    const waits = all.lock("gap", second).catch((error: unknown) => error);
    await all.untilInLine("gap", 2);
    const last = all.lock("gap", third);
    await all.untilInLine("gap", 3);
    await shared.client.leaseRevoke(second);
    await all.untilInLine("gap", 2);
    await all.unlock(keyOf("gap", holder));
    expect((await last).key.toString()).toBe(keyOf("gap", third));
    expect(await waits).toMatchObject({ code: EXPIRED[0], message: EXPIRED[1] });
  });

  test("the key of a waiter is gone when its client is", async () => {
    const all = contenders();
    const [holder, waiter] = [await all.grant(), await all.grant()];
    await all.lock("gone", holder);
    const client = await EtcdClient.connect(shared.store.url);
    const waits = new Contenders(client).lock("gone", waiter).catch(() => {});
    await all.untilInLine("gone", 2);
    client.lean.destroy();
    await waits;
    await all.untilInLine("gone", 1);
    // And when it does not want to wait any longer.
    const stream = shared.client.lean.stream(LOCK, { onMessage: () => {}, onEnd: () => {} });
    stream.send(lockRequest.encode({ name: Buffer.from("gone"), lease: waiter }));
    stream.halfClose();
    await all.untilInLine("gone", 2);
    stream.cancel();
    await all.untilInLine("gone", 1);
    expect(await all.line("gone")).toEqual([keyOf("gone", holder)]);
  });

  test("a lease that runs out gives the lock to the next", async () => {
    const all = contenders();
    const [holder, waiter] = [await all.grant(0n, 2), await all.grant()];
    await all.lock("short", holder);
    expect((await all.lock("short", waiter)).key.toString()).toBe(keyOf("short", waiter));
  });

  test("without a lease there is one of 60 s", async () => {
    const { key } = await contenders().lock("session", 0n);
    const lease = BigInt(`0x${key.toString().slice("session/".length)}`);
    const { grantedTTL, keys } = await shared.client.leaseTimeToLive(lease, true);
    expect([grantedTTL, keys]).toEqual([60, [key]]);
  });

  test("grpc-js has the same: one answer, a deadline, and a refusal of what is no message", async () => {
    const all = contenders();
    const [holder, waiter] = [await all.grant(), await all.grant()];
    const client = grpcJsTestClient(shared.store.url);
    const request = (lease: bigint): Buffer => lockRequest.encode({ name: Buffer.from("grpc-js"), lease });
    const first = await client.call(LOCK, [request(holder)]);
    expect([first.code, first.replies.length]).toEqual([OK, 1]);
    expect(lockResponse.decode(first.replies[0]).key.toString()).toBe(keyOf("grpc-js", holder));
    const late = await client.call(LOCK, [request(waiter)], { timeoutMilliseconds: DEADLINE_MS });
    // etcd resets the stream, which may be seen before the client's own clock ends the call.
    expect([CANCELED, DEADLINE_EXCEEDED]).toContain(late.code);
    expect(late.replies).toEqual([]);
    await all.untilInLine("grpc-js", 1);
    const waits = client.call(LOCK, [request(waiter)]);
    await all.untilInLine("grpc-js", 2);
    await all.unlock(keyOf("grpc-js", holder));
    expect((await waits).replies).toHaveLength(1);
    const bad = await client.call(LOCK, [Buffer.from([0x0a, 5, 1])]);
    expect([bad.code, bad.text]).toEqual([INTERNAL, expect.stringMatching(/^grpc: error unmarshalling request: ./)]);
    await client.close();
  });

  test("refusals are those of what a lock is made of, with the code that grpc-go gives them", async () => {
    const all = contenders();
    await expectRefused(all.lock("refused", 0x777n), UNKNOWN, "etcdserver: requested lease not found");
    await expectRefused(all.lock("refused", -1n), UNKNOWN, "etcdserver: requested lease not found");
    await expectRefused(all.unlock(""), UNKNOWN, "etcdserver: key is not provided");
    expect(await all.unlock("no such key")).toBe(await shared.revision());
    expect((await all.lock("", await all.grant(0x99n))).key.toString()).toBe("/99");
  });
});

describeStores("locks of users", (start) => {
  const shared = new SharedStore(start, CHEAP_PASSWORDS);

  beforeAll(async () => {
    await makeUsers(shared.client);
    await enableAuth(shared.client);
  });

  test("a lock is for who may read and write its keys", async () => {
    const nobody = new Contenders(shared.client);
    const amy = new Contenders(await connectAs(shared.store.url, AMY));
    for (const lease of [0n, 5n]) {
      await expectRefused(nobody.lock("amy/lock", lease), UNKNOWN, "etcdserver: user name is empty");
    }
    await expectRefused(nobody.unlock("amy/lock"), UNKNOWN, "etcdserver: user name is empty");
    const stranger = await EtcdClient.connect(shared.store.url, { metadata: [["token", "nobody.1"]] });
    const noToken = new Contenders(stranger).lock("amy/lock", 0n);
    await expectRefused(noToken, UNKNOWN, "etcdserver: invalid auth token");
    stranger.lean.destroy();
    const { key } = await amy.lock("amy/lock", 0n);
    await expectRefused(amy.lock("other", 0n), UNKNOWN, "etcdserver: permission denied");
    // She may read, but not write there.
    await expectRefused(amy.lock("both/lock", 0n), UNKNOWN, "etcdserver: permission denied");
    await expectRefused(amy.unlock("bob"), UNKNOWN, "etcdserver: permission denied");
    await amy.unlock(key);
    expect(await amy.line("amy/lock")).toEqual([]);
    amy.client.lean.destroy();
  });
});

describe("locks (Plinth)", () => {
  const shared = new SharedStore(startPlinthStore, CHEAP_PASSWORDS);

  test("a server that stops takes those who wait out of the line, and waits for none of them", async () => {
    const all = new Contenders(shared.client);
    const [holder, waiter] = [await all.grant(), await all.grant()];
    await all.lock("stop", holder);
    const waits = all.lock("stop", waiter);
    await all.untilInLine("stop", 2);
    const stopped = shared.store.stop();
    await expectRefused(waits, UNAVAILABLE, "etcdserver: server stopped");
    await stopped;
    await shared.store.restart();
    await shared.reconnect();
    expect(await new Contenders(shared.client).line("stop")).toEqual([keyOf("stop", holder)]);
  });

  test("the key of a user who went away is gone as well, which etcd leaves to its lease", async () => {
    await makeUsers(shared.client);
    await enableAuth(shared.client);
    const root = new Contenders(await connectAs(shared.store.url, ROOT));
    const amy = new Contenders(await connectAs(shared.store.url, AMY));
    const held = await root.lock("amy/lock", 0n);
    const waits = amy.lock("amy/lock", 0n).catch(() => {});
    await root.untilInLine("amy/lock", 2);
    amy.client.lean.destroy();
    await waits;
    await root.untilInLine("amy/lock", 1);
    expect(await root.line("amy/lock")).toEqual([held.key.toString()]);
    root.client.lean.destroy();
  });
});
