/** What the service manager is told, by a real server: through a stand-in for systemd-notify, and through the real one. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { Replicas } from "../support/replicas.ts";

const mainFile = path.join(import.meta.dirname, "..", "..", "server", "main.ts");

const START = ["STATUS=opening the journal", "EXTEND_TIMEOUT_USEC=60000000", "STATUS=serving"];

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-notify-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a server with that environment; gives its log, and what ends it. */
function startServer(
  dataDir: string,
  env: Record<string, string>,
  more: readonly string[] = [],
): { lines: string[]; stop: () => Promise<void> } {
  const flags = [`--data-dir=${dataDir}`, "--listen-client-urls=http://127.0.0.1:0", "--log-level=info", ...more];
  const child = spawn(process.execPath, [mainFile, ...flags], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => lines.push(line));
  const stop = async (): Promise<void> => {
    const closed = once(child, "close");
    child.kill("SIGTERM");
    await closed;
    expect(child.exitCode).toBe(0);
  };
  return { lines, stop };
}

/** A folder with a systemd-notify that writes its arguments to a file, and what it wrote. */
async function standIn(folder: string): Promise<{ PATH: string; messages: () => Promise<string[]> }> {
  const file = path.join(folder, "messages");
  await writeFile(file, "");
  await writeFile(path.join(folder, "systemd-notify"), `#!/bin/sh\necho "$@" >> ${file}\n`, { mode: 0o700 });
  const messages = async (): Promise<string[]> => (await readFile(file, "utf8")).trimEnd().split("\n");
  return { PATH: `${folder}:${process.env["PATH"]}`, messages };
}

test("a service manager hears of the start, which may take its time, that the server is ready, that it is alive again and again, and that it stops", async () => {
  const folder = await temporaryFolder();
  const { PATH, messages } = await standIn(folder);
  const env = { PATH, NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "200000" };
  const { stop } = startServer(path.join(folder, "data"), env);
  const alive = async (): Promise<number> => (await messages()).filter((message) => message === "WATCHDOG=1").length;
  await expect.poll(alive).toBeGreaterThan(3);
  expect((await messages()).slice(0, 5)).toEqual([...START, "READY=1", "WATCHDOG=1"]);
  await stop();
  await expect.poll(messages).toEqual(expect.arrayContaining(["STOPPING=1", "STATUS=stopping"]));
});

test("a standby is ready for what it is there for, which its status says, and serves later", async () => {
  const replicas = await Replicas.start();
  onTestFinished(() => replicas.remove());
  const first = await replicas.server("first");
  await first.start();
  const folder = await temporaryFolder();
  const { PATH, messages } = await standIn(folder);
  const env = { PATH, NOTIFY_SOCKET: "/nowhere" };
  const { stop } = startServer(path.join(folder, "data"), env, [`--journal-replicas=${replicas.list}`]);
  await expect.poll(messages).toContain("READY=1");
  expect((await messages()).at(-2)).toBe(`STATUS=standby: first at ${first.url} has the journal`);
  await first.stop();
  await expect.poll(messages).toContain("STATUS=serving");
  expect((await messages()).filter((message) => message === "READY=1")).toHaveLength(1);
  await stop();
});

test("a watchdog that is meant for another process is not fed, and none is without one", async () => {
  const folder = await temporaryFolder();
  const { PATH, messages } = await standIn(folder);
  const env = { PATH, NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "200000", WATCHDOG_PID: "1" };
  const { stop } = startServer(path.join(folder, "data"), env);
  await expect.poll(messages).toContain("READY=1");
  await stop();
  await expect.poll(messages).toEqual([...START, "READY=1", "STOPPING=1", "STATUS=stopping"]);
});

test("without systemd-notify the log says that nobody is told, and the server serves", async () => {
  const folder = await temporaryFolder();
  const { lines, stop } = startServer(path.join(folder, "data"), { PATH: "/nowhere", NOTIFY_SOCKET: "/nowhere" });
  await expect.poll(() => lines.join("\n")).toContain("no systemd-notify");
  await expect.poll(() => lines.join("\n")).toContain("ready to serve client requests");
  await stop();
});

const isInstalled = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;

test.skipIf(!isInstalled("systemd-notify") || !isInstalled("python3"))(
  "the real systemd-notify brings it all to a notify socket",
  async () => {
    const folder = await temporaryFolder();
    const socket = path.join(folder, "notify");
    const receiver = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True: print(s.recv(4096).decode(), flush=True)`;
    const python = spawn("python3", ["-c", receiver, socket], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void python.kill("SIGKILL"));
    const received: string[] = [];
    createInterface({ input: python.stdout }).on("line", (line) => received.push(line));
    await expect.poll(() => received).toEqual(["bound"]);
    const { stop } = startServer(path.join(folder, "data"), { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "2000000" });
    await expect.poll(() => received).toContain("WATCHDOG=1");
    await stop();
    const inOrder = ["READY=1", "STOPPING=1", "STATUS=stopping"];
    await expect.poll(() => received.filter((line) => inOrder.includes(line))).toEqual(inOrder);
    expect(received).toEqual(expect.arrayContaining([...START, "WATCHDOG=1"]));
  },
);
