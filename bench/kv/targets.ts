/** The servers that the kv bench loads: ours and a real etcd, each with one member, default settings and a new data folder. */

import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ensurePeer } from "../peers/build.ts";
import { startEtcd } from "../peers/etcd.ts";
import { freePort } from "../peers/peer-process.ts";
import { ServerProcess } from "../server-process.ts";

const READY = "ready to serve client requests";

export interface Target {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

export async function startPlinthTarget(): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), "plinth-bench-"));
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const url = `http://127.0.0.1:${await freePort()}`;
  const main = join(import.meta.dirname, "../../server/main.ts");
  const flags = ["--data-dir", join(folder, "data"), "--listen-client-urls", url, "--advertise-client-urls", url];
  try {
    const { server } = await ServerProcess.start([main, ...flags], (line) => line.includes(READY));
    const stop = async (): Promise<void> => {
      await server.stop();
      await removeFolder();
    };
    return { name: "Plinth", url, pid: server.pid, stop };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

export async function startEtcdTarget(): Promise<Target> {
  const etcd = await startEtcd();
  return { name: "etcd", url: etcd.url, pid: etcd.pid, stop: () => etcd.stop() };
}

/** As `etcd 3.7.0`. */
export async function etcdVersion(): Promise<string> {
  const printed = execFileSync(await ensurePeer("etcd"), ["--version"], { encoding: "utf8" });
  return `etcd ${/etcd Version: (\S+)/.exec(printed)?.[1] ?? "of unknown version"}`;
}
