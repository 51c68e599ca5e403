/** A cluster as it was: data directories that are made of others, and what happened to a key. */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deleteRequest, prefixEnd, putRequest, rangeRequest } from "../../../bench/client/requests.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_NOSPACE } from "../../../proto/rare.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import { startPlinth, type PlinthProcess } from "../../support/plinth-process.ts";

const root = path.join(import.meta.dirname, "..", "..", "..");
const mainFile = path.join(root, "test", "guarantees", "traffic", "small-segments-main.ts");
const timeout = 120_000;

let folder: string;
let dataDir: string;
const servers: PlinthProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-restore-"));
  dataDir = path.join(folder, "data");
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.remove();
  await rm(folder, { recursive: true, force: true });
});

async function serve(directory: string, ...flags: string[]): Promise<PlinthProcess> {
  const server = await startPlinth({ mainFile, dataDir: directory, flags });
  servers.push(server);
  return server;
}

function run(...args: string[]): { status: number | null; out: string; error: string } {
  const { status, stdout, stderr } = spawnSync(path.join(root, "bin", "plinth"), args, { encoding: "utf8" });
  return { status, out: stdout, error: stderr };
}

/** What can be told apart of a keyspace at a revision. */
async function stateAt(client: EtcdClient, revision: number): Promise<object> {
  const { hash } = await client.hashKv(revision);
  const { count, kvs } = await client.range(rangeRequest("a", { rangeEnd: prefixEnd("z"), revision, keysOnly: true }));
  return { hash, count, kvs: kvs.map((kv) => kv.toString("hex")) };
}

interface Moment {
  readonly revision: number;
  readonly timeMs: number;
  readonly state: object;
}

/** Writes, compacts and takes snapshots, and gives moments that are to be found again: of what can be read then. */
async function live(server: PlinthProcess): Promise<Moment[]> {
  const client = await EtcdClient.connect(server.url);
  const moments: Moment[] = [];
  const { ID } = await client.leaseGrant({ ID: 77n, TTL: 3_600 });
  for (let n = 0; n < 6; n++) {
    for (let i = 0; i < 30; i++) {
      await client.put(putRequest(`key${(i * 7) % 20}`, `${n}.${i}`, { lease: i % 5 === 0 ? ID : 0n }));
    }
    await client.deleteRange(deleteRequest(`key${n}`));
    const { header } = await client.put(putRequest(`last${n}`, "v"));
    const revision = header?.revision ?? 0;
    const state = await stateAt(client, revision);
    // The frames of what comes next have a later moment.
    const timeMs = Date.now();
    while (Date.now() === timeMs);
    moments.push({ revision, timeMs, state });
    if (n % 2 === 1) expect(run("snapshot", "now", `--endpoint=${server.url}`).status).toBe(0);
    if (n === 3) await client.compact({ revision: revision - 20, physical: true });
  }
  await client.alarm({ action: ALARM_ACTION_ACTIVATE, memberID: 1n, alarm: ALARM_NOSPACE });
  await client.close();
  return moments;
}

test("each revision and each moment that is kept is found again, as a cluster that serves", { timeout }, async () => {
  const server = await serve(dataDir, "--history-retention=1h");
  const moments = await live(server);
  const dry = run("restore", `--from=${dataDir}`, `--to-revision=${moments[0].revision}`, "--dry-run");
  expect(dry, dry.error).toMatchObject({ status: 0 });
  expect(dry.out).toContain(`revision ${moments[0].revision}, as it was at `);
  for (const [i, { revision, timeMs, state }] of moments.entries()) {
    if (i === 1 || i === 4) continue;
    const target = path.join(folder, `restored-${i}`);
    // A server may have it open.
    if (i === 3) await server.stop();
    const to = i % 2 === 0 ? `--to-revision=${revision}` : `--to-time=${new Date(timeMs).toISOString()}`;
    const made = run("restore", `--from=${dataDir}`, `--data-dir=${target}`, to);
    expect(made, made.error).toMatchObject({ status: 0 });
    const restored = await serve(target);
    const client = await EtcdClient.connect(restored.url);
    expect(await stateAt(client, revision)).toEqual(state);
    expect((await client.leaseLeases()).leases.map(({ ID }) => ID)).toEqual([77n]);
    expect((await client.put(putRequest("new", "v"))).header?.revision).toBe(revision + 1);
    await client.close();
    await restored.kill();
    if (i < 5) continue;
    await restored.start();
    const again = await EtcdClient.connect(restored.url);
    expect(await stateAt(again, revision)).toEqual(state);
    await again.close();
  }
});

