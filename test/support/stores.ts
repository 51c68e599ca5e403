/**
 * The two servers that tests run against: Plinth, and real etcd to keep the tests themselves honest. Where Go is missing
 * only Plinth is tested.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import { describe } from "vitest";
import { goMissingReason } from "../peers/build.ts";
import { startEtcd } from "../peers/etcd.ts";
import { makePeerFolder } from "../peers/peer-process.ts";
import { startPlinth } from "./plinth-process.ts";

/** One running store whose data, URL and port outlive its process. */
export interface Store {
  readonly name: "plinth" | "etcd";
  /** Where it serves clients: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Starts it again after `kill`; resolves when it serves. */
  restart(): Promise<void>;
  /** Ends it, if it runs, and removes its data. */
  remove(): Promise<void>;
}

/** @param flags `--name=value`, the same for both */
export type StartStore = (flags?: readonly string[]) => Promise<Store>;

export async function startPlinthStore(flags: readonly string[] = []): Promise<Store> {
  const plinth = await startPlinth({ flags });
  return {
    name: "plinth",
    url: plinth.url,
    kill: () => plinth.kill(),
    restart: () => plinth.start(),
    remove: () => plinth.remove(),
  };
}

export async function startEtcdStore(flags: readonly string[] = []): Promise<Store> {
  const folder = makePeerFolder("etcd-data");
  const dataDir = path.join(folder, "data");
  let etcd = await startEtcd({ dataDir, flags });
  return {
    name: "etcd",
    url: etcd.url,
    kill: () => etcd.kill(),
    restart: async () => {
      etcd = await startEtcd({ dataDir, port: etcd.port, flags });
    },
    remove: async () => {
      await etcd.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Defines the tests twice: for Plinth and for etcd. */
export function describeStores(title: string, define: (start: StartStore, name: Store["name"]) => void): void {
  describe(`${title} (Plinth)`, () => define(startPlinthStore, "plinth"));
  const missing = goMissingReason();
  if (missing === null) describe(`${title} (etcd)`, () => define(startEtcdStore, "etcd"));
  else describe.skip(`${title} (etcd): ${missing}`, () => define(startEtcdStore, "etcd"));
}
