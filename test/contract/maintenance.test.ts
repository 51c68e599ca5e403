/** Status, hashes, defragmentation and alarms. */
import { afterEach, expect, test } from "vitest";
import * as rare from "../../proto/rare.ts";
import { del, deleteRequest, nested, put, putRequest, range, rangeRequest } from "../support/requests.ts";
import { txnRequest, watchCreateRequest } from "../support/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";

const noSpace = { code: 8, message: "etcdserver: mvcc: database space exceeded" };
const corrupt = { code: 15, message: "etcdserver: corrupt cluster" };
const { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE, ALARM_ACTION_GET } = rare;
const { ALARM_CORRUPT, ALARM_NONE, ALARM_NOSPACE } = rare;

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