test("revisions are passed over, and nothing before can be read, where that is asked for", { timeout }, async () => {
  const server = await serve(dataDir);
  const moments = await live(server);
  await server.stop();
  const target = path.join(folder, "restored");
  const flags = ["--bump-revision=1000000000", "--mark-compacted"];
  expect(run("restore", `--from=${dataDir}`, `--data-dir=${target}`, ...flags).status).toBe(0);
  const { revision } = moments[5];
  const restored = await serve(target);
  const client = await EtcdClient.connect(restored.url);
  const { header, count } = await client.range(rangeRequest("a", { rangeEnd: prefixEnd("z"), countOnly: true }));
  expect(header?.revision).toBe(revision + 1_000_000_000);
  expect(count).toBeGreaterThan(15);
  await expect(client.range(rangeRequest("a", { revision: revision + 1 }))).rejects.toThrow("compacted");
  expect((await client.put(putRequest("new", "v"))).header?.revision).toBe(revision + 1_000_000_001);
  await client.close();
});

test("what happened to a key is told version by version", { timeout }, async () => {
  const server = await serve(dataDir);
  const client = await EtcdClient.connect(server.url);
  await client.put(putRequest("/registry/x", "one"));
  await client.put(putRequest("/registry/y", "other"));
  await client.put(putRequest("/registry/x", "second"));
  await client.deleteRange(deleteRequest("/registry/", "/registry0"));
  await client.put(putRequest("/registry/x", "again"));
  await client.close();
  const told = run("history", "/registry/x", `--from=${dataDir}`, "-w", "json", "--values");
  expect(told, told.error).toMatchObject({ status: 0 });
  const lines = told.out.trim().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const value = (text: string): string => Buffer.from(text).toString("base64");
  expect(entries).toMatchObject([
    { revision: 2, kind: "create", version: 1, bytes: 3, value: value("one"), command: "put", user: null },
    { revision: 4, kind: "update", version: 2, bytes: 6, value: value("second") },
    { revision: 5, kind: "delete", version: 0, command: "delete range" },
    { revision: 6, kind: "create", version: 1, bytes: 5, value: value("again") },
  ]);
  const times = entries.map(({ time }) => Date.parse(String(time)));
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  const since = run("history", "/registry/x", `--from=${dataDir}`, `--since=${String(entries[2]["time"])}`);
  expect(since.out.match(/revision \d+/g)).toEqual(["revision 5", "revision 6"]);
  expect(run("history", "2f72656769737472792f79", "--hex", `--from=${dataDir}`).out).toMatch(/create.*\n.*delete/);
  const nothing = run("history", "/registry/z", `--from=${dataDir}`);
  expect([nothing.status, nothing.out]).toEqual([0, ""]);
});

test("what cannot be made is refused in a line, and nothing is", { timeout }, async () => {
  const server = await serve(dataDir);
  const moments = await live(server);
  await server.stop();
  const target = path.join(folder, "restored");
  const refusal = (...args: string[]): string => {
    const { status, error } = run("restore", `--from=${dataDir}`, `--data-dir=${target}`, ...args);
    expect([status, error.trim().split("\n").length], error).toEqual([1, 1]);
    return error;
  };
  expect(refusal(`--to-revision=${moments[5].revision + 100}`)).toMatch(/is not there: it ends with \d+/);
  expect(refusal("--to-time=2020-01-01T00:00:00Z")).toContain("is before all that is there");
  expect(refusal(`--from=${folder}`)).toContain("is neither a data directory nor that of a zone");
  expect(refusal(`--from=${path.join(folder, "missing")}`)).toContain("cannot be read");
  expect(await readdir(folder)).toEqual(["data"]);
  await mkdir(target);
  await writeFile(path.join(target, "mine"), "");
  expect(refusal()).toContain('is not empty (it holds "mine")');
  expect(await readdir(target)).toEqual(["LOCK", "mine"]);
  expect(run("restore", `--from=${dataDir}`).status).toBe(2);
  expect(run("restore", `--from=${dataDir}`, `--data-dir=${target}`, "--to-revision=0").status).toBe(2);
  expect(run("history", "--from=x").status).toBe(2);
});
