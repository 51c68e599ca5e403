// Builds the real programs that the tests and benchmarks compare with ("peers"), from the Go modules beside this file,
// into a cache that git ignores. By hand: `node bench/peers/build.ts [names…]`; a test calls `ensurePeer`.
// It fetches nothing by itself: the go command does, and go.sum says what it may get.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { takeBuildLock } from "./build-lock.ts";

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
const CACHE_FOLDER = join(here, ".cache");
const BIN_FOLDER = join(CACHE_FOLDER, "bin");
const LOCK_FILE = join(CACHE_FOLDER, "build.lock");

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
  await mkdir(BIN_FOLDER, { recursive: true });
  const lock = await takeBuildLock({
    file: LOCK_FILE,
    isDone: () => peerBinary(name) !== null,
    onWait: () => console.log(`Another process is building in ${CACHE_FOLDER}: waiting for it.`),
  });
  try {
    // Another process may have built it between the last look and the lock.
    return peerBinary(name) ?? (await build(name));
  } finally {
    lock?.release();
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
