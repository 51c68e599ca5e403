import { expect, test } from "vitest";
import { defragmentRequest, defragmentResponse, hashRequest, hashResponse } from "../../proto/rare.ts";
import type { HashKVResponse } from "../../proto/rare.ts";
import { deleteRequest, putRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { crash, COMPACTED, currentRevision, expectRefused, FUTURE_REVISION, putAll, revisionOf } from "./answers.ts";

describeStores("HashKV", (start) => {
  const shared = new SharedStore(start);

  const hashOf = async (revision: number): Promise<number> => (await shared.client.hashKv(revision)).hash;

  /** Hashes at every revision from `from` to the current one. */
  const hashesFrom = async (from: number): Promise<number[]> => {
    const hashes = [];
    for (let revision = from, end = await currentRevision(shared.client); revision <= end; revision++) {
      hashes.push(await hashOf(revision));
    }
    return hashes;
  };

  test("HK-01: before any compaction: compact_revision -1, hash_revision what was hashed, the header the present", async () => {
    const { client } = shared;
    const [first, second] = await putAll(client, "a=1", "a=2");
    const rows: [number, Partial<HashKVResponse>][] = [
      [0, { hashRevision: second }],
      [second, { hashRevision: second }],
      [first, { hashRevision: first }],
    ];
    for (const [revision, expected] of rows) {
      const response = await client.hashKv(revision);
      expect(response).toMatchObject({ ...expected, compactRevision: -1, header: { revision: second } });
    }
    await expectRefused(client.hashKv(second + 1), ...FUTURE_REVISION);
  });

  test("HK-01: a change makes another hash, and leaves those of revisions before it", async () => {
    const { client } = shared;
    const [point] = await putAll(client, "b=1", "c=1", "b=2");
    await client.deleteRange(deleteRequest("c"));
    const before = await hashesFrom(point);
    expect(new Set(before).size).toBe(before.length);
    expect(await hashOf(0)).toBe(before.at(-1));
    await client.put(putRequest("c", "2"));
    expect((await hashesFrom(point)).slice(0, -1)).toEqual(before);
  });

  test("HK-01, HK-02: compaction sets the lowest revision, and the hash is the same before and after removal, defragmentation and a crash", async () => {
    const { client } = shared;
    await putAll(client, "d=1", "e=1", "d=2");
    await client.deleteRange(deleteRequest("e"));
    const [point] = await putAll(client, "d=3", "e=2", "d=4");
    await client.compact({ revision: point, physical: false });
    // Not at the point itself: there etcd tells what it hashed while it removed, with the compact revision before.
    const hashes = await hashesFrom(point + 1);
    const present = await currentRevision(client);
    expect(await client.hashKv(0)).toMatchObject({ compactRevision: point, hashRevision: present });
    await expectRefused(client.hashKv(point - 1), ...COMPACTED);
    // etcd answers it only when the removal is over.
    await expectRefused(client.compact({ revision: point, physical: true }), ...COMPACTED);
    expect(await hashesFrom(point + 1)).toEqual(hashes);
    await client.rare("Maintenance/Defragment", defragmentRequest, defragmentResponse, {});
    expect(await hashesFrom(point + 1)).toEqual(hashes);
    await crash(shared);
    expect(await hashesFrom(point + 1)).toEqual(hashes);
    expect(await shared.client.hashKv(0)).toMatchObject({ compactRevision: point, hashRevision: present });
  });

  test("HK-04: at the revisions of the last ten compactions HashKV gives what was hashed before the removal, until a restart", async () => {
    const { client } = shared;
    const told: HashKVResponse[] = [];
    for (let i = 0; i < 12; i++) {
      const [point] = await putAll(client, `g${i % 3}=${i}`, "h=1", "g=2").then((revisions) => revisions.slice(1));
      told.push(await client.hashKv(point));
      // Its answer comes when the removal is over.
      await client.compact({ revision: point, physical: true });
    }
    const header = { revision: await currentRevision(client) };
    for (const { hash, compactRevision, hashRevision } of told.slice(-10)) {
      expect(await client.hashKv(hashRevision)).toMatchObject({ header, hash, compactRevision, hashRevision });
    }
    for (const { hashRevision } of told.slice(0, -10)) await expectRefused(client.hashKv(hashRevision), ...COMPACTED);
    await crash(shared);
    const [before, last] = told.slice(-2).map(({ hashRevision }) => hashRevision);
    expect(await shared.client.hashKv(last)).toMatchObject({ compactRevision: last, hashRevision: last });
    await expectRefused(shared.client.hashKv(before), ...COMPACTED);
  });

  test("HK-03: the hash of everything tells the current revision, and stays until something changes", async () => {
    const { client } = shared;
    const hash = () => client.rare("Maintenance/Hash", hashRequest, hashResponse, {});
    const before = await hash();
    expect(revisionOf(before)).toBe(await currentRevision(client));
    expect((await hash()).hash).toBe(before.hash);
    const revision = revisionOf(await client.put(putRequest("f", "1")));
    const after = await hash();
    expect([revisionOf(after), after.hash === before.hash]).toEqual([revision, false]);
  });
});
