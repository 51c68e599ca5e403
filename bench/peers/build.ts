// Builds the real programs that the tests and benchmarks compare with ("peers"), from the Go modules beside this file,
// into a cache that git ignores. By hand: `node bench/peers/build.ts [names…]`; a test calls `ensurePeer`.
// It fetches nothing by itself: the go command does, and go.sum says what it may get.

import { spawn, spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export type PeerName = "etcd" | "etcdctl" | "etcdutl" | "descriptors" | "clientv3" | "kube-apiserver" | "kubectl";

// Quick ones first: who builds all of them soon has something to work with.
export const PEER_NAMES: readonly PeerName[] = [
  "etcd",
  "etcdctl",
  "etcdutl",
  "descriptors",
  "clientv3",
  "kubectl",
  "kube-apiserver",
];

const here = import.meta.dirname;
const BIN_FOLDER = join(here, ".cache", "bin");
const LOCK_FILE = join(here, ".cache", "lock");

// The longest that one process waits for another one's builds; a first build of all peers takes a fraction of it.
const LOCK_WAIT_MILLISECONDS_MAX = 60 * 60 * 1000;
const LOCK_POLL_MILLISECONDS = 100;

/** The program's path, built from the inputs of now, or null when it still has to be built. */
export function peerBinary(name: PeerName): string | null {
  const binary = join(BIN_FOLDER, name);
  const stampFile = `${binary}.stamp`;
  if (!existsSync(binary) || !existsSync(stampFile)) return null;
  return readFileSync(stampFile, "utf8") === stampOf(name) ? binary : null;
}

/** Builds the program if it has to be built, and gives its path. Any number of processes may call it at once. */
export async function ensurePeer(name: PeerName): Promise<string> {
  const missing = goMissingReason();
  if (missing !== null) throw new Error(`the peer ${name} can not be built: ${missing}`);
  const ready = peerBinary(name);
  if (ready !== null) return ready;
  await mkdir(BIN_FOLDER, { recursive: true });
  await takeLock();
  try {
    // Another process may have built it while this one waited.
    return peerBinary(name) ?? (await build(name));
  } finally {
    await rm(LOCK_FILE, { force: true });
  }
}

/** Why the peers can not be built here (a reason to skip a test with), or null when they can. */
export function goMissingReason(): string | null {
  const found = goVersion();
  if (found === null) return "go is not on this machine";
  for (const folder of ["etcd", "kubernetes"]) {
    const wanted = readFileSync(join(here, folder, "go.mod"), "utf8").match(/^go (\d+)\.(\d+)/m);
    const have = found.match(/go(\d+)\.(\d+)/);
    // A version that can not be read is a development build: believed to be new enough.
    if (wanted === null || have === null) continue;
    const [major, minor] = [Number(have[1]) - Number(wanted[1]), Number(have[2]) - Number(wanted[2])];
    if (major < 0 || (major === 0 && minor < 0)) {
      return `go on this machine is ${have[1]}.${have[2]}, and the peers need ${wanted[1]}.${wanted[2]}`;
    }
  }
  return null;
}

async function build(name: PeerName): Promise<string> {
  const binary = join(BIN_FOLDER, name);
  const stamp = stampOf(name);
  const unfinished = `${binary}.${process.pid}`;
  await goBuild(name, unfinished);
  // The stamp goes first and comes last, so that at no moment it vouches for another binary.
  await rm(`${binary}.stamp`, { force: true });
  await rename(unfinished, binary);
  await writeFile(`${binary}.stamp`, stamp);
  return binary;
}

function goBuild(name: PeerName, output: string): Promise<void> {
  const folder = moduleFolder(name);
  const child = spawn("go", ["build", ...buildFlags(name), "-o", output, `./${name}`], {
    cwd: folder,
    env: { ...process.env, CGO_ENABLED: "0", GOWORK: "off" },
    // What go says (downloads, errors) is for who waits for it.
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => reject(new Error(`go build of ${name} did not start`, { cause })));
    child.once("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`go build of ${name} in ${folder} failed (${signal ?? `exit code ${code}`})`));
    });
  });
}

