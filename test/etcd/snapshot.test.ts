/** A backup that `etcdctl snapshot save` takes of Plinth is one that etcd starts from, as the same store. */
import { mkdtempSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { del, deleteRequest, put, putRequest, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { goMissingReason } from "../../bench/peers/build.ts";
import { seededRandom } from "../sim/simulated-disk.ts";
import {
  endpointHashKv,
  restoreSnapshot,
  saveSnapshot,
  snapshotStatus,
  startRestored,
  VERSIONS,
} from "../support/etcd-backups.ts";
import { EtcdClient, keyValues } from "../support/etcd-client.ts";
import { etcdctl } from "../support/etcdctl.ts";
import { startPlinthStore } from "../support/stores.ts";
import type { Store } from "../support/stores.ts";

const ALL = { rangeEnd: Buffer.from([0]) };
const LEASES = [7n, -7n, 2n ** 53n + 1n];
const LEASE_TTL_SECONDS = 5_000;
const SEED = 31;
const CHANGES = 1_500;

describe.skipIf(goMissingReason() !== null)("a backup of Plinth", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-backups-"));
  const file = path.join(folder, "backup.db");
  let plinth: Store;
  let client: EtcdClient;
  let hashKv: unknown;
  let said = "";

  beforeAll(async () => {
    plinth = await startPlinthStore();
    client = await EtcdClient.connect(plinth.url);
    await fill(client);
    for (const command of AUTH_COMMANDS) await ctl(plinth.url, command);
    hashKv = await endpointHashKv(plinth.url);
    said = await saveSnapshot(plinth.url, file);
  });

  afterAll(async () => {
    await client.close();
    await plinth.remove();
    await rm(folder, { recursive: true, force: true });
  });

  test("is said by etcdctl and etcdutl to be one of etcd 3.6, with its revision", async () => {
    expect(said).toContain("Server version 3.6.0");
    const { hashRevision } = await client.hashKv(0);
    expect(await snapshotStatus(file)).toMatchObject({ revision: hashRevision, version: "3.6.0" });
  });

  for (const version of VERSIONS) {
    test(`is the same store on etcd ${version}`, { timeout: 120_000 }, async () => {
      const etcd = await startRestored(version, await restoreSnapshot(version, file, folder));
      const other = await EtcdClient.connect(etcd.url);
      try {
        expect(await endpointHashKv(etcd.url)).toEqual(hashKv);
        const { hashRevision, compactRevision } = await client.hashKv(0);
        for (let revision = compactRevision; revision <= hashRevision; revision += 97) {
          expect([revision, await listed(other, revision)]).toEqual([revision, await listed(client, revision)]);
        }
        await expect(listed(other, compactRevision - 1)).rejects.toThrow("required revision has been compacted");
        for (const id of LEASES) {
          const [ours, theirs] = await Promise.all([client, other].map((each) => each.leaseTimeToLive(id, true)));
          const keysOf = ({ keys }: typeof ours): string[] => keys.map(String).toSorted();
          expect([id, theirs.grantedTTL, keysOf(theirs)]).toEqual([id, ours.grantedTTL, keysOf(ours)]);
          // Each has its whole TTL again, and keeps it.
          expect(theirs.TTL).toBeGreaterThan(LEASE_TTL_SECONDS - 1_000);
          const stream = other.keepAlive();
          stream.send({ ID: id });
          expect((await stream.next()).TTL).toBe(LEASE_TTL_SECONDS);
          expect((await other.leaseTimeToLive(id)).TTL).toBeGreaterThan(LEASE_TTL_SECONDS - 1_000);
        }
        for (const question of [
          "user get ann --detail",
          "user get nopw",
          "user list",
          "role list",
          "role get reader",
        ]) {
          expect([question, await ctl(etcd.url, question)]).toEqual([question, await ctl(plinth.url, question)]);
        }
        await ctl(etcd.url, `compaction ${hashRevision}`);
        await ctl(etcd.url, "put after the-backup");
        await ctl(etcd.url, "del k --prefix");
        await ctl(etcd.url, "defrag");
        expect(await listed(other, 0)).toEqual([expect.stringContaining("after")]);
      } finally {
        await other.close();
        await etcd.stop();
      }
    });
  }

  test("has users who log in to etcd with the passwords that they have here", { timeout: 120_000 }, async () => {
    const etcd = await startRestored("3.7", await restoreSnapshot("3.7", file, path.join(folder, "passwords")));
    try {
      await ctl(etcd.url, "auth enable");
      expect(await ctl(etcd.url, "--user=ann:secret get k/none")).toBe("");
      expect(await ctl(etcd.url, "--user=root:top user list")).toContain("ann");
      for (const password of ["secrets", "", "$2a$10$"]) {
        const { code, stderr } = await etcdctl(etcd.url, [`--user=ann`, `--password=${password}`, "get", "k/1"]);
        expect([password, code]).not.toEqual([password, 0]);
        expect(stderr).toMatch(/authentication failed|user name is empty|password/);
      }
    } finally {
      await etcd.stop();
    }
  });

  test("is refused by etcdutl when it has been damaged", async () => {
    const bad = path.join(folder, "damaged.db");
    const bytes = await readFile(file);
    bytes[20_000] ^= 4;
    await writeFile(bad, bytes);
    await expect(restoreSnapshot("3.7", bad, path.join(folder, "damaged"))).rejects.toThrow("sha256");
  });

  test("is given to root alone while authentication is enabled", async () => {
    await ctl(plinth.url, "auth enable");
    const other = path.join(folder, "other.db");
    await expect(saveSnapshot(plinth.url, other)).rejects.toThrow("user name is empty");
    await expect(saveSnapshot(plinth.url, other, ["--user=ann:secret"])).rejects.toThrow("permission denied");
    await saveSnapshot(plinth.url, other, ["--user=root:top"]);
    expect(await snapshotStatus(other)).toMatchObject({ version: "3.6.0" });
    await ctl(plinth.url, "--user=root:top auth disable");
  });
});

const AUTH_COMMANDS = [
  "user add root:top",
  "user add ann:secret",
  "user add nopw --no-password",
  "role add root",
  "role add reader",
  "role grant-permission reader read k/ --prefix",
  "role grant-permission reader readwrite own",
  "user grant-role root root",
  "user grant-role ann reader",
  "user grant-role nopw reader",
];

/** Changes of every kind, of which about two thirds are compacted. */
async function fill(client: EtcdClient): Promise<void> {
  const random = seededRandom(SEED);
  const below = (bound: number): number => Math.floor(random() * bound);
  const key = (): string => `k/${below(60)}`;
  const value = (): string => "v".repeat(random() < 0.01 ? 300_000 : below(400));
  for (const ID of LEASES) await client.leaseGrant({ ID, TTL: LEASE_TTL_SECONDS });
  let revision = 1;
  for (let i = 0; i < CHANGES; i++) {
    const choice = random();
    if (choice < 0.6) {
      const lease = random() < 0.2 ? LEASES[below(LEASES.length)] : 0n;
      const { header } = await client.put(putRequest(key(), value(), { lease }));
      revision = header?.revision ?? revision;
    } else if (choice < 0.8) {
      await client.deleteRange(deleteRequest(key()));
    } else if (choice < 0.85) {
      await client.deleteRange(deleteRequest("k/1", "k/2"));
    } else {
      await client.txn(txnRequest([put(`${key()}/a`, value()), del(key()), put(`${key()}/b`, value())]));
    }
    if (i === Math.floor(CHANGES * 0.4) || i === Math.floor(CHANGES * 0.7)) {
      await client.compact({ revision, physical: true });
    }
  }
}

/** All keys at a revision, as texts. */
async function listed(client: EtcdClient, revision: number): Promise<string[]> {
  const { kvs } = await client.range(rangeRequest(Buffer.from([0]), { ...ALL, revision }));
  return keyValues(kvs).map(
    ({ key, createRevision, modRevision, version, value, lease }) =>
      `${key} ${createRevision} ${modRevision} ${version} ${lease} ${value.length}`,
  );
}

/** What a command prints; it must succeed. */
async function ctl(url: string, command: string, input = ""): Promise<string> {
  const { code, stdout, stderr } = await etcdctl(url, command.split(" "), input);
  expect([command, code, stderr]).toEqual([command, 0, expect.any(String)]);
  return stdout;
}
