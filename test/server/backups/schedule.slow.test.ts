/** Backups by the clock, on a whole server: files that etcd's own tools take. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { putRequest } from "../../../bench/client/requests.ts";
import { verifyBackup } from "../../../server/backups/verify-backup.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import { startPlinth, type PlinthProcess } from "../../support/plinth-process.ts";

const timeout = 60_000;

let folder: string;
let directory: string;
let plinth: PlinthProcess | null = null;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-backups-"));
  directory = path.join(folder, "backups");
});

afterEach(async () => {
  await plinth?.remove();
  plinth = null;
  await rm(folder, { recursive: true, force: true });
});

async function serve(every: string): Promise<PlinthProcess> {
  const flags = [`--snapshot-schedule=${every}`, `--snapshot-dir=${directory}`, "--snapshot-retention=2"];
  plinth = await startPlinth({ dataDir: path.join(folder, "data"), flags });
  return plinth;
}

/** What is there, but for what is being made. */
const files = async (): Promise<string[]> =>
  (await readdir(directory)).filter((name) => !name.endsWith(".tmp")).toSorted();

async function put(server: PlinthProcess): Promise<number> {
  const client = await EtcdClient.connect(server.url);
  const { header } = await client.put(putRequest("key", "value"));
  await client.close();
  return header?.revision ?? 0;
}

test("a backup is made and read back each time, and the newest are kept", { timeout }, async () => {
  await mkdir(directory);
  await writeFile(path.join(directory, "mine"), "");
  await writeFile(path.join(directory, "snapshot-20200101T000000Z-r1.db.tmp"), "cut short");
  const server = await serve("1s");
  const revision = await put(server);
  const made = (): number => server.logLines.filter((line) => line.includes("made a scheduled backup")).length;
  await expect.poll(made, { timeout }).toBeGreaterThan(3);
  await server.stop();
  const [mine, ...backups] = await files();
  expect(mine).toBe("mine");
  expect(backups).toHaveLength(2);
  expect(await readdir(directory)).toHaveLength(3);
  for (const name of backups) {
    expect(name).toMatch(new RegExp(`^snapshot-\\d{8}T\\d{6}Z-r${revision}\\.db$`));
    verifyBackup(path.join(directory, name));
  }
});

test("a start makes none before the next is due, and one that was missed at once", { timeout }, async () => {
  const server = await serve("1h");
  await expect.poll(files, { timeout }).toHaveLength(1);
  const first = await files();
  await server.kill();
  await server.start();
  const status = async (): Promise<unknown> =>
    ((await (await fetch(`${server.url}/plinth/status`)).json()) as { backup: unknown }).backup;
  await expect.poll(status).toMatchObject({ name: first[0] });
  expect(await files()).toEqual(first);
  await server.stop();
  await rm(path.join(directory, first[0]));
  await writeFile(path.join(directory, "snapshot-20200101T000000Z-r1.db"), "an old one");
  await server.start();
  await expect.poll(files, { timeout }).toHaveLength(2);
});

test("a directory that cannot be written is a warning, and is tried again", { timeout }, async () => {
  await writeFile(directory, "a file");
  const server = await serve("1h");
  const warnings = async (): Promise<string[]> =>
    ((await (await fetch(`${server.url}/plinth/status`)).json()) as { warnings: string[] }).warnings;
  await expect.poll(warnings, { timeout }).toContainEqual(expect.stringContaining("no scheduled backup can be made: "));
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain("plinth_backups_failed_total 1");
  await put(server);
});

test("one with a bit turned, or cut short, is not taken for whole", { timeout }, async () => {
  await serve("1h");
  await expect.poll(files, { timeout }).toHaveLength(1);
  const [name] = await files();
  const bytes = await readFile(path.join(directory, name));
  const damaged = path.join(folder, "damaged");
  for (const damage of [bytes.subarray(0, -1), bytes.subarray(0, 10), Buffer.from(bytes).fill(1, 5_000, 5_001)]) {
    await writeFile(damaged, damage);
    expect(() => verifyBackup(damaged)).toThrow(damaged);
  }
});
