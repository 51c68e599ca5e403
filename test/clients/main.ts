/**
 * Other people's tests of their clients of etcd, each on a real etcd and on Plinth.
 *
 *     npm run clients
 *     npm run clients -- python-etcd3 rust-etcd-client
 *     npm run clients -- --write        # and puts the counts into docs/compatibility.md
 *
 * What is fetched and built stays in a folder that git ignores. Exits with 1 when etcd passes a test and Plinth does not.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { ensurePeer, goMissingReason } from "../../bench/peers/build.ts";
import type { Outcomes } from "./outcomes.ts";
import { withStore } from "./stores.ts";
import type { StoreName } from "./stores.ts";
import type { Suite } from "./suite.ts";
import { SUITES } from "./suites.ts";
import { describeResult, faultsOf, replaceRows, TABLE_HEAD } from "./table.ts";
import type { Result } from "./table.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");
/** Beside the other programs of others that tests need: no tool that walks this repository's sources looks there. */
const CACHE_FOLDER = path.join(ROOT, "bench", "peers", ".cache", "clients");
const PAGE = path.join(ROOT, "docs", "compatibility.md");

/** What gives a process a network of its own, without root where the kernel lets others do so. */
const UNSHARE = process.getuid?.() === 0 ? ["--net"] : ["--net", "--map-root-user"];

const NO_TOOL = "not run, for want of";
/** A file in the folder of a suite that is fetched and built as a whole. */
const READY = "ready";
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: "boolean", default: false },
    /** Not for people: this process is the one that has a network of its own. */
    alone: { type: "boolean", default: false },
  },
});

const unknown = names.filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(`no such suite: ${unknown.join(", ")}; there are ${SUITES.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const suites = SUITES.filter(({ name }) => names.length === 0 || names.includes(name));
process.exitCode = options.alone ? await runAll() : await prepareAll();

/** With the network: fetches and builds, and then has the suites run by a process without it. */
async function prepareAll(): Promise<number> {
  const missing = goMissingReason() ?? namespacesMissingReason();
  if (missing !== null) {
    console.error(missing);
    return 1;
  }
  for (const peer of ["etcd", "etcdctl", "etcdutl"] as const) await ensurePeer(peer);
  for (const suite of suites) {
    // The others are not kept from running by one that cannot be had; its row says so.
    if (toolMissingReason(suite) === null) await prepare(suite).catch((error: unknown) => console.error(error));
  }
  const self = [process.execPath, import.meta.filename, "--alone", ...process.argv.slice(2)];
  const child = spawn("unshare", [...UNSHARE, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", ...self], {
    stdio: "inherit",
  });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  await once(child, "close");
  return child.exitCode ?? 1;
}

async function runAll(): Promise<number> {
  // An orderly end takes along what a suite has started.
  for (const signal of SIGNALS) process.once(signal, () => process.exit(1));
  const results: Result[] = [];
  let isFaulty = false;
  for (const suite of suites) {
    const missing = toolMissingReason(suite) ?? (isPrepared(suite) ? null : "could not be fetched and built");
    if (missing !== null) {
      isFaulty ||= !missing.startsWith(NO_TOOL);
      results.push({ suite, skipped: missing });
      continue;
    }
    const etcd = await run(suite, "etcd");
    const plinth = await run(suite, "plinth");
    results.push({ suite, etcd, plinth });
    for (const fault of faultsOf(etcd, plinth)) {
      isFaulty = true;
      console.log(`${suite.name}: etcd passes, Plinth does not: ${fault}`);
    }
  }
  const rows = results.map(describeResult);
  for (const line of [...TABLE_HEAD, ...rows]) console.log(line);
  if (options.write) await writeFile(PAGE, replaceRows(await readFile(PAGE, "utf8"), rows));
  return isFaulty ? 1 : 0;
}

async function run(suite: Suite, name: StoreName): Promise<Outcomes> {
  const folder = path.join(CACHE_FOLDER, "runs", `${suite.name}-${name}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const log = path.join(folder, "log.txt");
  const prepared = folderOf(suite);
  const started = performance.now();
  const outcomes = await withStore(name, suite.flags?.(prepared) ?? null, folder, (store) =>
    suite.run(prepared, store, log),
  );
  console.log(`${suite.name} on ${name}: ${((performance.now() - started) / 1000).toFixed(0)} s, ${log}`);
  for (const [test, outcome] of outcomes) if (outcome === "failed") console.log(`  failed: ${test}`);
  return outcomes;
}

/** The name of the folder says what is in it, so that another version gets another one. */
function folderOf({ name, version }: Suite): string {
  return path.join(CACHE_FOLDER, `${name}-${version.replaceAll(/[^\w.]+/g, "-")}`);
}

async function prepare(suite: Suite): Promise<void> {
  const folder = folderOf(suite);
  if (isPrepared(suite)) return;
  console.log(`${suite.name}: fetching and building ${suite.version}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await suite.prepare(folder);
  // Comes last: a folder without it is made anew.
  await writeFile(path.join(folder, READY), "");
}

function isPrepared(suite: Suite): boolean {
  return existsSync(path.join(folderOf(suite), READY));
}

function toolMissingReason({ tools }: Suite): string | null {
  const missing = tools.filter((tool) => spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0);
  return missing.length === 0 ? null : `${NO_TOOL} ${missing.join(", ")}`;
}

function namespacesMissingReason(): string | null {
  const { status } = spawnSync("unshare", [...UNSHARE, "ip", "link", "set", "lo", "up"]);
  return status === 0
    ? null
    : "each suite needs a network of its own (unshare --net and ip), and there can be none here";
}
