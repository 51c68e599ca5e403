/** What an operator sees of a server and the zones of its journal: `plinth status`, `/plinth/status` and metrics. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { createServer as createHttpServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { putRequest } from "../../bench/client/requests.ts";
import type { ServerStatus } from "../../server/http/server-status.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { plinthStatus } from "../support/plinth-status.ts";
import { Replicas } from "../support/replicas.ts";
import { parseExposition } from "./metrics/exposition.ts";

async function statusOf({ url }: { readonly url: string }): Promise<ServerStatus> {
  const { code, out } = await plinthStatus(`--endpoints=${url}`, "-w", "json");
  expect(code).toBe(0);
  const { endpoint, status } = JSON.parse(out) as { endpoint: string; status: ServerStatus };
  expect(endpoint).toBe(url);
  return status;
}

async function metric(url: string, name: string): Promise<number | undefined> {
  return parseExposition(await (await fetch(`${url}/metrics`)).text()).samples.get(name);
}

async function put(url: string, count: number, bytes: number): Promise<void> {
  const client = await EtcdClient.connect(url);
  for (let i = 0; i < count; i++) await client.put(putRequest(`/s/${i % 10}`, Buffer.alloc(bytes, i)));
  await client.close();
}

const isHealthy = async (url: string): Promise<boolean> => (await fetch(`${url}/health`)).ok;

describe("the status of a server with one zone", () => {
  let folder: string;
  let plinth: PlinthProcess;
  let socket: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "plinth-status-"));
    socket = path.join(folder, "metrics.sock");
    plinth = await startPlinth({ flags: ["--name=amsterdam", `--listen-metrics-urls=unix://${socket}`] });
    await put(plinth.url, 3, 1);
  });

  afterAll(async () => {
    await plinth.remove();
    await rm(folder, { recursive: true });
  });

  test("is shown to a person, and tells what the server's own answers tell", async () => {
    const { code, out } = await plinthStatus(`--endpoints=${plinth.url}`);
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}role +writer$/m);
    expect(out).toMatch(/^ {2}epoch +1, the reign of amsterdam$/m);
    expect(out).toMatch(/^ {2}a +up +3 +- +- +0 +0 +\S+\/journal\/zone-a$/m);
    const status = await statusOf(plinth);
    const client = await EtcdClient.connect(plinth.url);
    const { header } = await client.status();
    await client.close();
    expect(status).toMatchObject({
      clusterId: header?.clusterId.toString(16),
      memberId: header?.memberId.toString(16),
      role: "writer",
      revision: header?.revision,
      applied: 3,
      journal: { epoch: 1, committed: 3 },
      warnings: [],
    });
  });

  test("is told over each of its addresses, with a scheme and without", async () => {
    const endpoints = [plinth.url, `127.0.0.1:${plinth.port}`, `unix://${socket}`];
    const { code, out } = await plinthStatus(`--endpoints=${endpoints.join(",")}`, "--write-out=json");
    expect(code).toBe(0);
    const told = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { endpoint: string; status: ServerStatus });
    expect(told.map(({ endpoint, status }) => [endpoint, status.name])).toEqual(
      endpoints.map((endpoint) => [endpoint, "amsterdam"]),
    );
  });

  test("is told beside one that does not answer, and then the exit code is 1", async () => {
    const stranger = createHttpServer((_, response) => response.writeHead(404).end()).listen(0, "127.0.0.1");
    const silent = createServer().listen(0, "127.0.0.1");
    await Promise.all([once(stranger, "listening"), once(silent, "listening")]);
    onTestFinished(() => void [stranger, silent].map((each) => each.close()));
    const [strangerUrl, silentUrl] = [stranger, silent].map(
      (each) => `http://127.0.0.1:${(each.address() as AddressInfo).port}`,
    );
    const endpoints = [strangerUrl, plinth.url, silentUrl, "http://127.0.0.1:1"];
    const { code, out, error } = await plinthStatus(`--endpoints=${endpoints.join(",")}`);
    expect(code).toBe(1);
    expect(out).toContain(`${plinth.url}  Plinth`);
    expect(error.trimEnd().split("\n")).toEqual([
      `${strangerUrl}: no Plinth, or an older one: it has no status to tell`,
      `${silentUrl}: no answer within 5 s`,
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/),
    ]);
  });

  test.each([
    ["--endpoint=x", "Unknown option '--endpoint'"],
    ["--cert=some.crt", "--cert and --key belong together"],
    ["--cacert=/nowhere/ca.crt", "ENOENT: no such file or directory, open '/nowhere/ca.crt'"],
    ["--endpoints=http://127.0.0.1:2379/health", "an endpoint is http://host:port"],
    ["--endpoints=127.0.0.1:65536", "an endpoint is http://host:port"],
    ["--endpoints=", "an endpoint is http://host:port"],
    ["-w=table", "-w must be simple or json"],
    ["now", "Unexpected argument 'now'"],
  ])(
    "of a command line that cannot be used, as with %s, the reason is told, and the exit code is 2",
    async (flag, text) => {
      const { code, out, error } = await plinthStatus(flag);
      expect([code, out, error]).toEqual([2, "", expect.stringContaining(text)]);
      expect(error).toContain("plinth status [--endpoints=");
    },
  );

  test("tells nothing of keys and users, and needs no password, as etcd's health and metrics need none", async () => {
    const client = await EtcdClient.connect(plinth.url);
    await client.put(putRequest("/secret/key", "secret value"));
    await client.close();
    const response = await fetch(`${plinth.url}/plinth/status`);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(await response.text()).not.toContain("secret");
    expect((await fetch(`${plinth.url}/plinth/status`, { method: "POST" })).status).toBe(405);
  });
});

describe("the status of a server with three zones", () => {
  let folder: string;
  let plinth: PlinthProcess;
  const zone = (name: string): string => path.join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "plinth-status-zones-"));
    const replicas = ["a", "b", "c"].map((name) => `${name}=${zone(name)}`).join(",");
    plinth = await startPlinth({ dataDir: path.join(folder, "data"), flags: [`--journal-replicas=${replicas}`] });
  });

  afterAll(async () => {
    await plinth.remove();
    await rm(folder, { recursive: true });
  });

  test("shows one that is away as a warning, and as a rebuild when it is back", async () => {
    await put(plinth.url, 5, 100);
    expect((await plinthStatus(`--endpoints=${plinth.url}`)).out).toContain("3 of 3 answer, and 1 of them may fail");
    await plinth.stop();
    await rename(zone("c"), zone("away"));
    // An empty place would be that of a replica that is lost.
    await writeFile(zone("c"), "");
    await plinth.start();
    await put(plinth.url, 5, 100);
    const { code, out } = await plinthStatus(`--endpoints=${plinth.url}`);
    expect([code, await isHealthy(plinth.url)]).toEqual([0, true]);
    expect(out).toMatch(/^ {2}c +down +\? +\? /m);
    expect(out).toContain("2 of 3 answer, and none of them may fail");
    expect(out).toMatch(/warning: zone c does not answer: .*ENOTDIR/);
    const { url } = plinth;
    expect(await metric(url, 'plinth_journal_replica_up{zone="c"}')).toBe(0);
    expect(await metric(url, 'plinth_journal_replica_up{zone="b"}')).toBe(1);
    expect(await metric(url, 'plinth_journal_replica_lag_records{zone="c"}')).toBeUndefined();

    await plinth.stop();
    await rm(zone("c"));
    await rename(zone("away"), zone("c"));
    await plinth.start();
    await expect
      .poll(async () => (await statusOf(plinth)).journal.replicas[2])
      .toMatchObject({ zone: "c", state: "up", lagRecords: 0, lagMs: 0, position: 10, rebuilds: 1, lastError: null });
    expect(await metric(url, 'plinth_journal_replica_rebuilds_total{zone="c"}')).toBe(1);
    for (const name of ["a", "b", "c"]) {
      expect(await metric(url, `etcd_disk_wal_fsync_duration_seconds_count{zone="${name}"}`)).toBeGreaterThan(0);
    }
  });
});

test("a server on replicas elsewhere and its standby show the same reign, and one of them that is away", async () => {
  const replicas = await Replicas.start();
  onTestFinished(() => replicas.remove());
  const [first, second] = [await replicas.server("first"), await replicas.standby("second")];
  await first.start();
  await put(first.url, 5, 100);
  await second.start();
  await replicas.processes[2].stop();
  const states = async (server: PlinthProcess): Promise<string[]> =>
    (await statusOf(server)).journal.replicas.map(({ state }) => state);
  for (const server of [first, second]) await expect.poll(() => states(server)).toEqual(["up", "up", "down"]);
  const [writer, standby] = [await statusOf(first), await statusOf(second)];
  expect(writer).toMatchObject({ role: "writer", journal: { writer: "first", committed: 5 } });
  expect(standby).toMatchObject({ role: "standby", journal: { writer: expect.stringMatching(/^first/) } });
  expect(standby.journal.epoch).toBe(writer.journal.epoch);
  expect(writer.warnings).toEqual([expect.stringMatching(/^zone c does not answer: tcp:/)]);
  const { samples } = parseExposition(await (await fetch(`${first.url}/metrics`)).text());
  for (const zone of ["a", "b", "c"]) {
    expect(samples.get(`etcd_network_peer_round_trip_time_seconds_count{To="${zone}"}`)).toBeGreaterThan(0);
  }
});

/** Mounting takes the rights of root; where it cannot be done the test is skipped. */
function tryMount(directory: string, bytes: number): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("a zone whose disk is full shows that, how far it lies behind, and that it is well when there is room", async (context) => {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-status-full-"));
  const [a, b, c] = ["a", "b", "c"].map((name) => path.join(folder, name));
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(b);
  const diskBytes = 64 * 1024 * 1024;
  if (!tryMount(b, diskBytes)) return context.skip("no right to mount a file system here");
  onTestFinished(() => void execFileSync("umount", ["-l", b]));
  const flags = [`--journal-replicas=a=${a},b=${path.join(b, "journal")},c=${c}`];
  const plinth = await startPlinth({ dataDir: path.join(folder, "data"), flags });
  onTestFinished(() => plinth.remove());
  const { url } = plinth;
  await put(url, 5, 100);
  await writeFile(path.join(b, "ballast"), Buffer.alloc(diskBytes)).catch(() => null);
  const replica = async (): Promise<unknown> => (await statusOf(plinth)).journal.replicas[1];
  // More than is kept in memory for who lies behind.
  await put(url, 24, 1024 * 1024);
  await expect.poll(replica).toMatchObject({ state: "down", lastError: expect.stringMatching(/ENOSPC|may be full/) });
  expect(await isHealthy(url)).toBe(true);
  const { warnings, trouble, nowMs, journal } = await statusOf(plinth);
  expect(warnings).toEqual([expect.stringMatching(/^zone b does not answer, \d+ records behind: /)]);
  expect(trouble).toBeNull();
  expect(journal.replicas[1].lagRecords).toBeGreaterThan(16);
  expect(journal.replicas[1].lagMs).toBeGreaterThan(0);
  expect(journal.replicas[1].lastErrorAtMs).toBeLessThanOrEqual(nowMs);
  expect(await metric(url, 'plinth_journal_replica_up{zone="b"}')).toBe(0);
  expect(await metric(url, 'plinth_journal_replica_lag_seconds{zone="b"}')).toBeGreaterThan(0);

  await rm(path.join(b, "ballast"));
  await expect
    .poll(replica)
    .toMatchObject({ state: "up", lagRecords: 0, rebuilds: 1, lastError: expect.stringMatching(/ENOSPC|may be full/) });
  expect((await statusOf(plinth)).warnings).toEqual([]);
});
