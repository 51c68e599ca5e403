/** Snapshots of a whole server: what a start makes of them, what it does without, and what becomes of the journal behind them. */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deleteRequest, prefixEnd, prefixWatch, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import { delay } from "../support/delay.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth, type PlinthOptions, type PlinthProcess } from "../support/plinth-process.ts";

const root = path.join(import.meta.dirname, "..", "..");
const mainFile = path.join(root, "test", "guarantees", "traffic", "small-segments-main.ts");
const timeout = 120_000;
const ZONES = ["a", "b", "c"];

let folder: string;
let dataDir: string;
let plinth: PlinthProcess | null = null;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-snapshots-"));
  dataDir = path.join(folder, "data");
});

afterEach(async () => {
  await plinth?.remove();
  plinth = null;
  await rm(folder, { recursive: true, force: true });
});

async function serve(options: PlinthOptions = {}): Promise<PlinthProcess> {
  plinth = await startPlinth({ mainFile, dataDir, ...options });
  return plinth;
}

const zone = (name: string, ...names: string[]): string => path.join(dataDir, "journal", `zone-${name}`, ...names);

/** Names of files that end so, of the zone's snapshots. */
async function snapshotFiles(name: string, ending = ".mark"): Promise<string[]> {
  return (await readdir(zone(name, "snapshots"))).filter((file) => file.endsWith(ending)).toSorted();
}

function command(...args: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(path.join(root, "bin", "plinth"), args, { encoding: "utf8" });
  return { status, text: stdout + stderr };
}

function takeSnapshot(server: PlinthProcess): string {
  const { status, text } = command("snapshot", "now", `--endpoint=${server.url}`);
  expect(status, text).toBe(0);
  return text;
}

