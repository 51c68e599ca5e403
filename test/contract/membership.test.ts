/** What a cluster of one member says to those who want to change its members. Nothing here may change etcd's. */
import { beforeAll, describe, expect, test } from "vitest";
import * as rare from "../../proto/rare.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores, startPlinthStore } from "../support/stores.ts";
import { expectRefused, refusal } from "./answers.ts";

const URLS_INVALID = [3, "etcdserver: given member URLs are invalid"] as const;
const URL_EXISTS = [9, "etcdserver: Peer URLs already exists"] as const;
const NOT_FOUND = [5, "etcdserver: member not found"] as const;
const NOT_LEARNER = [9, "etcdserver: can only promote a learner member"] as const;
const NOT_ENOUGH = [2, "etcdserver: re-configuration failed due to not enough started members"] as const;
const STRANGER = 12_345n;

/** The calls, on the store of a describe block. */
class Cluster extends SharedStore {
  add(peerURLs: string[], isLearner = false): Promise<rare.MemberAddResponse> {
    const request = { peerURLs, isLearner };
    return this.client.rare("Cluster/MemberAdd", rare.memberAddRequest, rare.memberAddResponse, request);
  }

  remove(ID: bigint): Promise<rare.MemberRemoveResponse> {
    return this.client.rare("Cluster/MemberRemove", rare.memberRemoveRequest, rare.memberRemoveResponse, { ID });
  }

  update(ID: bigint, peerURLs: string[]): Promise<rare.MemberUpdateResponse> {
    const request = { ID, peerURLs };
    return this.client.rare("Cluster/MemberUpdate", rare.memberUpdateRequest, rare.memberUpdateResponse, request);
  }

  promote(ID: bigint): Promise<rare.MemberPromoteResponse> {
    return this.client.rare("Cluster/MemberPromote", rare.memberPromoteRequest, rare.memberPromoteResponse, { ID });
  }

  list(): Promise<rare.MemberListResponse> {
    const request = { linearizable: true };
    return this.client.rare("Cluster/MemberList", rare.memberListRequest, rare.memberListResponse, request);
  }
}

/** What is a URL is for Go to say, and it takes more than one would think. */
const VALID_URLS = [
  "http://10.0.0.1:2380",
  "https://etcd-1.example:2380",
  " HTTP://a:1 ",
  "http://a:",
  "http://:2380",
  "http://a:99999999",
  "http://a:1?x=/y",
  "http://a:1#/%41",
  "http://a:1#",
  "http://user:pass%20word@a:1",
  "http://a@b@c:1",
  "http://[::1]:2380",
  "http://[fe80::1%25eth%200]:2380",
  'http://<a>"b",!:1',
  "http://zürich:1",
  "http://%c3%bc:1",
  "unix:///run/etcd.sock",
  "unixs://a:1/b",
  "unix://a",
  "unix://a:b:1",
  "unix://[fe80::1%25a]:1]",
  "unix:a%",
  "unix:/a",
  "unix:",
];

const INVALID_URLS = [
  "",
  "a",
  "a:1",
  "//a:1",
  "ftp://a:1",
  "httpss://a:1",
  "http:a:1",
  "http:/a:1",
  "http://a",
  "http://[::1]",
  "http://",
  "http:///a:1",
  "http://a:1/",
  "http://a:1/members",
  "http://a:port",
  "http://a:1:2",
  "http://::1:2380",
  "http://[::1:2380",
  "http://[127.0.0.1]:2380",
  "http://[fe80::1%eth0]:2380",
  "http://[fe80::1%25]:2380",
  "http://[fe80::1%25a]:1]:2380",
  "http://a]:1",
  "http://a[::1]:1",
  "http://a b:1",
  "http://a\\b:1",
  "http://%41:1",
  "http://a%:1",
  "http://us er@a:1",
  "http://user%@a:1",
  "http://a:1#%",
  "http://a\n:1",
  "http://a\u007f:1",
  "http#://a:1",
  "unix:/a%zz",
  "unix://a:b",
  "unix://a/%",
];

