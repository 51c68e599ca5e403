/** The road from etcd to Plinth and back: at each end the same store, by etcd's own HashKV and key by key, at every revision. */
import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { del, put, putRequest, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { goMissingReason } from "../../bench/peers/build.ts";
import { startEtcd } from "../../bench/peers/etcd.ts";
import type { Etcd } from "../../bench/peers/etcd.ts";
import { seededRandom } from "../sim/simulated-disk.ts";
import { restoreSnapshot, saveSnapshot, startRestored } from "../support/etcd-backups.ts";
import { EtcdClient, keyValues } from "../support/etcd-client.ts";
import { etcdctl } from "../support/etcdctl.ts";
import { startPlinth } from "../support/plinth-process.ts";

const root = path.join(import.meta.dirname, "..", "..");
const timeout = 120_000;
const SEED = Number(process.env["MIGRATION_SEED"] ?? 20);
const KEYS = 40;

interface Store {
  /** By revision: HashKV, and all keys as they were. */
  readonly revisions: Map<number, object>;
  readonly leases: readonly string[];
}

/** Everything that can be read, at every revision. */
async function all(client: EtcdClient): Promise<Store> {
  const { compactRevision, hashRevision } = await client.hashKv(0);
  const revisions = new Map<number, object>();
  for (let revision = Math.max(1, compactRevision); revision <= hashRevision; revision++) {
    // What was asked at a compaction itself each process answers of its own.
    const hash = revision === compactRevision ? 0 : (await client.hashKv(revision)).hash;
    const response = await client.range(rangeRequest("\0", { rangeEnd: Buffer.from([0]), revision }));
    const keys = keyValues(response.kvs).map((kv) => {
      return `${kv.key.toString("hex")} ${kv.createRevision} ${kv.modRevision} ${kv.version} ${kv.lease} ${kv.value.toString("hex")}`;
    });
    revisions.set(revision, { hash, keys });
  }
  const leases: string[] = [];
  for (const { ID } of (await client.leaseLeases()).leases) {
    const { grantedTTL, keys } = await client.leaseTimeToLive(ID, true);
    leases.push(`${ID} ${grantedTTL} ${keys.map(String).toSorted().join(" ")}`);
  }
  return { revisions, leases: leases.toSorted() };
}

async function fill(client: EtcdClient, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const key = (): string => {
    const n = Math.floor(random() * KEYS);
    return n % 2 === 0 ? `/registry/pods/default/pod-${n}` : `other-${n}`;
  };
  for (const [ID, TTL] of [
    [5n, 5_000],
    [-5n, 6_000],
  ] as const) {
    await client.leaseGrant({ ID, TTL });
  }
  for (let i = 0; i < 400; i++) {
    const choice = random();
    const lease = choice < 0.1 ? 5n : choice < 0.2 ? -5n : 0n;
    if (choice < 0.6) await client.put(putRequest(key(), "v".repeat(Math.floor(random() ** 4 * 3_000)), { lease }));
    else if (choice < 0.8)
      await client.deleteRange({ key: Buffer.from(key()), rangeEnd: Buffer.alloc(0), prevKv: false });
    else
      await client.txn(txnRequest([put(`txn-${i % 7}`, `${i}`), del(`other-${i % KEYS}`), put(`txn-x${i % 5}`, "x")]));
    if (i === 250) {
      const { header } = await client.range(rangeRequest("none"));
      await client.compact({ revision: (header?.revision ?? 0) - 30, physical: true });
    }
  }
}

const AUTH_COMMANDS = [
  ["role", "add", "root"],
  ["role", "add", "reader"],
  ["role", "grant-permission", "reader", "read", "/registry/", "/registry0"],
  ["user", "add", "root", "--new-user-password=secret"],
  ["user", "grant-role", "root", "root"],
  ["user", "add", "somebody", "--no-password"],
  ["user", "grant-role", "somebody", "reader"],
];

async function ctl(url: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await etcdctl(url, args);
  if (code !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function users(url: string): Promise<string> {
  const asked = [
    ["user", "list"],
    ["user", "get", "somebody"],
    ["user", "get", "root"],
    ["role", "get", "reader"],
  ];
  const answers: string[] = [];
  for (const args of asked) answers.push(await ctl(url, args));
  return answers.join("");
}

/** Who has a password keeps it. */
async function loginsOf(url: string): Promise<void> {
  await ctl(url, ["auth", "enable"]);
  const wrong = await etcdctl(url, ["--user=root:secrets", "user", "list"]);
  expect(wrong.stderr).toContain("authentication failed, invalid user ID or password");
  expect(await ctl(url, ["--user=root:secret", "user", "list"])).toContain("somebody");
  await ctl(url, ["--user=root:secret", "auth", "disable"]);
}

function plinth(...args: string[]): { status: number | null; out: string; error: string } {
  const { status, stdout, stderr } = spawnSync(path.join(root, "bin", "plinth"), args, { encoding: "utf8" });
  return { status, out: stdout, error: stderr };
}

describe.skipIf(goMissingReason() !== null)("from etcd to Plinth and back", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-migration-"));
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function storeOf(url: string): Promise<Store & { readonly users: string }> {
    const client = await EtcdClient.connect(url);
    const store = await all(client);
    await client.close();
    return { ...store, users: await users(url) };
  }

  test(`all of it stays, from a snapshot and from a data directory (MIGRATION_SEED=${SEED})`, { timeout }, async () => {
    const etcdDir = path.join(folder, "etcd");
    const file = path.join(folder, "from-etcd.db");
    const etcd: Etcd = await startEtcd({ dataDir: etcdDir });
    const client = await EtcdClient.connect(etcd.url);
    await fill(client, SEED);
    await client.close();
    for (const command of AUTH_COMMANDS) await ctl(etcd.url, command);
    const before = await storeOf(etcd.url);
    expect(before.revisions.size).toBeGreaterThan(100);
    await saveSnapshot(etcd.url, file);
    const inUse = plinth("import", `--from=${etcdDir}`, `--data-dir=${path.join(folder, "none")}`);
    expect([inUse.status, inUse.error]).toEqual([1, expect.stringContaining("is in use")]);
    await etcd.stop();

    for (const from of [file, etcdDir]) {
      const dataDir = path.join(folder, `plinth-of-${path.basename(from)}`);
      const made = plinth("import", `--from=${from}`, `--data-dir=${dataDir}`);
      expect(made, made.error).toMatchObject({ status: 0 });
      expect(made.out).toMatch(/HashKV \d+: the same on both sides/);
      const server = await startPlinth({ dataDir });
      try {
        expect(await storeOf(server.url)).toEqual(before);
        await server.kill();
        await server.start();
        expect(await storeOf(server.url)).toEqual(before);
        await loginsOf(server.url);
        if (from !== file) continue;
        const back = path.join(folder, "from-plinth.db");
        await saveSnapshot(server.url, back);
        const restored = await startRestored("3.7", await restoreSnapshot("3.7", back, folder));
        expect(await storeOf(restored.url)).toEqual(before);
        await loginsOf(restored.url);
        // As ever, it goes on from there.
        const again = await EtcdClient.connect(restored.url);
        const { header } = await again.put(putRequest("new"));
        expect(header?.revision).toBe(Math.max(...before.revisions.keys()) + 1);
        await again.close();
        await restored.stop();
      } finally {
        await server.remove();
      }
    }
  });

  test("revisions are passed over where that is asked for, and a dry run makes nothing", { timeout }, async () => {
    const file = path.join(folder, "from-etcd.db");
    const target = path.join(folder, "bumped");
    const dry = plinth("import", `--from=${file}`, `--data-dir=${target}`, "--dry-run");
    expect(dry, dry.error).toMatchObject({ status: 0 });
    expect(dry.out).toMatch(/\/registry\/pods\/: \d+ keys/);
    expect(await readdir(folder)).not.toContain("bumped");
    const flags = ["--bump-revision=1000000000", "--mark-compacted"];
    expect(plinth("import", `--from=${file}`, `--data-dir=${target}`, ...flags).status).toBe(0);
    const server = await startPlinth({ dataDir: target });
    const client = await EtcdClient.connect(server.url);
    const { header } = await client.put(putRequest("new"));
    expect(header?.revision).toBeGreaterThan(1_000_000_000);
    await client.close();
    await server.remove();
  });

  test("what is damaged, foreign or not alone is refused in a line, and nothing is made", { timeout }, async () => {
    const target = path.join(folder, "refused");
    const cases: [from: string, says: RegExp][] = [
      [path.join(folder, "missing"), /there is no /],
      [path.join(root, "package.json"), /cannot be imported/],
      [folder, /is no data directory of etcd/],
    ];
    for (const [from, says] of cases) {
      const { status, error } = plinth("import", `--from=${from}`, `--data-dir=${target}`);
      expect([status, error.trim().split("\n").length], error).toEqual([1, 1]);
      expect(error).toMatch(says);
      expect(await readdir(folder)).not.toContain("refused");
    }
    const full = plinth("import", `--from=${path.join(folder, "from-etcd.db")}`, `--data-dir=${folder}`);
    expect([full.status, full.error]).toEqual([1, expect.stringContaining("is not empty")]);
  });
});
