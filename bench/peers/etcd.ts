// A real etcd with one member, for tests and benchmarks: without TLS, on loopback ports of its own.

import { join } from "node:path";

import { ensurePeer } from "./build.ts";
import { freePort, makePeerFolder, PeerProcess } from "./peer-process.ts";

export interface EtcdOptions {
  /** Where it keeps its data: a folder given here stays; without one, the data goes when etcd ends. */
  readonly dataDir?: string;
  /** The client port, for one that comes back where it was before. */
  readonly port?: number;
  /** Of another version than the one that all else is compared with. */
  readonly peer?: "etcd-3.6" | "etcd-3.5";
  /** More flags, as `--name=value`; the last of a name counts. */
  readonly flags?: readonly string[];
}

export interface Etcd {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly logFile: string;
  readonly pid: number;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

const READY_MILLISECONDS_MAX = 60_000;

export async function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  const binary = await ensurePeer(options.peer ?? "etcd");
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const folder = makePeerFolder("etcd");
  const dataDir = options.dataDir ?? join(folder, "data");
  const peer = new PeerProcess(
    "etcd",
    binary,
    [
      "--name=default",
      `--data-dir=${dataDir}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
      ...(options.flags ?? []),
    ],
    folder,
  );
  try {
    // An information line: it does not come with a --log-level above "info".
    await peer.waitForLine("ready to serve client requests", READY_MILLISECONDS_MAX);
  } catch (error) {
    await peer.kill();
    throw error;
  }
  return {
    url,
    port,
    dataDir,
    logFile: peer.logFile,
    pid: peer.pid,
    stop: () => peer.stop(),
    kill: () => peer.kill(),
  };
}