describeStores("membership", (start) => {
  const cluster = new Cluster(start);
  let own = 0n;
  let ownUrl = "";

  beforeAll(async () => {
    const [member] = (await cluster.list()).members;
    own = member.ID;
    [ownUrl] = member.peerURLs;
  });

  // With a URL that the cluster has, etcd refuses what it would otherwise take.
  test("§9.1 MemberAdd: the URLs must be those of a member, all of them", async () => {
    await expectRefused(cluster.add([]), ...URLS_INVALID);
    await expectRefused(cluster.add([], true), ...URLS_INVALID);
    for (const url of INVALID_URLS) {
      const invalid = [url, ...URLS_INVALID];
      expect([url, ...(await refusal(cluster.add([ownUrl, url])))]).toEqual(invalid);
      expect([url, ...(await refusal(cluster.add([url, ownUrl], true)))]).toEqual(invalid);
    }
    for (const url of VALID_URLS) {
      expect([url, ...(await refusal(cluster.add([url, ownUrl])))]).toEqual([url, ...URL_EXISTS]);
    }
  });

  test("§9.1 MemberAdd: a URL that exists, however it is written, for a voter and for a learner", async () => {
    for (const url of [ownUrl, ` ${ownUrl.replace("http", "Http")}\t`, `${ownUrl}#`]) {
      await expectRefused(cluster.add([url]), ...URL_EXISTS);
      await expectRefused(cluster.add(["http://10.0.0.1:2380", url], true), ...URL_EXISTS);
    }
  });

  test("§9.1 MemberRemove: nobody else is there, and the last member stays", async () => {
    for (const id of [STRANGER, 0n]) await expectRefused(cluster.remove(id), ...NOT_FOUND);
    await expectRefused(cluster.remove(own), ...NOT_ENOUGH);
  });

  test("§9.1 MemberUpdate: nobody else is there, whatever the URLs", async () => {
    for (const urls of [[], ["no URL"], [ownUrl], ["http://10.0.0.1:2380"]]) {
      await expectRefused(cluster.update(STRANGER, urls), ...NOT_FOUND);
    }
  });

  test("§9.1 MemberUpdate: the URLs that the member has are fine", async () => {
    const before = await cluster.list();
    const response = await cluster.update(own, [ownUrl]);
    expect(response.members).toEqual(before.members);
    expect(response.header).toMatchObject({ memberId: own, clusterId: before.header?.clusterId, revision: 0 });
    expect(response.header?.raftTerm).toBeGreaterThan(0);
  });

  test("§9.1 MemberPromote: nobody else is there, and this one votes", async () => {
    for (const id of [STRANGER, 0n]) await expectRefused(cluster.promote(id), ...NOT_FOUND);
    await expectRefused(cluster.promote(own), ...NOT_LEARNER);
  });

  test("§9.2: alarms refuse none of it", async () => {
    for (const alarm of [rare.ALARM_NOSPACE, rare.ALARM_CORRUPT]) {
      await cluster.client.alarm({ action: rare.ALARM_ACTION_ACTIVATE, memberID: own, alarm });
    }
    await expectRefused(cluster.add([ownUrl]), ...URL_EXISTS);
    await expectRefused(cluster.remove(own), ...NOT_ENOUGH);
    expect((await cluster.update(own, [ownUrl])).members).toHaveLength(1);
    await expectRefused(cluster.promote(own), ...NOT_LEARNER);
    for (const alarm of [rare.ALARM_NOSPACE, rare.ALARM_CORRUPT]) {
      await cluster.client.alarm({ action: rare.ALARM_ACTION_DEACTIVATE, memberID: own, alarm });
    }
  });
});

describe("membership (Plinth)", () => {
  const cluster = new Cluster(startPlinthStore);

  test("§9.1: another member, or other URLs, there cannot be", async () => {
    const before = await cluster.list();
    const [{ ID }] = before.members;
    await expectRefused(cluster.add(["http://10.0.0.1:2380"]), ...NOT_ENOUGH);
    await expectRefused(cluster.add(["http://10.0.0.1:2380"], true), ...NOT_ENOUGH);
    await expectRefused(cluster.update(ID, ["http://10.0.0.1:2380"]), ...NOT_ENOUGH);
    await expectRefused(cluster.update(ID, []), ...NOT_ENOUGH);
    expect(await cluster.list()).toEqual(before);
  });
});
