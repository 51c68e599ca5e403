/** Stores on three replicas, each in a zone of its own. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { freePort } from "../../bench/peers/peer-process.ts";
import { PlinthProcess, SERVING_LINE, startPlinth } from "../support/plinth-process.ts";
import type { Network } from "./network.ts";
import { Proxy } from "./proxy.ts";
import type { Member, Zone } from "./tested-store.ts";
import { TestedStore } from "./tested-store.ts";

export const ZONES = ["a", "b", "c"] as const;

const smallSegments = path.join(import.meta.dirname, "../guarantees/traffic/small-segments-main.ts");
/** Progress as often as etcd allows, and fragments from about 600 KiB on. */
const FLAGS = ["--watch-progress-notify-interval=100ms", "--max-request-bytes=100000"];
/** Of a server that serves, and of one that waits for its turn. */
const SERVER_STARTED = [SERVING_LINE, "standby: another server has the journal"];
const REPLICA_STARTED = ["the replica listens"];
const LOOPBACK = "127.0.0.1";

/** Where a zone's disk may be mounted before the store is started. */
export function makeZoneFolder(folder: string, zone: string): string {
  const made = path.join(folder, `zone-${zone}`);
  mkdirSync(made, { recursive: true });
  return made;
}

/**
 * A server whose replicas are in its own process, on three directories.
 *
 * @param disks where the replica of a zone lies, if not in the zone's folder
 */
export async function startOnDirectories(
  folder: string,
  disks: Readonly<Record<string, string>> = {},
): Promise<TestedStore> {
  const zones = ZONES.map((name): Zone => {
    return { name, directory: path.join(disks[name] ?? makeZoneFolder(folder, name), "replica"), process: null };
  });
  const replicas = zones.map(({ name, directory }) => `${name}=${directory}`).join(",");
  const process = await startPlinth({
    dataDir: path.join(folder, "data"),
    mainFile: smallSegments,
    flags: [...FLAGS, `--journal-replicas=${replicas}`],
  });
  return new TestedStore([{ name: "server", process, isRunning: true }], zones);
}

export interface ProcessesOptions {
  /** How many servers: the first that is started serves, and others wait. */
  readonly servers: 1 | 2;
  /** Where each process is, by its name: that of a server or `replica-` and the zone. All on loopback unless given. */
  readonly network?: Network;
  /** Where the replica of a zone lies, if not in the zone's folder. */
  readonly disks?: Readonly<Record<string, string>>;
  /** Whether the servers reach the replicas through proxies. */
  readonly isProxied?: boolean;
}

export const SERVERS = ["first", "second"] as const;
/** Names of all processes. */
export const PROCESSES: readonly string[] = [...SERVERS, ...ZONES.map(replicaName)];

export interface ProcessStore {
  readonly store: TestedStore;
  /** Of each server's link to each zone, by the server's name and the zone's. */
  readonly proxies: ReadonlyMap<string, Proxy>;
}

/** Servers and replicas, each a process of its own. */
export async function startOnProcesses(folder: string, options: ProcessesOptions): Promise<ProcessStore> {
  const { servers, network, disks = {}, isProxied = false } = options;
  const hostOf = (name: string): string => network?.addressOf(name) ?? LOOPBACK;
  const zones: Zone[] = [];
  const members: Member[] = [];
  const proxies = new Map<string, Proxy>();
  const ports = new Map<string, number>();
  try {
    for (const name of ZONES) {
      const port = await freePort();
      const directory = path.join(disks[name] ?? makeZoneFolder(folder, name), "replica");
      const listen = `tcp://${hostOf(replicaName(name))}:${port}`;
      const process = new PlinthProcess(port, directory, null, {
        command: ["replica", "--zone", name, "--data-dir", directory, "--listen", listen],
        startedLines: REPLICA_STARTED,
        within: network?.within(replicaName(name)) ?? [],
      });
      zones.push({ name, directory, process });
      ports.set(name, port);
      await process.start();
    }
    for (const name of SERVERS.slice(0, servers)) {
      const places: string[] = [];
      for (const zone of ZONES) {
        const [host, port] = [hostOf(replicaName(zone)), ports.get(zone) ?? 0];
        const proxy = isProxied ? await Proxy.listen(host, port) : null;
        if (proxy !== null) proxies.set(`${name} ${zone}`, proxy);
        places.push(`${zone}=tcp://${proxy === null ? `${host}:${port}` : `${LOOPBACK}:${proxy.port}`}`);
      }
      const process = await startPlinth({
        dataDir: path.join(folder, name),
        host: hostOf(name),
        within: network?.within(name) ?? [],
        flags: [...FLAGS, `--journal-replicas=${places.join(",")}`],
        startedLines: SERVER_STARTED,
      });
      members.push({ name, process, isRunning: true });
    }
    return { store: new TestedStore(members, zones), proxies };
  } catch (error) {
    for (const { process } of members) await process.remove();
    for (const { process } of zones) await process?.remove();
    for (const proxy of proxies.values()) proxy.close();
    throw error;
  }
}

/** Of a replica's process. */
export function replicaName(zone: string): string {
  return `replica-${zone}`;
}
