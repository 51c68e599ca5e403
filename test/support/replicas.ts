/** The replicas of one journal, each in a process of its own as `plinth replica` runs it, and servers that write it. */
import path from "node:path";
import { rm } from "node:fs/promises";
import { vi } from "vitest";
import { freePort, makePeerFolder } from "../../bench/peers/peer-process.ts";
import { PlinthProcess, SERVING_LINE } from "./plinth-process.ts";

export const ZONES = ["a", "b", "c"] as const;

/** What a server says that waits for another one. */
const STANDBY_LINE = "standby: another server has the journal";

/** Longer than a busy machine lets a server stand still. */
const ELECTION = "--election-timeout=4000";

const SAID_MILLISECONDS_MAX = 30_000;

/** Servers and replicas with small segments: the journal is trimmed by whole ones. */
const SMALL_SERVER = path.join(import.meta.dirname, "..", "guarantees", "traffic", "small-segments-main.ts");
const SMALL_REPLICA = path.join(import.meta.dirname, "small-replica-main.ts");

export interface ReplicasOptions {
  /** Further flags of a zone's process. */
  readonly flagsOf?: (zone: string) => readonly string[];
  readonly smallSegments?: boolean;
  /** Over `tls://`, with certificates that `flagsOf` and the servers' flags name. */
  readonly isSecure?: boolean;
}

export class Replicas {
  readonly processes: readonly PlinthProcess[];
  /** As `--journal-replicas` takes it. */
  list: string;
  readonly #folder: string;
  readonly #servers: PlinthProcess[] = [];
  readonly #serverOptions: { readonly mainFile?: string };

  private constructor(folder: string, processes: readonly PlinthProcess[], options: ReplicasOptions) {
    const { smallSegments = false, isSecure = false } = options;
    this.#folder = folder;
    this.processes = processes;
    this.#serverOptions = smallSegments ? { mainFile: SMALL_SERVER } : {};
    const scheme = isSecure ? "tls" : "tcp";
    this.list = ZONES.map((zone, i) => `${zone}=${scheme}://127.0.0.1:${processes[i].port}`).join(",");
  }

  static async start(options: ReplicasOptions = {}): Promise<Replicas> {
    const { flagsOf = () => [], smallSegments = false, isSecure = false } = options;
    const folder = makePeerFolder("plinth-replicas");
    const mainFile = smallSegments ? SMALL_REPLICA : null;
    const scheme = isSecure ? "tls" : "tcp";
    const processes: PlinthProcess[] = [];
    for (const zone of ZONES)
      processes.push(await makeReplica(zone, path.join(folder, zone), scheme, flagsOf(zone), mainFile));
    const replicas = new Replicas(folder, processes, options);
    try {
      await Promise.all(processes.map((each) => each.start()));
      return replicas;
    } catch (error) {
      await replicas.remove();
      throw error;
    }
  }

  /** A server on them, which does not run. Its directory stays when it is started again. */
  async server(name: string, flags: readonly string[] = []): Promise<PlinthProcess> {
    const dataDir = path.join(this.#folder, name);
    const all = [`--name=${name}`, `--journal-replicas=${this.list}`, ELECTION, ...flags];
    const server = new PlinthProcess(await freePort(), dataDir, null, { flags: all, ...this.#serverOptions });
    this.#servers.push(server);
    return server;
  }

  /** The same, which has started when it waits for another one that serves. */
  async standby(name: string, flags: readonly string[] = []): Promise<PlinthProcess> {
    const dataDir = path.join(this.#folder, name);
    const all = [`--name=${name}`, `--journal-replicas=${this.list}`, ELECTION, ...flags];
    const options = { flags: all, startedLines: [STANDBY_LINE, SERVING_LINE], ...this.#serverOptions };
    const server = new PlinthProcess(await freePort(), dataDir, null, options);
    this.#servers.push(server);
    return server;
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#servers, ...this.processes].map((each) => each.remove()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** At the end of who has them with `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }
}

/** A replica that does not run. */
export async function makeReplica(
  zone: string,
  dataDir: string,
  scheme: "tcp" | "tls" = "tcp",
  flags: readonly string[] = [],
  mainFile: string | null = null,
): Promise<PlinthProcess> {
  const port = await freePort();
  const listen = `--listen=${scheme}://127.0.0.1:${port}`;
  const command = ["replica", `--zone=${zone}`, `--data-dir=${dataDir}`, listen, ...flags];
  const options = { command, startedLines: ["the replica listens"] };
  return new PlinthProcess(port, dataDir, null, mainFile === null ? options : { ...options, mainFile });
}

/** Resolves when the server has said so, in whichever of its runs. */
export async function untilSaid({ logLines }: PlinthProcess, text: string): Promise<void> {
  await vi.waitUntil(() => logLines.some((line) => line.includes(text)), { timeout: SAID_MILLISECONDS_MAX });
}

export function untilServing(server: PlinthProcess): Promise<void> {
  return untilSaid(server, SERVING_LINE);
}
