/**
 * The servers that the kv bench loads: ours, with each kind of journal, and a real etcd with one member and with three, each
 * with default settings and a new data folder.
 */

import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ensurePeer } from "../peers/build.ts";
import { startEtcd } from "../peers/etcd.ts";
import { startEtcdCluster } from "../peers/etcd-cluster.ts";
import { freePort } from "../peers/peer-process.ts";
import { ServerProcess } from "../server-process.ts";

const MAIN = join(import.meta.dirname, "../../server/main.ts");
const SERVES = "ready to serve client requests";

export interface Target {
  readonly name: string;
  readonly url: string;
  /** All its processes. */
  readonly pids: readonly number[];
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

export function startPlinthTarget(): Promise<Target> {
  return startPlinth("Plinth", []);
}

/** Three replicas in directories of the server's. */
export function startPlinthOnDirectories(): Promise<Target> {
  return startPlinth("Plinth, 3 directories", ["a", "b", "c"]);
}

/** @param zones of the journal's replicas; without any the server has its default */
async function startPlinth(name: string, zones: readonly string[]): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), "plinth-bench-"));
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const url = `http://127.0.0.1:${await freePort()}`;
  const flags = ["--data-dir", join(folder, "data"), "--listen-client-urls", url, "--advertise-client-urls", url];
  const replicas = zones.map((zone) => `${zone}=${join(folder, zone)}`);
  if (replicas.length > 0) flags.push("--journal-replicas", replicas.join(","));
  try {
    const { server } = await ServerProcess.start([MAIN, ...flags], (line) => line.includes(SERVES));
    const stop = async (): Promise<void> => {
      await server.stop();
      await removeFolder();
    };
    return { name, url, pids: [server.pid], stop };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

export async function startEtcdTarget(): Promise<Target> {
  const etcd = await startEtcd();
  return { name: "etcd", url: etcd.url, pids: [etcd.pid], stop: () => etcd.stop() };
}

/** Is called at its leader: the others would hand on what it is asked. */
export async function startEtcdClusterTarget(): Promise<Target> {
  const { leader, pids, stop } = await startEtcdCluster();
  return { name: "etcd, 3 members", url: leader, pids, stop };
}

/** As `etcd 3.7.0`. */
export async function etcdVersion(): Promise<string> {
  const printed = execFileSync(await ensurePeer("etcd"), ["--version"], { encoding: "utf8" });
  return `etcd ${/etcd Version: (\S+)/.exec(printed)?.[1] ?? "of unknown version"}`;
}
