/** What starts first: it must say what is wrong to a Node that could not run the rest. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { startPlinth } from "../support/plinth-process.ts";

const mainFile = path.join(import.meta.dirname, "..", "..", "server", "main.ts");
const reportFile = path.join(import.meta.dirname, "report-loaded.ts");

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-launcher-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("an old Node is told in one sentence what to do", () => {
  // It reads nothing else of the Node that runs it before it decides.
  const pretend = `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.20.2"})`;
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--import", pretend, mainFile, "--version"], {
    encoding: "utf8",
  });
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr.trimEnd().split("\n")).toEqual([expect.stringMatching(/needs Node\.js 24 or later.*npm start/)]);
});

test("what a start compiled is kept for the next one, in a folder of the user", async () => {
  const home = await temporaryFolder();
  const env = { PATH: process.env["PATH"], HOME: home };
  execFileSync(process.execPath, [mainFile, "--version"], { env });
  expect(await readdir(path.join(home, ".cache", "plinth"))).not.toEqual([]);
});

test.each([{ HOME: "/proc/none" }, { HOME: "/dev/null" }, { HOME: "/proc" }, { XDG_CACHE_HOME: "relative" }, {}])(
  "without a folder for it that can be made, a start compiles anew: %o",
  (folders) => {
    const env = { PATH: process.env["PATH"], ...folders };
    expect(execFileSync(process.execPath, [mainFile, "--version"], { env, encoding: "utf8" })).toContain("etcd");
  },
);

describe("the heap", () => {
  /** Tells at the end with which options Node ran. */
  const tellOptions = `data:text/javascript,process.on("exit",()=>console.log("options",process.pid,process.execArgv.join(" ").replace(/--import.*/,"--import")))`;

  /** The process that was started, and the id and options of the one that ended. */
  function run(options: string[], env: NodeJS.ProcessEnv, args = ["--data-dir=/dev/null/none"]) {
    const { pid, stdout } = spawnSync(process.execPath, [...options, "--import", tellOptions, mainFile, ...args], {
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "", ...env },
    });
    const [, endedPid, ended] = /^options (\d+) (.*)$/m.exec(stdout) ?? [];
    return { pid, endedPid: Number(endedPid), ended };
  }

  test("may take three quarters of the memory there is, and the process keeps its id", () => {
    const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
    const { pid, endedPid, ended } = run([], {});
    expect(ended).toContain(`--max-old-space-size=${Math.floor((memory * 0.75) / 1024 / 1024)} --import`);
    expect(endedPid).toBe(pid);
  });

  test("may take what the operator says, and is nobody's concern where nothing is served", () => {
    expect(run(["--max_old_space_size=300"], {}).ended).toMatch(/^--max_old_space_size=300 --import$/);
    expect(run([], { NODE_OPTIONS: "--max-old-space-size=300" }).ended).toMatch(/^--import$/);
    expect(run([], {}, ["--version"]).ended).toMatch(/^--import$/);
  });

  test.each([
    ["", /^--max-old-space-size-percentage=75$/],
    ["--max_old_space_size=300", /^$/],
    ["--max-heap-size=300", /^$/],
  ])("has its limit from the command plinth at once, where NODE_OPTIONS=%o says none", (options, expected) => {
    const command = path.join(import.meta.dirname, "..", "..", "bin", "plinth");
    const { pid, stdout } = spawnSync(command, ["--data-dir=/dev/null/none"], {
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: `${options} --import "${tellOptions.replaceAll('"', "'")}"` },
    });
    expect([...stdout.matchAll(/^options (\d+) (.*)$/gm)].map(([, id, given]) => [Number(id), given])).toEqual([
      [pid, expect.stringMatching(expected)],
    ]);
  });
});

describe.skipIf(process.platform !== "linux")("threads that wait for disks", () => {
  /** Of a server; the first that is needed makes all of them. */
  async function count(threads: string | undefined): Promise<number> {
    vi.stubEnv("UV_THREADPOOL_SIZE", threads);
    onTestFinished(() => void vi.unstubAllEnvs());
    const plinth = await startPlinth();
    onTestFinished(() => plinth.remove());
    const tasks = `/proc/${plinth.pid}/task`;
    const names = (await readdir(tasks)).map((task) => readFileSync(path.join(tasks, task, "comm"), "utf8").trim());
    return names.filter((name) => name === "libuv-worker").length;
  }

  test("are four for each of two disks that hang, and as many for the others", async () => {
    expect(await count(undefined)).toBe(16);
  });

  test("are as many as the operator says", async () => {
    expect(await count("5")).toBe(5);
  });
});

test("what serving does not need is not loaded before it serves", async () => {
  const data = path.join(await temporaryFolder(), "data");
  const flags = [`--data-dir=${data}`, "--listen-client-urls=http://127.0.0.1:0"];
  const { stderr } = spawnSync(process.execPath, ["--import", reportFile, mainFile, ...flags], { encoding: "utf8" });
  const report = /^loaded (.*)$/m.exec(stderr)?.[1] ?? "none";
  const { packages, own } = JSON.parse(report) as { packages: string[]; own: string[] };
  expect(packages).toContain("pino");
  for (const name of ["protobufjs", "prom-client", "@opentelemetry/api", "@grpc/grpc-js"]) {
    expect(packages).not.toContain(name);
  }
  expect(own).toContain("http");
  expect(own).not.toContain("internal/deps/undici/undici");
});
