/** The ways a person starts the server, as real processes. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../bench/peers/peer-process.ts";
import { startPlinth } from "../support/plinth-process.ts";

const root = path.join(import.meta.dirname, "..", "..");

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-command-line-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts it in the clone and waits until it serves. */
async function start(command: string, args: readonly string[]): Promise<ChildProcess> {
  // A group of its own: whatever it started ends with the test.
  const child = spawn(command, args, { cwd: root, detached: true, stdio: ["ignore", "ignore", "pipe"] });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} cannot be started`);
  onTestFinished(() => {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // They have all ended.
    }
  });
  for await (const line of createInterface({ input: child.stderr! })) {
    if (line.includes("ready to serve client requests")) return child;
  }
  throw new Error(`${command} ended before it served`);
}

async function childOf(pid: number): Promise<number> {
  return Number.parseInt(await readFile(`/proc/${pid}/task/${pid}/children`, "utf8"), 10);
}

test.each(["npm", "the process that npm started"])(
  "SIGTERM to %s ends a server that npm start runs, and its port and its directory are free",
  async (target) => {
    const dataDir = path.join(await temporaryFolder(), "data");
    const port = await freePort();
    const flags = [`--data-dir=${dataDir}`, `--listen-client-urls=http://127.0.0.1:${port}`];
    const npm = await start("npm", ["start", "--", ...flags]);
    const ended = once(npm, "exit");
    process.kill(target === "npm" ? npm.pid! : await childOf(npm.pid!), "SIGTERM");
    await ended;
    const next = await startPlinth({ dataDir, port });
    await next.stop();
  },
);

test("SIGTERM to npx ends the server that it runs", async () => {
  const dataDir = path.join(await temporaryFolder(), "data");
  const port = await freePort();
  const npx = await start("npx", [".", `--data-dir=${dataDir}`, `--listen-client-urls=http://127.0.0.1:${port}`]);
  const server = await childOf(await childOf(npx.pid!));
  npx.kill("SIGTERM");
  const isRunning = (): boolean => {
    try {
      return process.kill(server, 0);
    } catch {
      return false;
    }
  };
  await expect.poll(isRunning).toBe(false);
  const next = await startPlinth({ dataDir, port });
  await next.stop();
});

test("the command plinth serves from wherever a link to it lies, and SIGTERM to it ends the server", async () => {
  const folder = await temporaryFolder();
  const link = path.join(folder, "plinth");
  await symlink(path.join(root, "bin", "plinth"), link);
  const flags = [`--data-dir=${folder}/data`, `--listen-client-urls=http://127.0.0.1:${await freePort()}`];
  const plinth = await start(link, ["serve", ...flags]);
  const ended = once(plinth, "exit");
  plinth.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});

test.each([
  ["npx", ".", "--version"],
  ["node", "server/main.ts", "serve", "--version"],
])("%s %s does the same", (command, ...args) => {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  expect([status, stdout]).toEqual([0, expect.stringContaining("Plinth Version")]);
});

test("an unknown command is refused with 2 and the names of those that there are", () => {
  const { status, stderr } = spawnSync(path.join(root, "bin", "plinth"), ["sevre"], { encoding: "utf8" });
  expect([status, stderr.trimEnd().split("\n")]).toEqual([2, [expect.stringMatching(/"sevre".*serve/)]]);
});

const hasScript = spawnSync("script", ["--version"]).status === 0;

/** Runs the command on a terminal, types Ctrl+C when its output has that text, and gives all of the output. */
async function runOnTerminal(flags: readonly string[], until: string): Promise<string> {
  // `exec`: a shell that stays would hear Ctrl+C too, and some then end by it whatever its child says.
  const command = ["exec", path.join(root, "bin", "plinth"), ...flags].join(" ");
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let text = "";
  child.stdout.on("data", (chunk) => (text += String(chunk)));
  const closed = once(child, "close");
  await expect.poll(() => text).toContain(until);
  child.stdin.write("\u0003");
  await closed;
  expect(child.exitCode).toBe(0);
  return text;
}

test.skipIf(!hasScript)("on a terminal a start is short and readable, and Ctrl+C ends it", async () => {
  const dataDir = path.join(await temporaryFolder(), "data");
  const url = `http://127.0.0.1:${await freePort()}`;
  const text = await runOnTerminal([`--data-dir=${dataDir}`, `--listen-client-urls=${url}`], "Ready.");
  for (const part of [url, dataDir, `etcdctl --endpoints=${url} put greeting hello`, "Stopped"]) {
    expect(text).toContain(part);
  }
  expect(text).not.toContain('"msg"');
});

test.skipIf(!hasScript)("a log that was asked for is not replaced on a terminal", async () => {
  const dataDir = path.join(await temporaryFolder(), "data");
  const flags = [`--data-dir=${dataDir}`, `--listen-client-urls=http://127.0.0.1:${await freePort()}`];
  const text = await runOnTerminal([...flags, "--log-format=json"], "ready to serve client requests");
  expect(text).not.toContain("Try ");
  expect(text).toContain('"msg":"the server has stopped"');
});
