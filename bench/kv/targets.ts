/**
 * The servers that the kv bench loads: ours, with each kind of journal, and a real etcd with one member and with three, each
 * with default settings and a new data folder.
 */

import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";

import { ensurePeer } from "../peers/build.ts";
import { startEtcd } from "../peers/etcd.ts";
import { startEtcdCluster } from "../peers/etcd-cluster.ts";
import { freePort } from "../peers/peer-process.ts";
import { startReplica } from "../replica-process.ts";
import { ServerProcess } from "../server-process.ts";

const MAIN = join(import.meta.dirname, "../../server/main.ts");
const SERVES = "ready to serve client requests";
const ZONES = ["a", "b", "c"];

export interface Target {
  readonly name: string;
  readonly url: string;
  /** How its certificate is trusted; absent where there is none. */
  readonly tls?: ConnectionOptions;
  /** All its processes. */
  readonly pids: readonly number[];
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

/** One replica, which syncs one directory as one member of etcd does. `flags` are etcd's and Plinth's. */
export function startPlinthTarget(flags: readonly string[] = []): Promise<Target> {
  return startPlinth(
    "Plinth",
    async (zone, folder) => (zone === ZONES[0] ? join(folder, zone) : null),
    () => Promise.resolve(flags),
  );
}

/** The same over TLS, with a certificate of its own. */
export function startPlinthOverTls(): Promise<Target> {
  return startPlinth(
    "Plinth, TLS",
    async (zone, folder) => (zone === ZONES[0] ? join(folder, zone) : null),
    () => Promise.resolve(["--auto-tls"]),
    "https",
  );
}

/** The same with a partition map. */
export function startPlinthWithMap(map: string): Promise<Target> {
  return startPlinth(
    "Plinth",
    async (zone, folder) => (zone === ZONES[0] ? join(folder, zone) : null),
    async (folder) => {
      const path = join(folder, "map.json");
      await writeFile(path, map);
      return ["--quota-backend-bytes=-1", "--partition-map", path];
    },
  );
}

/** Three replicas in directories of the server's. */
export function startPlinthOnDirectories(flags: readonly string[] = []): Promise<Target> {
  return startPlinth(
    "Plinth, 3 directories",
    async (zone, folder) => join(folder, zone),
    () => Promise.resolve(flags),
  );
}

/** Three replicas in processes of their own. */
export function startPlinthOnProcesses(): Promise<Target> {
  return startPlinth("Plinth, 3 processes", async (zone, folder, processes) => {
    const { server, port } = await startReplica(zone, join(folder, zone));
    processes.push(server);
    return `tcp://127.0.0.1:${port}`;
  });
}

/** @param place where the zone's replica is, with the process that keeps it; null for none */
async function startPlinth(
  name: string,
  place: (zone: string, folder: string, processes: ServerProcess[]) => Promise<string | null>,
  more: (folder: string) => Promise<readonly string[]> = () => Promise.resolve([]),
  scheme: "http" | "https" = "http",
): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), "plinth-bench-"));
  const processes: ServerProcess[] = [];
  const stop = async (): Promise<void> => {
    // The server first: it waits for what its replicas have not answered.
    for (const each of processes.toReversed()) await each.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const url = `${scheme}://127.0.0.1:${await freePort()}`;
    const dataDir = join(folder, "data");
    const flags = ["--data-dir", dataDir, "--listen-client-urls", url, "--advertise-client-urls", url];
    flags.push(...(await more(folder)));
    const places: string[] = [];
    for (const zone of ZONES) {
      const where = await place(zone, folder, processes);
      if (where !== null) places.push(`${zone}=${where}`);
    }
    flags.push("--journal-replicas", places.join(","));
    const { server } = await ServerProcess.start([MAIN, ...flags], (line) => line.includes(SERVES));
    processes.push(server);
    const target = { name, url, pids: processes.map(({ pid }) => pid), stop };
    if (scheme === "http") return target;
    return { ...target, tls: { ca: await readFile(join(dataDir, "fixtures/client/cert.pem")) } };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function startEtcdTarget(flags: readonly string[] = []): Promise<Target> {
  const etcd = await startEtcd({ flags });
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
