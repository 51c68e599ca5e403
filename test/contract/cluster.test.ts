/** The cluster as clients see it, and RPCs that do not exist. */
import { expect, test } from "vitest";
import { memberListRequest, memberListResponse } from "../../proto/rare.ts";
import type { MemberListResponse } from "../../proto/rare.ts";
import type { EtcdClient, StreamEnd } from "../support/etcd-client.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

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
