/** How the server starts, and why it does not. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../bench/peers/peer-process.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";

const mainFile = path.join(import.meta.dirname, "..", "..", "server", "main.ts");

interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a server that is expected to end by itself. */
async function run(args: readonly string[]): Promise<Ending> {
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (output.stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (output.stderr += String(chunk)));
  await once(child, "close");
  return { code: child.exitCode, ...output };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-startup-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("a second server on a data directory is refused, and the first one goes on", async () => {
  const plinth = await startPlinth();
  onTestFinished(() => plinth.remove());
  const client = await EtcdClient.connect(plinth.url);
  await client.put(putRequest("a", "1"));
  const url = `http://127.0.0.1:${await freePort()}`;
  const second = await run([`--data-dir=${plinth.dataDir}`, `--listen-client-urls=${url}`]);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(plinth.dataDir);
  expect((await client.range(rangeRequest("a"))).count).toBe(1);
  await client.put(putRequest("a", "2"));
  await client.close();
});

test("a port that is taken is an error that names it, and the data directory is free again", async () => {
  const plinth = await startPlinth();
  onTestFinished(() => plinth.remove());
  const dataDir = path.join(await temporaryFolder(), "data");
  const taken = await run([`--data-dir=${dataDir}`, `--listen-client-urls=${plinth.url}`]);
  expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining("EADDRINUSE")]);
  expect(taken.stderr).toContain(String(plinth.port));
  const other = await startPlinth({ dataDir });
  await other.stop();
});

test("flags that cannot be used end it with 2 and a line that says why, and leave nothing behind", async () => {
  const folder = await temporaryFolder();
  const cases: readonly (readonly [string, string])[] = [
    ["--no-such-flag=1", "no-such-flag"],
    ["--max-txn-ops=many", "max-txn-ops"],
    ["--listen-client-urls=https://127.0.0.1:1", "TLS key/cert (--cert-file, --key-file) must be provided"],
    ["--listen-client-urls=http://example.com:1", "expected IP"],
    ["--watch-progress-notify-interval=-1s", "watch-progress-notify-interval"],
    ["positional", "positional"],
  ];
  const endings = await Promise.all(cases.map(([flag]) => run([`--data-dir=${path.join(folder, "data")}`, flag])));
  for (const [i, { code, stderr }] of endings.entries()) {
    expect([cases[i][0], code]).toEqual([cases[i][0], 2]);
    expect(stderr).toContain(cases[i][1]);
    expect(stderr).not.toContain("    at ");
  }
  expect(await readdir(folder)).toEqual([]);
});

test("--version and --help print and end", async () => {
  const [version, help] = await Promise.all([run(["--version"]), run(["--help"])]);
  expect([version.code, version.stdout]).toEqual([0, expect.stringMatching(/\d+\.\d+\.\d+/)]);
  expect([help.code, help.stdout]).toEqual([0, expect.stringContaining("--data-dir")]);
});

test("§2.1: a unix socket serves gRPC beside the port, again after a crash, and goes with the server", async () => {
  const folder = await temporaryFolder();
  const socket = path.join(folder, "etcd.sock");
  const port = await freePort();
  const flags = [`--listen-client-urls=http://127.0.0.1:${port},unix://${socket}`];
  const plinth = await startPlinth({ port, flags });
  onTestFinished(() => plinth.remove());
  for (const round of [1, 2]) {
    const overSocket = await EtcdClient.connect(`unix:${socket}`);
    const overPort = await EtcdClient.connect(plinth.url);
    await overSocket.put(putRequest("a", String(round)));
    expect((await overPort.range(rangeRequest("a"))).header?.revision).toBe(1 + round);
    await overSocket.close();
    await overPort.close();
    if (round === 2) break;
    await plinth.kill();
    await plinth.start();
  }
  await plinth.stop();
  expect(await readdir(folder)).toEqual([]);
});