async function withClient<T>(server: PlinthProcess, use: (client: EtcdClient) => Promise<T>): Promise<T> {
  const client = await EtcdClient.connect(server.url);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

async function putMany(client: EtcdClient, prefix: string, count: number, bytes = 10): Promise<void> {
  const value = Buffer.alloc(bytes, 0x76);
  for (let i = 0; i < count; i += 100) {
    const some = Array.from({ length: Math.min(100, count - i) }, (_, j) =>
      client.put(putRequest(`${prefix}${i + j}`, value)),
    );
    await Promise.all(some);
  }
}

/** Hash of what is there, and how much; the same before and after a start. */
async function contents(server: PlinthProcess): Promise<object> {
  return withClient(server, async (client) => {
    const { hash, compactRevision, header } = await client.hashKv(0);
    const { count } = await client.range(rangeRequest("a", { rangeEnd: prefixEnd("z"), countOnly: true }));
    const { leases } = await client.leaseLeases();
    return { hash, compactRevision, revision: header?.revision, count, leases };
  });
}

/** What the last start has told of what it read. */
function replayed(server: PlinthProcess): { records: number; snapshot: number } {
  const line = server.logLines.filter((each) => each.includes('"replayed the journal"')).at(-1);
  return JSON.parse(line ?? "{}") as { records: number; snapshot: number };
}

test("a start makes the keyspace of the newest snapshot, and executes what is behind it", { timeout }, async () => {
  const server = await serve();
  await withClient(server, async (client) => {
    const { ID } = await client.leaseGrant({ ID: 0n, TTL: 600 });
    await client.put(putRequest("leased", "v", { lease: ID }));
    await putMany(client, "key", 500);
    await client.deleteRange(deleteRequest("key1", prefixEnd("key1")));
    await client.compact({ revision: 300, physical: true });
    expect(takeSnapshot(server)).toMatch(
      /^snapshot at revision 503: \d+ versions of keys, .*, journal position \d+\n$/,
    );
    await putMany(client, "later", 7);
  });
  const before = await contents(server);
  for (const name of ZONES) expect(await snapshotFiles(name)).toHaveLength(1);
  await server.kill();
  await server.start();
  expect(await contents(server)).toEqual(before);
  expect(replayed(server)).toMatchObject({ records: 7, snapshot: 504 });
  await withClient(server, async (client) => {
    const [lease] = (await client.leaseLeases()).leases;
    expect((await client.leaseTimeToLive(lease.ID, true)).keys.map(String)).toEqual(["leased"]);
    // A watch goes on from before the snapshot.
    const watch = client.watch();
    await watch.create(prefixWatch("key", { startRevision: 400 }));
    const events = await watch.nextEvents(103 + 111);
    expect(events.map(({ kv }) => kv?.modRevision).slice(0, 103)).toEqual(
      Array.from({ length: 103 }, (_, i) => 400 + i),
    );
  });
  // Nothing new is in another.
  await server.stop();
  await server.start();
  takeSnapshot(server);
  const files = await snapshotFiles("a");
  takeSnapshot(server);
  expect(await snapshotFiles("a")).toEqual(files);
});

test("kills at any moment, while snapshots are taken all the time, lose nothing", { timeout }, async () => {
  const server = await serve({ flags: ["--snapshot-tail-records=150"] });
  const acknowledged = new Set<string>();
  let snapshots = 0;
  for (let round = 0; round < 8; round++) {
    const client = await EtcdClient.connect(server.url);
    const killing = new AbortController();
    const put = async (key: string): Promise<void> => {
      await client.put(putRequest(key, "x".repeat(200)));
      acknowledged.add(key);
    };
    const writing = (async () => {
      for (let n = 0; !killing.signal.aborted; n++) {
        await Promise.all(Array.from({ length: 20 }, (_, i) => put(`key${round}-${n}-${i}`)));
        if (n % 20 === 10) await client.compact({ revision: acknowledged.size, physical: false });
      }
    })();
    const ended = writing.catch(() => undefined);
    const wanted = acknowledged.size + 300;
    await expect.poll(() => acknowledged.size, { timeout, interval: 5 }).toBeGreaterThan(wanted);
    // Before the first is complete, or while the next is made.
    const taken = (): number => server.logLines.filter((line) => line.includes('"took a snapshot"')).length;
    const before = taken();
    if (round % 2 === 1) await expect.poll(taken, { timeout, interval: 5 }).toBeGreaterThan(before);
    await delay(13 * round);
    killing.abort();
    await server.kill();
    await ended;
    await client.close().catch(() => undefined);
    await server.start();
    snapshots += Number(replayed(server).snapshot > 0);
    await withClient(server, async (each) => {
      const all = await each.range(rangeRequest("key", { rangeEnd: prefixEnd("key"), keysOnly: true }));
      const keys = new Set(all.kvs.map((kv) => decodeKeyValue(kv).key.toString()));
      expect([...acknowledged].filter((key) => !keys.has(key))).toEqual([]);
    });
  }
  expect(acknowledged.size).toBeGreaterThan(1_000);
  expect(snapshots).toBeGreaterThanOrEqual(4);
});

/** Turns a bit in the midst of a snapshot's file, which is one in all zones of this disk. */
async function damage(file: string): Promise<void> {
  const handle = await open(zone("a", "snapshots", file), "r+");
  try {
    const at = Math.floor((await handle.stat()).size / 2);
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, at);
    byte[0] ^= 0x10;
    await handle.write(byte, 0, 1, at);
  } finally {
    await handle.close();
  }
}

test("where one is damaged the one before serves, and without any the journal does", { timeout }, async () => {
  const server = await serve();
  for (let n = 0; n < 2; n++) {
    await withClient(server, (client) => putMany(client, `key${n}-`, 200));
    takeSnapshot(server);
  }
  const before = await contents(server);
  await server.kill();
  const [older, newer] = await snapshotFiles("a", ".lmdb");
  await damage(newer);
  await server.start();
  expect(await contents(server)).toEqual(before);
  expect(replayed(server)).toMatchObject({ snapshot: 200, records: 200 });
  expect(server.logLines.filter((line) => line.includes("is passed over"))).not.toHaveLength(0);
  await server.kill();
  await damage(older);
  await server.start();
  expect(await contents(server)).toEqual(before);
  expect(replayed(server)).toMatchObject({ snapshot: 0, records: 400 });
  // The next ones count, and those go.
  await withClient(server, (client) => putMany(client, "more", 10));
  takeSnapshot(server);
  await withClient(server, (client) => putMany(client, "even-more", 10));
  takeSnapshot(server);
  expect(await snapshotFiles("a", ".lmdb")).toHaveLength(2);
});

