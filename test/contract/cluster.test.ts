/** The cluster as clients see it, and every RPC that is not served. */
import { describe, expect, test } from "vitest";
import { memberListRequest, memberListResponse } from "../../proto/rare.ts";
import type { MemberListResponse } from "../../proto/rare.ts";
import { allMethods } from "../../proto/schema.ts";
import type { EtcdClient, StreamEnd } from "../support/etcd-client.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores, startPlinthStore } from "../support/stores.ts";

describeStores("cluster", (start) => {
  const shared = new SharedStore(start);

  function memberList(linearizable: boolean): Promise<MemberListResponse> {
    return shared.client.rare("Cluster/MemberList", memberListRequest, memberListResponse, { linearizable });
  }

  test("§9.1 MemberList: one member with the header's id, its name and a client URL that can be reached", async () => {
    await shared.put("a");
    for (const linearizable of [false, true]) {
      const { header, members } = await memberList(linearizable);
      expect(header?.revision).toBe(0);
      expect(members).toMatchObject([
        { ID: header?.memberId, name: "default", clientURLs: [shared.store.url], isLearner: false },
      ]);
      expect(members[0].peerURLs).toHaveLength(1);
    }
  });

  test("§3.3: cluster and member keep their ids over restarts, and the term does not fall", async () => {
    const before = (await shared.client.status()).header;
    await shared.store.kill();
    await shared.store.restart();
    await shared.reconnect();
    const after = (await shared.client.status()).header;
    expect([after?.clusterId, after?.memberId, after?.revision]).toEqual([
      before?.clusterId,
      before?.memberId,
      before?.revision,
    ]);
    expect(after?.raftTerm).toBeGreaterThanOrEqual(before?.raftTerm ?? 0);
    expect(before?.clusterId).not.toBe(0n);
  });

  test("§1: an RPC that does not exist is Unimplemented, with one request or many", async () => {
    for (const path of ["/etcdserverpb.KV/Nope", "/no.such.Service/Nope", "/nope", "/"]) {
      expect((await callEmpty(shared.client, path)).code).toBe(12);
      await expect(shared.client.lean.call(path, Buffer.alloc(10))).rejects.toMatchObject({ code: 12 });
    }
  });
});

/** All that Plinth serves of etcd's interface. */
const served = new Set([
  ...["Range", "RangeStream", "Put", "DeleteRange", "Txn", "Compact"].map((name) => `/etcdserverpb.KV/${name}`),
  "/etcdserverpb.Watch/Watch",
  ...["Grant", "Revoke", "KeepAlive", "TimeToLive", "Leases"].map((name) => `/etcdserverpb.Lease/Lease${name}`),
  ...["List", "Add", "Remove", "Update", "Promote"].map((name) => `/etcdserverpb.Cluster/Member${name}`),
  ...["Status", "Alarm", "Defragment", "Hash", "HashKV", "Snapshot", "MoveLeader", "Downgrade"].map(
    (name) => `/etcdserverpb.Maintenance/${name}`,
  ),
  ...allMethods().flatMap(({ path }) => (path.startsWith("/etcdserverpb.Auth/") ? [path] : [])),
  ...["Check", "List", "Watch"].map((name) => `/grpc.health.v1.Health/${name}`),
]);

describe("cluster (Plinth)", () => {
  const shared = new SharedStore(startPlinthStore);

  test("§1 §10: every RPC that is not served says so: Unimplemented, by name", async () => {
    const unserved = allMethods().filter(({ path }) => !served.has(path));
    expect(unserved.length).toBeGreaterThan(5);
    for (const { path } of unserved) {
      const { code, message } = await callEmpty(shared.client, path);
      expect([path, code]).toEqual([path, 12]);
      expect(message).toContain(path.slice(path.lastIndexOf("/") + 1));
    }
  });

  test("§1: every RPC that is served answers something else", async () => {
    for (const { path, responseStream } of allMethods().filter((method) => served.has(method.path))) {
      if (responseStream) continue;
      expect((await callEmpty(shared.client, path)).code).not.toBe(12);
    }
  });
});

/** Calls with one empty message. */
function callEmpty(client: EtcdClient, path: string): Promise<StreamEnd> {
  return new Promise((resolve) => {
    const stream = client.lean.stream(path, {
      onMessage: () => {},
      onEnd: (code, message) => resolve({ code, message }),
    });
    stream.send(Buffer.alloc(0));
    stream.halfClose();
  });
}
