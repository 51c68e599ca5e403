// Builds the real programs that the tests and benchmarks compare with ("peers"), from the Go modules beside this file,
// into a cache that git ignores. By hand: `node bench/peers/build.ts [names…]`; who needs one calls `ensurePeer`.
// It fetches nothing by itself: the go command does, and the .sum files say what it may get.

import { spawn, spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

import { takeBuildLock } from "./build-lock.ts";
import { moduleFolder, PEER_NAMES, type PeerName, readModFile, type Source, sourceOf, sumFile } from "./sources.ts";

const CACHE_FOLDER = join(import.meta.dirname, ".cache");
const BIN_FOLDER = join(CACHE_FOLDER, "bin");
const LOCK_FILE = join(CACHE_FOLDER, "build.lock");

/** Between a program's name and what is random in the name of one that is being built. */
const UNFINISHED = ".unfinished.";

// A Go program's own complaints are long, and its last lines are the reason.
const ERROR_CHARACTERS_MAX = 4_000;

/** The program's path, built from the inputs of now, or null when it still has to be built. */
export function peerBinary(name: PeerName): string | null {
  const binary = join(BIN_FOLDER, name);
  const stampFile = `${binary}.stamp`;
  if (!existsSync(binary) || !existsSync(stampFile)) return null;
  return readFileSync(stampFile, "utf8") === stampOf(sourceOf(name)) ? binary : null;
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
  for (const name of PEER_NAMES) {
    const wanted = readModFile(sourceOf(name)).match(/^go (\d+)\.(\d+)/m);
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

/** To be called with the lock held. */
async function build(name: PeerName): Promise<string> {
  const binary = join(BIN_FOLDER, name);
  const source = sourceOf(name);
  const stamp = stampOf(source);
  await removeUnfinished();
  // Random: a builder that was killed may have left a go command behind that still writes its own.
  const unfinished = `${binary}${UNFINISHED}${randomUUID()}`;
  await goBuild(source, unfinished);
  // The stamp goes first and comes last, so that at no moment it vouches for another binary.
  await rm(`${binary}.stamp`, { force: true });
  await rename(unfinished, binary);
  await writeFile(`${binary}.stamp`, stamp);
  return binary;
}

/** What builders that were killed have left. */
async function removeUnfinished(): Promise<void> {
  for (const file of await readdir(BIN_FOLDER)) {
    if (file.includes(UNFINISHED)) await rm(join(BIN_FOLDER, file), { force: true });
  }
}

function goBuild(source: Source, output: string): Promise<void> {
  const cwd = moduleFolder(source);
  const child = spawn("go", ["build", ...buildFlags(source), "-o", output, `./${source.program}`], {
    cwd,
    env: { ...process.env, CGO_ENABLED: "0", GOWORK: "off" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  // Hundreds of downloads are no news; what go says last is, when it fails.
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-ERROR_CHARACTERS_MAX)));
  const what = `go build of ${basename(output).split(UNFINISHED)[0]}`;
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => reject(new Error(`${what} did not start`, { cause })));
    child.once("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${what} in ${cwd} failed (${signal ?? `exit code ${code}`}):\n${said}`));
    });
  });
}

function buildFlags(source: Source): readonly string[] {
  const variables = source.folder === "kubernetes" ? kubernetesVersionVariables(source) : [];
  const linker = ["-s", "-w", ...variables.map((variable) => `-X ${variable}`)].join(" ");
  const modFile = source.modFile === "go.mod" ? [] : [`-modfile=${source.modFile}`];
  // The commit of this repository has no say in what a peer is: no -buildvcs.
  return ["-trimpath", "-buildvcs=false", ...modFile, `-ldflags=${linker}`];
}

/** Kubernetes knows its own version only from the linker; the .mod file is the one place where it is written here. */
function kubernetesVersionVariables(source: Source): readonly string[] {
  const version = readModFile(source).match(/^\s*k8s\.io\/kubernetes (v(\d+)\.(\d+)\S*)/m);
  if (version === null) throw new Error(`no version of k8s.io/kubernetes in ${source.modFile} of the peers`);
  const [, full, major, minor] = version;
  // kubectl and client-go print the second package's, kube-apiserver the first one's.
  return ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((variables) => [
    `${variables}.gitVersion=${full}`,
    `${variables}.gitMajor=${major}`,
    `${variables}.gitMinor=${minor}`,
  ]);
}

/** All that decides what the binary is, in one hash. */
function stampOf(source: Source): string {
  const folder = moduleFolder(source);
  const sources = readdirSync(join(folder, source.program)).filter((file) => file.endsWith(".go"));
  const files = [source.modFile, sumFile(source), ...sources.toSorted().map((file) => join(source.program, file))];
  const hash = createHash("sha256");
  hash.update(JSON.stringify([goVersion(), buildFlags(source)]));
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(folder, file)));
  return hash.digest("hex");
}

let goVersionFound: string | null | undefined;

/** What `go version` says, or null where there is no go. Asked once: a process does not outlive its go. */
function goVersion(): string | null {
  if (goVersionFound === undefined) {
    // Asked inside a module, where go may first switch to the toolchain that the module wants.
    const cwd = moduleFolder(sourceOf("kubectl"));
    const { status, stdout } = spawnSync("go", ["version"], { cwd, encoding: "utf8" });
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
