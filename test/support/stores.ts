/**
 * The two servers that tests run against: Plinth, and real etcd to keep the tests themselves honest. Where Go is missing
 * only Plinth is tested.
 */
import { readFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import path from "node:path";
import { describe, vi } from "vitest";
import { goMissingReason } from "../../bench/peers/build.ts";
import { startEtcd } from "../../bench/peers/etcd.ts";
import { makePeerFolder } from "../../bench/peers/peer-process.ts";
import { Replicas } from "./replicas.ts";
import type { PlinthProcess } from "./plinth-process.ts";
import { startPlinth } from "./plinth-process.ts";

/** One running store whose data, URL and port outlive its process. */
export interface Store {
  readonly name: "plinth" | "etcd";
  /** Where it serves clients: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Where clients look for it, separated by commas: more than `url` where another server may serve the same. */
  readonly clientUrls: string;
  /** Where those are over mutual TLS: what a client needs, and another certificate for the server, whose name it gives. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string; rotate(): string };
  /** The process id of the current run. */
  readonly pid: number;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** What it has logged so far. */
  logLines(): readonly string[];
  /** Asks it to end and waits until it has. */
  stop(): Promise<void>;
  /** Starts it again after `kill` or `stop`; resolves when it serves. */
  restart(): Promise<void>;
  /** Ends it, if it runs, and removes its data. */
  remove(): Promise<void>;
}

/** @param flags `--name=value`, the same for both */
export type StartStore = (flags?: readonly string[]) => Promise<Store>;

export async function startPlinthStore(flags: readonly string[] = []): Promise<Store> {
  return storeOf(await startPlinth({ flags }));
}

/** Plinth with its journal in three zones, of which another one is away after each restart. */
export async function startZonedPlinthStore(flags: readonly string[] = []): Promise<Store> {
  const folder = makePeerFolder("plinth-zones");
  const removeData = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const zones = ["a", "b", "c"].map((zone) => ({ zone, directory: path.join(folder, zone) }));
  const replicas = zones.map(({ zone, directory }) => `${zone}=${directory}`).join(",");
  const plinth = await startPlinth({
    dataDir: path.join(folder, "data"),
    // So that what is away lacks snapshots, and the journal is trimmed beyond it.
    flags: [...flags, `--journal-replicas=${replicas}`, "--snapshot-tail-records=500"],
  }).catch(async (error: unknown) => {
    await removeData();
    throw error;
  });
  const away = path.join(folder, "away");
  let restarts = 0;
  return {
    ...storeOf(plinth),
    get pid() {
      return plinth.pid;
    },
    restart: async () => {
      if (restarts > 0) await rename(away, zones[(restarts - 1) % zones.length].directory);
      await rename(zones[restarts % zones.length].directory, away);
      restarts++;
      await plinth.start();
    },
    remove: async () => {
      await plinth.remove();
      await removeData();
    },
  };
}

/** Plinth with its journal on three replicas in other processes, of which another one is killed at each restart, and not away long. */
export async function startReplicatedPlinthStore(flags: readonly string[] = []): Promise<Store> {
  const replicas = await Replicas.start();
  const plinth = await replicas.server("server", flags);
  await plinth.start();
  let restarts = 0;
  return {
    ...storeOf(plinth),
    get pid() {
      return plinth.pid;
    },
    restart: async () => {
      const replica = replicas.processes[restarts++ % replicas.processes.length];
      await replica.kill();
      await plinth.start();
      await replica.start();
    },
    remove: () => replicas.remove(),
  };
}

/** Two servers on such replicas. When the one that serves ends, the other one takes over, and is its standby in turn. */
export async function startStandbyPlinthStore(flags: readonly string[] = []): Promise<Store> {
  const replicas = await Replicas.start();
  const servers = [await replicas.standby("first", flags), await replicas.standby("second", flags)];
  const start = async (server: PlinthProcess): Promise<void> => {
    await server.start();
    // On a machine that is too busy a server may be fenced without being ended.
    void server.supervise(EXIT_FENCED);
  };
  for (const server of servers) await start(server);
  const clientUrls = servers.map(({ url }) => url).join(",");
  let serving = await whichServes(servers);
  const end = async (how: "kill" | "stop"): Promise<void> => {
    serving = await whichServes(servers);
    await serving[how]();
  };
  return {
    name: "plinth",
    get url() {
      return serving.url;
    },
    clientUrls,
    get pid() {
      return serving.pid;
    },
    logLines: () => servers.flatMap(({ logLines }) => logLines),
    kill: () => end("kill"),
    stop: () => end("stop"),
    restart: async () => {
      const ended = serving;
      serving = await whichServes(servers.filter((server) => server !== ended));
      await start(ended);
    },
    remove: () => replicas.remove(),
  };
}

const EXIT_FENCED = 74;
const TAKEN_OVER_MILLISECONDS_MAX = 30_000;

/** The first one that says that it does. */
async function whichServes(servers: readonly PlinthProcess[]): Promise<PlinthProcess> {
  const look = async (): Promise<PlinthProcess | undefined> => {
    for (const server of servers) {
      const response = await fetch(`${server.url}/health`).catch(() => null);
      if (response?.status === 200) return server;
    }
    return undefined;
  };
  const found = await vi.waitUntil(look, { timeout: TAKEN_OVER_MILLISECONDS_MAX });
  if (found === undefined) throw new Error("none of the servers serves");
  return found;
}

export function storeOf(plinth: PlinthProcess): Store {
  return {
    name: "plinth",
    url: plinth.url,
    clientUrls: plinth.url,
    get pid() {
      return plinth.pid;
    },
    logLines: () => plinth.logLines,
    kill: () => plinth.kill(),
    stop: () => plinth.stop(),
    restart: () => plinth.start(),
    remove: () => plinth.remove(),
  };
}

export async function startEtcdStore(flags: readonly string[] = []): Promise<Store> {
  const folder = makePeerFolder("etcd-data");
  const dataDir = path.join(folder, "data");
  const removeData = (): Promise<void> => rm(folder, { recursive: true, force: true });
  let etcd = await startEtcd({ dataDir, flags }).catch(async (error: unknown) => {
    await removeData();
    throw error;
  });
  return {
    name: "etcd",
    url: etcd.url,
    clientUrls: etcd.url,
    get pid() {
      return etcd.pid;
    },
    logLines: () => readFileSync(etcd.logFile, "utf8").split("\n"),
    kill: () => etcd.kill(),
    stop: () => etcd.stop(),
    restart: async () => {
      etcd = await startEtcd({ dataDir, port: etcd.port, flags });
    },
    remove: async () => {
      await etcd.kill();
      await removeData();
    },
  };
}

/** Defines the tests twice: for Plinth and for etcd. */
export function describeStores(title: string, define: (start: StartStore, name: Store["name"]) => void): void {
  describe(`${title} (Plinth)`, () => {
    define(startPlinthStore, "plinth");
  });
  const missing = goMissingReason();
  describe.skipIf(missing !== null)(`${title} (etcd${missing === null ? "" : `: ${missing}`})`, () => {
    define(startEtcdStore, "etcd");
  });
}
