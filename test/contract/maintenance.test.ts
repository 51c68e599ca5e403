/** Status, hashes, defragmentation and alarms. */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import * as rare from "../../proto/rare.ts";
import { del, deleteRequest, nested, put, putRequest, range, rangeRequest } from "../../bench/client/requests.ts";
import { txnRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { clusterVersionDecided } from "../support/cluster-version.ts";
import type { EtcdClient } from "../support/etcd-client.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores, startPlinthStore } from "../support/stores.ts";
import { expectRefused, refusal } from "./answers.ts";

const noSpace = { code: 8, message: "etcdserver: mvcc: database space exceeded" };
const corrupt = { code: 15, message: "etcdserver: corrupt cluster" };
const { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE, ALARM_ACTION_GET } = rare;
const { ALARM_CORRUPT, ALARM_NONE, ALARM_NOSPACE } = rare;
const { DOWNGRADE_CANCEL, DOWNGRADE_ENABLE, DOWNGRADE_VALIDATE } = rare;
const TARGET_INVALID = [3, "etcdserver: invalid downgrade target version"] as const;
const TARGET_MALFORMED = [3, "etcdserver: wrong downgrade target version format"] as const;

describeStores("maintenance", (start) => {
  const shared = new SharedStore(start);

  async function alarm(action: number, kind: number, memberID?: bigint): Promise<rare.AlarmMember[]> {
    const id = memberID ?? (await memberId());
    return (await shared.client.alarm({ action, alarm: kind, memberID: id })).alarms;
  }

  async function memberId(): Promise<bigint> {
    return (await shared.client.status()).header?.memberId ?? 0n;
  }

  afterEach(async () => {
    for (const kind of [ALARM_NOSPACE, ALARM_CORRUPT]) await alarm(ALARM_ACTION_DEACTIVATE, kind);
  });

  test("§9.2 Status: version, sizes, leader, indexes, quota; nothing is wrong with a healthy member", async () => {
    const before = await shared.client.status();
    await shared.put("status", "x".repeat(1_000));
    const status = await shared.client.status();
    const { header } = status;
    expect(status.version).toMatch(/^3\.([6-9]|\d\d)\.\d+$/);
    expect(status.storageVersion).toMatch(/^3\.([6-9]|\d\d)\.0$/);
    expect(status.leader).not.toBe(0n);
    expect(status.leader).toBe(header?.memberId);
    expect([status.errors, status.isLearner, status.dbSizeQuota]).toEqual([[], false, 2_147_483_648]);
    expect(status.dbSizeInUse).toBeGreaterThan(0);
    expect(status.dbSize).toBeGreaterThanOrEqual(status.dbSizeInUse);
    expect(status.raftTerm).toBeGreaterThan(0);
    expect(header?.raftTerm).toBe(status.raftTerm);
    expect(status.raftAppliedIndex).toBeGreaterThan(before.raftAppliedIndex);
    expect(before.raftAppliedIndex).toBeGreaterThan(0);
    expect(status.raftIndex).toBeGreaterThanOrEqual(status.raftAppliedIndex);
    expect(header?.revision).toBe((before.header?.revision ?? 0) + 1);
  });

  test("§9.2 Status: history that is not compacted is in use", async () => {
    const before = (await shared.client.status()).dbSizeInUse;
    for (let i = 0; i < 100; i++) await shared.put("history", "x".repeat(10_000));
    // etcd looks at its sizes when it commits, a few times a second.
    const grown = async (): Promise<number> => (await shared.client.status()).dbSizeInUse - before;
    await expect.poll(grown).toBeGreaterThan(900_000);
  });

  test("HK-01 CO-01: HashKV says of which revision it is, and refuses those to come and those compacted", async () => {
    const { client } = shared;
    const first = await shared.put("hash", "1");
    const last = await shared.put("hash", "2");
    const current = await client.hashKv(0);
    expect(current).toMatchObject({ header: { revision: last }, compactRevision: -1, hashRevision: last });
    expect(await client.hashKv(last)).toEqual(current);
    expect((await client.hashKv(first)).hash).not.toBe(current.hash);
    const future = { code: 11, message: "etcdserver: mvcc: required revision is a future revision" };
    await expect(client.hashKv(last + 1)).rejects.toMatchObject(future);
    await client.compact({ revision: last, physical: true });
    const compacted = { code: 11, message: "etcdserver: mvcc: required revision has been compacted" };
    await expect(client.hashKv(first)).rejects.toMatchObject(compacted);
    const next = await shared.put("hash", "3");
    expect(await client.hashKv(0)).toMatchObject({ compactRevision: last, hashRevision: next });
  });

  test("HK-02 MV-03: hashes stay as they are over defragmentation, which takes no revision", async () => {
    const { client } = shared;
    const revision = await shared.put("hash", "4");
    const before = [await client.hashKv(0), await hash()];
    const reply = await client.rare("Maintenance/Defragment", rare.defragmentRequest, rare.defragmentResponse, {});
    expect(reply).toEqual({ header: null });
    expect([await client.hashKv(0), await hash()]).toEqual(before);
    expect(before[1].header?.revision).toBe(revision);
  });

  function hash(): Promise<rare.HashResponse> {
    return shared.client.rare("Maintenance/Hash", rare.hashRequest, rare.hashResponse, {});
  }

  test("§9.2 Alarm: raised, listed, shown in the status, asked for by member and kind, and ended", async () => {
    const memberID = await memberId();
    const raised = [{ memberID, alarm: ALARM_NOSPACE }];
    expect(await alarm(ALARM_ACTION_GET, ALARM_NONE, 0n)).toEqual([]);
    expect(await alarm(ALARM_ACTION_ACTIVATE, ALARM_NONE)).toEqual([]);
    expect(await alarm(ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE)).toEqual([]);
    expect(await alarm(ALARM_ACTION_ACTIVATE, ALARM_NOSPACE)).toEqual(raised);
    expect(await alarm(ALARM_ACTION_ACTIVATE, ALARM_NOSPACE)).toEqual(raised);
    expect(await alarm(ALARM_ACTION_GET, ALARM_NONE, 0n)).toEqual(raised);
    expect(await alarm(ALARM_ACTION_GET, ALARM_NOSPACE, 0n)).toEqual(raised);
    expect(await alarm(ALARM_ACTION_GET, ALARM_CORRUPT, 0n)).toEqual([]);
    expect(await alarm(ALARM_ACTION_GET, ALARM_NONE, memberID)).toEqual(raised);
    expect((await shared.client.status()).errors).toEqual([alarmText(memberID)]);
    expect(await alarm(ALARM_ACTION_DEACTIVATE, ALARM_NONE)).toEqual([]);
    expect(await alarm(ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE)).toEqual(raised);
    expect(await alarm(ALARM_ACTION_GET, ALARM_NONE, 0n)).toEqual([]);
    expect((await shared.client.status()).errors).toEqual([]);
  });

  test("§9.2 NOSPACE LS-20: puts and grants are refused, reads, deletes, compaction and revokes are not", async () => {
    const { client } = shared;
    await shared.put("full/a");
    await shared.put("full/b");
    const lease = await client.leaseGrant({ ID: 0n, TTL: 600 });
    await shared.put("full/c", "", lease.ID);
    await alarm(ALARM_ACTION_ACTIVATE, ALARM_NOSPACE);
    const refused = [
      () => client.put(putRequest("full/a")),
      () => client.txn(txnRequest([put("full/a")])),
      () => client.txn(txnRequest([], [put("full/a")])),
      () => client.leaseGrant({ ID: 0n, TTL: 600 }),
    ];
    for (const call of refused) await expect(call()).rejects.toMatchObject(noSpace);
    const { deleted } = await client.deleteRange(deleteRequest("full/a"));
    await client.txn(txnRequest([del("full/b")]));
    const { header } = await client.leaseRevoke(lease.ID);
    expect([deleted, (await client.range(rangeRequest("full/b"))).count]).toEqual([1, 0]);
    await client.compact({ revision: header?.revision ?? 0, physical: true });
    await client.rare("Maintenance/Defragment", rare.defragmentRequest, rare.defragmentResponse, {});
    const health = await fetch(`${shared.store.url}/health`);
    expect([health.status, await health.json()]).toEqual([503, { health: "false", reason: "ALARM NOSPACE" }]);
    expect((await fetch(`${shared.store.url}/health?exclude=NOSPACE`)).status).toBe(200);
    expect((await fetch(`${shared.store.url}/readyz`)).status).toBe(200);
    await alarm(ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE);
    expect(await shared.put("full/a")).toBe((header?.revision ?? 0) + 1);
  });

  test("§9.2 CORRUPT: nothing is written any more, what is there can be read, and it is not ready", async () => {
    const { client } = shared;
    const revision = await shared.put("corrupt");
    const lease = await client.leaseGrant({ ID: 0n, TTL: 600 });
    await alarm(ALARM_ACTION_ACTIVATE, ALARM_CORRUPT);
    const refused = [
      () => client.put(putRequest("corrupt")),
      () => client.deleteRange(deleteRequest("corrupt")),
      () => client.txn(txnRequest([put("corrupt")])),
      () => client.compact({ revision: 1, physical: false }),
      () => client.leaseGrant({ ID: 0n, TTL: 600 }),
      () => client.leaseRevoke(lease.ID),
    ];
    for (const call of refused) await expect(call()).rejects.toMatchObject(corrupt);
    expect((await client.range(rangeRequest("corrupt"))).count).toBe(1);
    expect((await client.txn(txnRequest([range("corrupt")]))).succeeded).toBe(true);
    expect((await client.leaseTimeToLive(lease.ID)).grantedTTL).toBe(600);
    const stream = client.watch();
    await stream.create(watchCreateRequest("corrupt", { startRevision: revision }));
    await stream.nextEvents(1);
    const ready = await fetch(`${shared.store.url}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining("[-]data_corruption failed")]);
    await alarm(ALARM_ACTION_DEACTIVATE, ALARM_CORRUPT);
    await shared.put("corrupt");
  });

  test("§9.2 Alarm: an alarm outlives a restart", async () => {
    await alarm(ALARM_ACTION_ACTIVATE, ALARM_NOSPACE);
    const expected = [{ memberID: await memberId(), alarm: ALARM_NOSPACE }];
    await shared.store.kill();
    await shared.store.restart();
    await shared.reconnect();
    expect(await alarm(ALARM_ACTION_GET, ALARM_NONE, 0n)).toEqual(expected);
    await expect(shared.client.txn(txnRequest([nested([put("a")])]))).rejects.toMatchObject(noSpace);
  });
});

/** How an alarm stands in the errors of a status. Go's printer of messages puts in spaces at its whim. */
function alarmText(memberID: bigint): unknown {
  return expect.stringMatching(new RegExp(`^memberID:${memberID} +alarm:NOSPACE *$`));
}

function downgrade(client: EtcdClient, action: number, version: string): Promise<rare.DowngradeResponse> {
  return client.rare("Maintenance/Downgrade", rare.downgradeRequest, rare.downgradeResponse, { action, version });
}

const MALFORMED_VERSIONS = [
  "",
  " 3.6",
  "3.6.0\n",
  ..."3 3. .6 3.6. v3.6 3.6.x 3.6.0.0 -3.6.0 3.-6.0 0x3.6.0 3.9223372036854775808".split(" "),
  ..."3.6-rc.1 3.6+build 3.6.0-a..b 3.6.0-a+b_c 3.6.0+a. 3.6.0+a+b".split(" "),
];

const OTHER_VERSIONS = [
  ..."3.7 3.7.3 3.8.0 3.5 2.6 4.6 0.0 03.005 3.9223372036854775807 3.5.00000000000000000000000".split(" "),
  ..."3.5.0- 3.5.0+ 3.5.0-rc.1 3.5.0-a-b+c-d".split(" "),
];

describeStores("leadership and downgrades", (start) => {
  const shared = new SharedStore(start);

  beforeAll(() => clusterVersionDecided(shared.client));

  function moveLeader(targetID: bigint): Promise<rare.MoveLeaderResponse> {
    return shared.client.rare("Maintenance/MoveLeader", rare.moveLeaderRequest, rare.moveLeaderResponse, { targetID });
  }

  test("§9.2 MoveLeader: nobody else can lead, and to who leads already it is a success without header", async () => {
    const { leader } = await shared.client.status();
    for (const stranger of [0n, 1n, leader + 1n]) {
      await expectRefused(moveLeader(stranger), 9, "etcdserver: bad leader transferee");
    }
    expect(await moveLeader(leader)).toEqual({ header: null });
    expect((await shared.client.status()).leader).toBe(leader);
  });

  test("§9.2 Downgrade: what is no version, whether it is validated or enabled", async () => {
    for (const version of MALFORMED_VERSIONS) {
      for (const action of [DOWNGRADE_VALIDATE, DOWNGRADE_ENABLE]) {
        expect([version, ...(await refusal(downgrade(shared.client, action, version)))]).toEqual([
          version,
          ...TARGET_MALFORMED,
        ]);
      }
    }
  });

  test("§9.2 Downgrade: what is not the version before", async () => {
    for (const version of OTHER_VERSIONS) {
      for (const action of [DOWNGRADE_VALIDATE, DOWNGRADE_ENABLE]) {
        expect([version, ...(await refusal(downgrade(shared.client, action, version)))]).toEqual([
          version,
          ...TARGET_INVALID,
        ]);
      }
    }
  });

  test("§9.2 Downgrade: cancelling none is a success that names the cluster's version", async () => {
    const revision = await shared.put("downgrade");
    const { header, downgradeInfo } = await shared.client.status();
    for (const version of ["", "3.6.0", "no version"]) {
      expect(await downgrade(shared.client, DOWNGRADE_CANCEL, version)).toEqual({ header, version: "3.7" });
    }
    expect(header?.revision).toBe(revision);
    expect(downgradeInfo).toEqual({ enabled: false, targetVersion: "" });
  });

  test("§9.2 Downgrade: an action that does not exist is unknown", async () => {
    for (const action of [3, -1]) {
      await expectRefused(downgrade(shared.client, action, "3.6.0"), 2, "etcdserver: unknown method");
    }
  });
});

describe("downgrades (Plinth)", () => {
  const shared = new SharedStore(startPlinthStore);

  test("§9.2: no older version can open the data, the one before neither", async () => {
    for (const version of ["3.6", "3.6.0", "3.6.11"]) {
      await expectRefused(downgrade(shared.client, DOWNGRADE_VALIDATE, version), ...TARGET_INVALID);
      await expectRefused(downgrade(shared.client, DOWNGRADE_ENABLE, version), ...TARGET_INVALID);
    }
    expect((await shared.client.status()).downgradeInfo).toEqual({ enabled: false, targetVersion: "" });
  });
});