test("the journal goes on from the older of two snapshots, and is needed no more before it", { timeout }, async () => {
  const server = await serve();
  const segments = async (): Promise<number[]> =>
    Promise.all(ZONES.map(async (name) => (await readdir(zone(name))).filter((file) => file.endsWith(".seg")).length));
  for (let n = 0; n < 4; n++) {
    await withClient(server, (client) => putMany(client, `key${n}-`, 400, 2_000));
    takeSnapshot(server);
  }
  const before = await contents(server);
  await expect.poll(async () => Math.max(...(await segments()))).toBeLessThan(20);
  await server.kill();
  await server.start();
  expect(await contents(server)).toEqual(before);
  await server.stop();
  for (const name of ZONES) expect(command("journal", "verify", zone(name)).text).toContain("whole. Records ");
  // Without any snapshot nothing is served that was not the whole.
  for (const name of ZONES) await rm(zone(name, "snapshots"), { recursive: true });
  const refused = String(await startPlinth({ mainFile, dataDir }).catch((error: unknown) => error));
  expect(refused).toMatch(/the journal begins with record \d+/);
});

test("a zone that is lost after a trim gets a snapshot, and what is behind it", { timeout }, async () => {
  const server = await serve();
  for (let n = 0; n < 4; n++) {
    await withClient(server, (client) => putMany(client, `key${n}-`, 300, 2_000));
    takeSnapshot(server);
  }
  const before = await contents(server);
  // One after the other, so that in the end nothing is left of what was first.
  for (const name of ZONES) {
    await server.stop();
    await rm(zone(name), { recursive: true });
    await mkdir(zone(name));
    await server.start();
    const states = async (): Promise<string[]> => {
      const { journal } = (await (await fetch(`${server.url}/plinth/status`)).json()) as {
        journal: { committed: number; replicas: { state: string; position: number | null }[] };
      };
      return journal.replicas.map(({ state, position }) => `${state} ${position === journal.committed}`);
    };
    await expect.poll(states, { timeout: 30_000 }).toEqual(ZONES.map(() => "up true"));
    expect(await snapshotFiles(name)).not.toEqual([]);
    expect(await contents(server)).toEqual(before);
  }
  await server.stop();
  for (const name of ZONES) expect(command("journal", "verify", zone(name)).text).toContain("whole. Records ");
});

test("a zone that has lost its disk gets the snapshots with the next", { timeout }, async () => {
  const server = await serve();
  await withClient(server, (client) => putMany(client, "key", 100));
  takeSnapshot(server);
  await server.stop();
  await rm(zone("a", "snapshots"), { recursive: true });
  await server.start();
  expect(replayed(server)).toMatchObject({ snapshot: 100, records: 0 });
  await withClient(server, (client) => putMany(client, "more", 100));
  takeSnapshot(server);
  for (const name of ZONES) expect(await snapshotFiles(name)).toContain("00000000000000c8.mark");
});

test("it is taken for who is on the server's machine, and by who writes", { timeout }, async () => {
  const server = await serve();
  const path_ = `${server.url}/plinth/snapshot`;
  expect((await fetch(path_)).status).toBe(405);
  const taken = await fetch(path_, { method: "POST" });
  expect(await taken.json()).toMatchObject({ revision: 1, versions: 0 });
  expect((await stat(zone("a", "snapshots"))).mode & 0o777).toBe(0o700);
  expect(command("snapshot", "later").status).toBe(2);
  expect(command("snapshot", "now", "--endpoint=http://127.0.0.1:1").status).toBe(1);
});
