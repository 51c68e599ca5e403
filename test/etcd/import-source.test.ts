/** What etcd has left, as a snapshot or as a data directory, is read as etcd itself reads it, or refused with a sentence. */
import { mkdtempSync } from "node:fs";
import { cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { del, deleteRequest, put, putRequest, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { goMissingReason } from "../../bench/peers/build.ts";
import { startEtcd } from "../../bench/peers/etcd.ts";
import type { Etcd } from "../../bench/peers/etcd.ts";
import { EtcdRefusal } from "../../server/etcd-backup/etcd-refusal.ts";
import { planImport } from "../../server/etcd-backup/import-plan.ts";
import type { ImportPlan } from "../../server/etcd-backup/import-plan.ts";
import { openEtcd } from "../../server/etcd-backup/open-etcd.ts";
import { seededRandom } from "../sim/simulated-disk.ts";
import { endpointHashKv, restoreSnapshot, saveSnapshot, startRestored } from "../support/etcd-backups.ts";
import { EtcdClient, keyValues } from "../support/etcd-client.ts";
import { etcdctl } from "../support/etcdctl.ts";

const SEED = 71;
const LEASES = [9n, -9n];

/** What a key was, and since when. */
type State = Map<string, string>;

/** What is found, and at each revision that can be read all keys. */
interface Found {
  readonly plan: ImportPlan;
  readonly states: Map<number, string[]>;
  readonly leases: string[];
}

function read(from: string): Found {
  const etcd = openEtcd(from);
  try {
    const plan = planImport(etcd);
    const states = new Map<number, string[]>();
    const state: State = new Map();
    const cursor = etcd.database.versions();
    let before = 0;
    const note = (revision: number): void => {
      if (revision >= plan.compactRevision) states.set(revision, [...state.values()].toSorted());
    };
    while (cursor.next()) {
      const { main, key, createRevision, version, lease, value, isTombstone } = cursor;
      for (; before < main; before++) note(before);
      const name = key.toString();
      if (isTombstone) state.delete(name);
      else state.set(name, `${name} ${createRevision} ${main} ${version} ${lease} ${value.length}`);
    }
    for (; before <= plan.revision; before++) note(before);
    const leases = etcd.database.leases.map(({ id, ttl, remainingTtl }) => `${id} ${ttl} ${remainingTtl}`);
    return { plan, states, leases };
  } finally {
    etcd.close();
  }
}

function complaint(from: string): string {
  try {
    read(from);
  } catch (error) {
    if (error instanceof EtcdRefusal) return error.message;
    throw error;
  }
  return "";
}

describe.skipIf(goMissingReason() !== null)("what etcd has left", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-import-"));
  const dataDir = path.join(folder, "etcd");
  const file = path.join(folder, "snapshot.db");
  const expected = new Map<number, string[]>();
  let hash: unknown;
  let inUse = "";

  beforeAll(async () => {
    const etcd = await startEtcd({ dataDir });
    const client = await EtcdClient.connect(etcd.url);
    await fill(client);
    for (const command of AUTH_COMMANDS) await ctl(etcd.url, command);
    const { hashRevision, compactRevision } = await client.hashKv(0);
    for (let revision = compactRevision; revision <= hashRevision; revision++) {
      expected.set(revision, await listed(client, revision));
    }
    hash = await endpointHashKv(etcd.url);
    await saveSnapshot(etcd.url, file);
    inUse = complaint(dataDir);
    await client.close();
    await etcd.stop();
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  function checkSame({ plan, states, leases }: Found): void {
    expect({ hash: plan.hash, compactRevision: plan.compactRevision }).toEqual(hash);
    expect([...states.keys()]).toEqual([...expected.keys()]);
    for (const [revision, state] of expected) expect([revision, states.get(revision)]).toEqual([revision, state]);
    expect(leases).toEqual(LEASES.map((id) => `${id} 5000 0`));
    const { total, resources } = plan;
    expect(total.keys).toBe(expected.get(plan.revision)?.length);
    expect([...resources.keys()].toSorted()).toEqual(["", "/registry/example.com/widgets/", "/registry/pods/"]);
    let keys = 0;
    for (const each of resources.values()) keys += each.keys;
    expect(keys).toBe(total.keys);
    expect(plan).toMatchObject({ users: 3, roles: 2, alarms: 0, leases: 2, isHashComparable: true });
  }

  test("a snapshot has every key at every revision, with etcd's HashKV, leases, users and roles", () => {
    checkSame(read(file));
    const etcd = openEtcd(file);
    expect(etcd).toMatchObject({ kind: "snapshot", isChecksummed: true });
    const { auth, storageVersion, clusterVersion } = etcd.database;
    expect({ storageVersion, clusterVersion }).toEqual({ storageVersion: "3.7.0", clusterVersion: "3.7.0" });
    expect(auth.enabled).toBe(false);
    expect(auth.users.map(({ name, roles }) => [name, roles])).toEqual([
      ["ann", ["reader"]],
      ["nopw", []],
      ["root", ["root"]],
    ]);
    expect(auth.users.map(({ passwordHash }) => passwordHash?.slice(0, 4))).toEqual(["$2a$", undefined, "$2a$"]);
    expect(auth.roles.map(({ name, permissions }) => [name, permissions.length])).toEqual([
      ["reader", 2],
      ["root", 0],
    ]);
    etcd.close();
  });

  test("a data directory of an etcd that has ended has the same", () => {
    checkSame(read(dataDir));
    const etcd = openEtcd(dataDir);
    expect(etcd).toMatchObject({ kind: "data directory", isChecksummed: false });
    etcd.close();
  });

  test("a data directory in use is refused", () => {
    expect(inUse).toMatch(/is in use: a process has a lock on .*; stop that etcd/);
  });

  test("a data directory whose last changes are in the log alone is refused, with the way out", async () => {
    const killed = path.join(folder, "killed");
    await cp(dataDir, killed, { recursive: true });
    // It writes nothing more into its database.
    const etcd = await startEtcd({
      dataDir: killed,
      flags: ["--backend-batch-interval=1h", "--backend-batch-limit=1000000"],
    });
    const client = await EtcdClient.connect(etcd.url);
    for (let i = 0; i < 5; i++) await client.put(putRequest("late", String(i)));
    await client.close();
    await etcd.kill();
    expect(complaint(killed)).toMatch(
      /its database has the changes up to entry \d+, and 5 more are in its write-ahead log alone, .*etcdctl snapshot save/,
    );
    // That is the way out.
    const again = await startEtcd({ dataDir: killed });
    await saveSnapshot(again.url, path.join(folder, "late.db"));
    await again.stop();
    expect(read(path.join(folder, "late.db")).plan.revision).toBe(read(file).plan.revision + 5);
    expect(read(killed).plan.revision).toBe(read(file).plan.revision + 5);
  });

  test("one that was restored with a bumped revision is read before etcd has started from it, and after", async () => {
    const flags = ["--bump-revision=1000000", "--mark-compacted"];
    const restored = await restoreSnapshot("3.7", file, folder, flags);
    const before = read(restored);
    const etcd = await startRestored("3.7", restored);
    const client = await EtcdClient.connect(etcd.url);
    const { hashRevision } = await client.hashKv(0);
    const state = await listed(client, 0);
    const bumped = await endpointHashKv(etcd.url);
    await client.close();
    await etcd.stop();
    const after = read(restored);
    for (const { plan, states } of [before, after]) {
      expect(plan).toMatchObject({ revision: hashRevision, compactRevision: hashRevision, isHashComparable: false });
      expect({ hash: plan.hash, compactRevision: plan.compactRevision }).toEqual(bumped);
      expect(states.get(hashRevision)).toEqual(state);
      expect(plan.total).toMatchObject({ keys: state.length, versions: state.length });
    }
  });

  test("a damaged snapshot is refused, wherever the damage is", async () => {
    const bytes = await readFile(file);
    const random = seededRandom(SEED);
    const bad = path.join(folder, "bad.db");
    for (let i = 0; i < 40; i++) {
      const damaged = Buffer.from(bytes);
      damaged[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8);
      await writeFile(bad, damaged);
      expect(complaint(bad)).toContain("SHA-256");
    }
    for (const length of [0, 1, 511, 512, 4096, bytes.length - 32 - 4096, bytes.length - 7]) {
      await writeFile(bad, bytes);
      await truncate(bad, length);
      expect([length, complaint(bad)]).not.toEqual([length, ""]);
    }
  });

  test("without a checksum damage is refused with its place, where it can be noticed at all", async () => {
    const bytes = (await readFile(file)).subarray(0, -32);
    const random = seededRandom(SEED + 1);
    const bad = path.join(folder, "bad.db");
    await writeFile(bad, bytes);
    expect(complaint(bad)).toBe("");
    const complaints: string[] = [];
    for (let i = 0; i < 150; i++) {
      const damaged = Buffer.from(bytes);
      // In the front of pages, many of which are free: etcd writes them anew somewhere else.
      const page = 2 + Math.floor(random() * (bytes.length / 4096 - 2));
      damaged[page * 4096 + Math.floor(random() * 200)] ^= 1 << Math.floor(random() * 8);
      await writeFile(bad, damaged);
      complaints.push(complaint(bad));
    }
    const refused = complaints.filter((each) => each !== "");
    expect(refused.length).toBeGreaterThan(0);
    for (const each of refused) expect(each).toMatch(/cannot be imported: .*(page|bucket)/);
  });

  test("what is no file of etcd is refused", async () => {
    expect(complaint(path.join(folder, "none"))).toContain("there is no");
    expect(complaint(folder)).toContain("is no data directory of etcd: there is no member/snap/db in it");
    expect(complaint(path.join(dataDir, "member", "snap", "db"))).toContain("name the directory");
    const text = path.join(folder, "text");
    await writeFile(text, "hello".repeat(1_000));
    expect(complaint(text)).toContain("as no snapshot has");
    await writeFile(text, Buffer.alloc(8_192, 7));
    expect(complaint(text)).toContain("it is no bbolt file");
  });

  test("a data directory without a part of its log is refused", async () => {
    const lacking = path.join(folder, "lacking");
    await cp(dataDir, lacking, { recursive: true });
    await rm(path.join(lacking, "member", "wal"), { recursive: true });
    expect(complaint(lacking)).toContain("there is no member/wal in it");
    await cp(dataDir, lacking, { recursive: true });
    const wal = path.join(lacking, "member", "wal", "0000000000000000-0000000000000000.wal");
    const bytes = await readFile(wal);
    bytes[2_000] ^= 1;
    await writeFile(wal, bytes);
    expect(complaint(lacking)).toMatch(/is damaged at byte \d+/);
  });

  test("a log that goes over several files is read on, and one of them that is missing is noticed", async () => {
    const long = path.join(folder, "long");
    const flags = ["--backend-batch-interval=1h", "--backend-batch-limit=1000000", "--snapshot-count=1000000"];
    const etcd = await startEtcd({ dataDir: long, flags });
    const client = await EtcdClient.connect(etcd.url);
    const value = Buffer.alloc(1_400_000, "v");
    for (let i = 0; i < 100; i++) await client.put(putRequest("large", value));
    await client.close();
    await etcd.kill();
    const wal = path.join(long, "member", "wal");
    const files = (await readdir(wal)).filter((name) => name.endsWith(".wal")).toSorted();
    expect(files.length).toBeGreaterThan(2);
    expect(complaint(long)).toMatch(/and 100 more are in its write-ahead log alone/);
    await rm(path.join(wal, files[1]));
    expect(complaint(long)).toContain(`a file is missing before ${files[2]}`);
  });

  test("what was being written to the log when the power went is not looked for", async () => {
    const torn = path.join(folder, "torn");
    await cp(dataDir, torn, { recursive: true });
    const wal = path.join(torn, "member", "wal", "0000000000000000-0000000000000000.wal");
    const bytes = await readFile(wal);
    let end = 0;
    for (let low = bytes.readUInt32LE(0); low !== 0; low = bytes.readUInt32LE(end)) {
      const high = bytes.readUInt32LE(end + 4);
      end += 8 + low + (high >>> 31 === 1 ? (high >>> 24) & 7 : 0);
    }
    // The front of a record of 2,000 bytes, of which only the first sector came to the disk.
    bytes.writeUInt32LE(2_000, end);
    bytes.fill(0x0a, end + 8, end + 100);
    await writeFile(wal, bytes);
    checkSame(read(torn));
    // One that is there and wrong is damage.
    bytes.fill(0x0a, end + 8, end + 2_008);
    await writeFile(wal, bytes);
    expect(complaint(torn)).toContain(`is damaged at byte ${end}`);
  });

  for (const version of ["3.6", "3.5"] as const) {
    test(`a data directory and a snapshot of etcd ${version} are read`, { timeout: 120_000 }, async () => {
      const older = path.join(folder, `etcd-${version}`);
      const saved = path.join(folder, `snapshot-${version}.db`);
      const etcd: Etcd = await startEtcd({ dataDir: older, peer: `etcd-${version}` });
      const client = await EtcdClient.connect(etcd.url);
      await fill(client);
      const told = await endpointHashKv(etcd.url);
      await saveSnapshot(etcd.url, saved);
      await client.close();
      await etcd.stop();
      for (const from of [older, saved]) {
        const { plan } = read(from);
        expect([from, { hash: plan.hash, compactRevision: plan.compactRevision }]).toEqual([from, told]);
      }
    });
  }
});

const AUTH_COMMANDS = [
  "user add root:top",
  "user add ann:secret",
  "user add nopw --no-password",
  "role add root",
  "role add reader",
  "role grant-permission reader read /registry/ --prefix",
  "role grant-permission reader readwrite own",
  "user grant-role root root",
  "user grant-role ann reader",
];

/** Changes of every kind, of which some are compacted. */
async function fill(client: EtcdClient): Promise<void> {
  const random = seededRandom(SEED);
  const below = (bound: number): number => Math.floor(random() * bound);
  const prefixes = ["/registry/pods/default/", "/registry/example.com/widgets/", "other-"];
  const key = (): string => `${prefixes[below(3)]}${below(20)}`;
  const value = (): string => "v".repeat(random() < 0.02 ? 50_000 : below(300));
  for (const ID of LEASES) await client.leaseGrant({ ID, TTL: 5_000 });
  let revision = 1;
  for (let i = 0; i < 400; i++) {
    const choice = random();
    if (choice < 0.6) {
      const lease = random() < 0.2 ? LEASES[below(LEASES.length)] : 0n;
      const { header } = await client.put(putRequest(key(), value(), { lease }));
      revision = header?.revision ?? revision;
    } else if (choice < 0.8) {
      await client.deleteRange(deleteRequest(key()));
    } else if (choice < 0.83) {
      await client.deleteRange(deleteRequest(`${prefixes[0]}1`, `${prefixes[0]}2`));
    } else {
      await client.txn(txnRequest([put(`${key()}/a`, value()), del(key()), put(`${key()}/b`, value())]));
    }
    if (i === 150 || i === 300) await client.compact({ revision, physical: true });
  }
}

/** All keys at a revision, as texts. */
async function listed(client: EtcdClient, revision: number): Promise<string[]> {
  const { kvs } = await client.range(rangeRequest(Buffer.from([0]), { rangeEnd: Buffer.from([0]), revision }));
  return keyValues(kvs)
    .map(
      ({ key, createRevision, modRevision, version, value, lease }) =>
        `${key} ${createRevision} ${modRevision} ${version} ${lease} ${value.length}`,
    )
    .toSorted();
}

/** What a command prints; it must succeed. */
async function ctl(url: string, command: string): Promise<string> {
  const { code, stdout, stderr } = await etcdctl(url, command.split(" "));
  expect([command, code, stderr]).toEqual([command, 0, expect.any(String)]);
  return stdout;
}
