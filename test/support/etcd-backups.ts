/** Backups as a user makes and restores them: etcdctl saves, etcdutl restores, and an etcd starts from what that gives. */
import path from "node:path";
import { startEtcd } from "../../bench/peers/etcd.ts";
import type { Etcd } from "../../bench/peers/etcd.ts";
import { etcdctl } from "./etcdctl.ts";
import { runPeer } from "./peer-program.ts";

const COMMAND_MILLISECONDS_MAX = 60_000;

/** Versions that start from a backup, with the tool of their own that restores it. */
export const VERSIONS = ["3.7", "3.6", "3.5"] as const;
export type Version = (typeof VERSIONS)[number];

/** @param flags of etcdctl */
export async function saveSnapshot(url: string, file: string, flags: readonly string[] = []): Promise<string> {
  const { code, stdout, stderr } = await etcdctl(url, [...flags, "snapshot", "save", file]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** What `etcdutl snapshot status` says. */
export async function snapshotStatus(file: string): Promise<Record<string, unknown>> {
  // Its own output is believed.
  return JSON.parse(await run("etcdutl", ["snapshot", "status", file, "-w", "json"])) as Record<string, unknown>;
}

/** Restores a backup into a new data directory, which is given. */
export async function restoreSnapshot(
  version: Version,
  file: string,
  folder: string,
  flags: readonly string[] = [],
): Promise<string> {
  const dataDir = path.join(folder, `restored-${version}`);
  const program = version === "3.7" ? "etcdutl" : (`etcdutl-snapshot-${version}` as const);
  await run(program, ["snapshot", "restore", file, `--data-dir=${dataDir}`, ...flags]);
  return dataDir;
}

export function startRestored(version: Version, dataDir: string, flags: readonly string[] = []): Promise<Etcd> {
  return startEtcd({ dataDir, flags, ...(version === "3.7" ? {} : { peer: `etcd-${version}` }) });
}

/** What `etcdctl endpoint hashkv` says of a server. */
export async function endpointHashKv(url: string): Promise<unknown> {
  const { code, stdout, stderr } = await etcdctl(url, ["endpoint", "hashkv", "-w", "json"]);
  if (code !== 0) throw new Error(stderr);
  // Its own output is believed.
  const [{ HashKV }] = JSON.parse(stdout) as [{ HashKV: { hash: number; compact_revision: number } }];
  return { hash: HashKV.hash, compactRevision: HashKV.compact_revision };
}

async function run(name: Parameters<typeof runPeer>[0], args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runPeer(name, args, "", COMMAND_MILLISECONDS_MAX);
  if (code !== 0) throw new Error(`${name} ${args.join(" ")}: ${stderr}`);
  return stdout;
}
