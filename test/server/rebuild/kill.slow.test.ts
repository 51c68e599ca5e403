/** `plinth restore` and `plinth import`, killed with SIGKILL at any moment: what is left is refused by a start, or is whole. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { putRequest } from "../../../bench/client/requests.ts";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { makeDataDir } from "../../../server/rebuild/new-data-dir.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import { startPlinth } from "../../support/plinth-process.ts";
import { backupBytes, withTrailer } from "../etcd-backup/backup-bytes.ts";

const mainFile = path.join(import.meta.dirname, "..", "..", "..", "server", "main.ts");
const timeout = 300_000;
const KILLS = 3;
const KILLS_MAX = 40;
const KEYS = 10_000;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-rebuild-kill-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function newKeyspace(): Keyspace {
  const keyspace = new Keyspace();
  for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(`/registry/pods/${i % 7}/${i}`, "v".repeat(200)));
  return keyspace;
}

/** Of each file below a path, by name; without LMDB's locks, in which those who read note themselves. */
function digests(of: string): Map<string, string> {
  if (statSync(of).isFile()) return new Map([[of, createHash("sha256").update(readFileSync(of)).digest("hex")]]);
  const names = readdirSync(of).filter((name) => !name.endsWith(".lmdb-lock"));
  return new Map(names.flatMap((name) => [...digests(path.join(of, name))]));
}

interface Ran {
  readonly status: number | null;
  readonly error: string;
  readonly milliseconds: number;
}

/** @param moment when it is killed, if it has not ended; resolves by itself */
async function run(args: readonly string[], moment: () => Promise<unknown>): Promise<Ran> {
  const startMs = performance.now();
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  const exit = once(child, "exit");
  let error = "";
  child.stderr.on("data", (text: Buffer) => (error += text.toString()));
  if ((await Promise.race([exit, moment()])) === undefined) child.kill("SIGKILL");
  const [status] = (await exit) as [number | null];
  return { status, error, milliseconds: performance.now() - startMs };
}

const never = (): Promise<never> => new Promise(() => {});

async function hashOf(dataDir: string): Promise<number> {
  const server = await startPlinth({ dataDir });
  try {
    const client = await EtcdClient.connect(server.url);
    const { hash, header } = await client.hashKv(0);
    expect((await client.put(putRequest("new"))).header?.revision).toBe((header?.revision ?? 0) + 1);
    await client.close();
    return hash;
  } finally {
    await server.remove();
  }
}

/**
 * Kills the command at moments of its whole length, and of what it does in its target.
 *
 * @returns how many times it had begun and was not done
 */
async function killAtRandom(command: string, from: string, hash: number, seed: number): Promise<number> {
  const random = seededRandom(seed);
  const before = digests(from);
  const whole = path.join(folder, "whole");
  const first = await run([command, `--from=${from}`, `--data-dir=${whole}`], never);
  expect(first, first.error).toMatchObject({ status: 0 });
  expect(await hashOf(whole)).toBe(hash);
  let unfinished = 0;
  for (let kill = 0; kill < KILLS || (unfinished === 0 && kill < KILLS_MAX); kill++) {
    const target = path.join(folder, `target-${kill}`);
    const args = [command, `--from=${from}`, `--data-dir=${target}`];
    const share = kill < KILLS ? random() : 0;
    const killed = await run(args, async () => {
      if (kill % 2 === 0) return void (await sleep(share * first.milliseconds));
      while (!existsSync(path.join(target, "journal"))) await sleep(1);
      await sleep((share * first.milliseconds) / 4);
    });
    expect(digests(from), "the source stays what it is").toEqual(before);
    const names = existsSync(target) ? readdirSync(target) : [];
    if (killed.status === 0 || names.includes("identity.json")) {
      expect(await hashOf(target), `kill ${kill} left it whole`).toBe(hash);
    } else if (names.includes("UNFINISHED")) {
      unfinished++;
      for (const again of [["--data-dir", target, "--listen-client-urls=http://127.0.0.1:0"], args]) {
        const refused = await run(again, never);
        expect(refused.status, refused.error).toBe(1);
        expect(refused.error).toContain("is not whole, as what made it was cut short: remove it, and make it anew");
      }
    } else {
      // It had not begun: the directory is as empty as before, and takes the next one.
      expect(names.filter((name) => name !== "LOCK")).toEqual([]);
      expect(await run(args, never)).toMatchObject({ status: 0 });
    }
  }
  const fresh = path.join(folder, "fresh");
  expect(await run([command, `--from=${from}`, `--data-dir=${fresh}`], never)).toMatchObject({ status: 0 });
  expect(await hashOf(fresh)).toBe(hash);
  return unfinished;
}

test(
  "a restore that is killed leaves a directory that a start refuses, or a whole one, and its source as it was",
  { timeout },
  async () => {
    const source = path.join(folder, "source");
    await makeDataDir(newKeyspace(), { directory: source, origin: "a test", onProgress: () => {} });
    // A journal behind the snapshot.
    const server = await startPlinth({ dataDir: source });
    const client = await EtcdClient.connect(server.url);
    for (let i = 0; i < 200; i++) await client.put(putRequest(`acknowledged/${i}`, `${i}`));
    const { hash } = await client.hashKv(0);
    await client.close();
    await server.stop();
    await server.remove();
    expect(await killAtRandom("restore", source, hash, 11)).toBeGreaterThan(0);
  },
);

test("an import that is killed does so, too", { timeout }, async () => {
  const keyspace = newKeyspace();
  const source = path.join(folder, "etcd.db");
  await writeFile(source, withTrailer(backupBytes(keyspace, 100_000, 100_000_000)));
  const { hash } = keyspace.hash(0) as { hash: number };
  expect(await killAtRandom("import", source, hash, 12)).toBeGreaterThan(0);
});