function buildFlags(name: PeerName): readonly string[] {
  const variables = moduleFolder(name).endsWith("kubernetes") ? kubernetesVersionVariables() : [];
  const linker = ["-s", "-w", ...variables.map((variable) => `-X ${variable}`)].join(" ");
  // The commit of this repository has no say in what a peer is: no -buildvcs.
  return ["-trimpath", "-buildvcs=false", `-ldflags=${linker}`];
}

/** Kubernetes knows its own version only from the linker; go.mod is the one place where it is written here. */
function kubernetesVersionVariables(): readonly string[] {
  const goMod = readFileSync(join(here, "kubernetes", "go.mod"), "utf8");
  const version = goMod.match(/^\s*k8s\.io\/kubernetes (v(\d+)\.(\d+)\S*)/m);
  if (version === null) throw new Error("no version of k8s.io/kubernetes in the go.mod of the peers");
  const [, full, major, minor] = version;
  // kubectl and client-go print the second package's, kube-apiserver the first one's.
  return ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((variables) => [
    `${variables}.gitVersion=${full}`,
    `${variables}.gitMajor=${major}`,
    `${variables}.gitMinor=${minor}`,
  ]);
}

/** All that decides what the binary is, in one hash. */
function stampOf(name: PeerName): string {
  const folder = moduleFolder(name);
  const sources = readdirSync(join(folder, name)).filter((file) => file.endsWith(".go"));
  const files = ["go.mod", "go.sum", ...sources.toSorted().map((file) => join(name, file))];
  const hash = createHash("sha256");
  hash.update(JSON.stringify([goVersion(), buildFlags(name)]));
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(folder, file)));
  return hash.digest("hex");
}

function moduleFolder(name: PeerName): string {
  return join(here, name.startsWith("kube") ? "kubernetes" : "etcd");
}

let goVersionFound: string | null | undefined;

/** What `go version` says, or null where there is no go. Asked once: a process does not outlive its go. */
function goVersion(): string | null {
  if (goVersionFound === undefined) {
    // Asked inside a module, where go may first switch to the toolchain that the module wants.
    const { status, stdout } = spawnSync("go", ["version"], { cwd: join(here, "kubernetes"), encoding: "utf8" });
    goVersionFound = status === 0 ? stdout.trim() : null;
  }
  return goVersionFound;
}

/**
 * One build at a time: two at once would do the same work twice, and each is as parallel as the machine. The lock is
 * a file with its holder's process id; it is linked into place, so it never exists without it. Should two processes
 * find a dead holder's lock at the same moment they may both build: no harm, as a binary only comes in by a rename.
 */
async function takeLock(): Promise<void> {
  // Random: one process may ask for several peers at once.
  const mine = `${LOCK_FILE}.${randomUUID()}`;
  await writeFile(mine, String(process.pid));
  try {
    const deadline = Date.now() + LOCK_WAIT_MILLISECONDS_MAX;
    while (!(await linked(mine, LOCK_FILE))) {
      const holder = Number(await readFile(LOCK_FILE, "utf8").catch(() => ""));
      // An empty read is a lock that was given back just now.
      if (holder !== 0 && !isAlive(holder)) await rm(LOCK_FILE, { force: true });
      else if (Date.now() > deadline) throw new Error(`process ${holder} holds ${LOCK_FILE} for too long`);
      else await delay(LOCK_POLL_MILLISECONDS);
    }
  } finally {
    await rm(mine, { force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false; // What link throws is a system error.
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // Someone else's process is alive too.
  }
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !PEER_NAMES.some((known) => known === name));
  if (unknown.length > 0) {
    console.error(`no such peer: ${unknown.join(", ")}; there are ${PEER_NAMES.join(", ")}`);
    process.exit(2);
  }
  for (const name of PEER_NAMES.filter((known) => asked.length === 0 || asked.includes(known))) {
    const started = performance.now();
    const had = peerBinary(name) !== null;
    const binary = await ensurePeer(name);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(had ? `${binary}: up to date` : `${binary}: built in ${seconds} s`);
  }
}
