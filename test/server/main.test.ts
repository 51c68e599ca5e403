/** The process around the server: its log outputs, its signals, its exit codes. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { putRequest } from "../../bench/client/requests.ts";

const mainFile = path.join(import.meta.dirname, "..", "..", "server", "main.ts");
const writeMuchLogFile = path.join(import.meta.dirname, "write-much-log.ts");

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-main-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function startMain(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** Runs a server that is expected to end by itself; gives its exit code and its log. */
async function run(args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = startMain(args);
  let stderr = "";
  child.stderr!.on("data", (chunk) => (stderr += String(chunk)));
  await once(child, "close");
  return { code: child.exitCode, stderr };
}

test("a full log disk stops nothing: writes are served, and SIGTERM ends it cleanly", async () => {
  const plinth = await startPlinth({ flags: ["--log-outputs=/dev/full,stderr"] });
  onTestFinished(() => plinth.remove());
  const client = await EtcdClient.connect(plinth.url);
  await client.put(putRequest("a", "1"));
  await client.close();
  await plinth.stop();
  expect(plinth.logLines.at(-1)).toContain("the server has stopped");
});

test.each(["stdout", "stderr"])(
  "a reader of %s that stalls holds up neither the process nor its end",
  async (output) => {
    // The child's outputs are sockets here, of which nothing is read.
    const child = spawn(process.execPath, [writeMuchLogFile, output], { stdio: ["ignore", "pipe", "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child, "exit");
    expect(child.exitCode).toBe(7);
  },
);

test("a stalled reader of a pipe, likewise", async () => {
  const fifo = path.join(await temporaryFolder(), "log");
  execFileSync("mkfifo", [fifo]);
  const reader = await open(fifo, "r+");
  onTestFinished(() => reader.close());
  for (const redirection of ["", `2>${fifo}`]) {
    const output = redirection === "" ? fifo : "stderr";
    const command = `exec ${process.execPath} ${writeMuchLogFile} ${output} ${redirection}`;
    const child = spawn("sh", ["-c", command], { stdio: "ignore" });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child, "exit");
    expect(child.exitCode).toBe(7);
  }
});

test("a log file that cannot be opened ends it with 1 and a line that says why", async () => {
  const folder = await temporaryFolder();
  const file = path.join(folder, "missing", "plinth.log");
  const { code, stderr } = await run([`--data-dir=${folder}/data`, `--log-outputs=${file}`]);
  expect([code, stderr.trimEnd().split("\n")]).toEqual([1, [expect.stringContaining(`ENOENT`)]]);
  expect(stderr).toContain(file);
});

test.each<NodeJS.Signals>(["SIGTERM", "SIGINT"])("%s ends a server that is still starting, at once", async (signal) => {
  const folder = await temporaryFolder();
  // Reading this file takes until somebody writes it, so the start takes as long as the test wants.
  const fifo = path.join(folder, "identity.json");
  execFileSync("mkfifo", [fifo]);
  const child = startMain([`--data-dir=${folder}`, "--listen-client-urls=http://127.0.0.1:0"]);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    lines.push(line);
    if (line.includes("starting Plinth")) child.kill(signal);
    if (line.includes("received signal while starting")) break;
  }
  expect(lines.at(-1)).toContain(signal);
  // A process ends no sooner than the reads it has begun, and it may still be about to begin this one.
  await expect.poll(async () => (await (await open(fifo, "r+")).close(), child.exitCode)).toBe(0);
});

test("a start that fails ends it with 1 and one fatal line without a stack", async () => {
  const folder = await temporaryFolder();
  const foreign = path.join(folder, "foreign");
  await mkdir(path.join(foreign, "member"), { recursive: true });
  const spoilt = path.join(folder, "spoilt");
  await mkdir(spoilt);
  const identity = { format: 1, clusterId: "00000000000000ff", memberId: "fedcba9876543210" };
  await writeFile(path.join(spoilt, "identity.json"), JSON.stringify(identity));
  await writeFile(path.join(spoilt, "journal"), "");
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  onTestFinished(() => void taken.close());
  const takenUrl = `http://127.0.0.1:${(taken.address() as AddressInfo).port}`;
  const freeUrl = "http://127.0.0.1:0";
  const cases: readonly (readonly [string, string, string])[] = [
    [foreign, freeUrl, "holds data of etcd"],
    [spoilt, freeUrl, "ENOTDIR"],
    [path.join(folder, "data"), takenUrl, "EADDRINUSE"],
  ];
  for (const [dataDir, url, reason] of cases) {
    const { code, stderr } = await run([`--data-dir=${dataDir}`, `--listen-client-urls=${url}`, "--log-level=fatal"]);
    expect([code, reason]).toEqual([1, reason]);
    const lines = stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    const fields = JSON.parse(lines[0]) as object;
    expect(fields).toMatchObject({ level: "fatal", error: expect.stringContaining(reason) });
    expect(fields).not.toHaveProperty("stacktrace");
  }
});
