/** The real etcdctl: clientv3 without Kubernetes in between, to look at the store under the apiservers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { ensurePeer } from "../../bench/peers/build.ts";
import { etcdctl } from "../support/etcdctl.ts";
import { EventLog } from "./event-log.ts";

/** Runs it once and gives what it prints; fails when it does. */
export async function etcdctlOutput(url: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await etcdctl(url, args);
  if (code !== 0) throw new Error(`etcdctl ${args.join(" ")} ended with ${code}: ${stderr}`);
  return stdout;
}

/** The store's revision now. */
export async function storeRevision(url: string): Promise<number> {
  const [member] = JSON.parse(await etcdctlOutput(url, ["endpoint", "status", "--write-out=json"])) as [
    { Status: { header: { revision: number } } },
  ];
  return member.Status.header.revision;
}

/** One event as the store tells it. Both times are revisions. */
export interface StoreEvent {
  readonly type: "PUT" | "DELETE";
  readonly key: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** As latin1 text: what a client stored in ASCII can be searched for in it. */
  readonly value: string;
}

export interface StoreWatch {
  readonly events: EventLog<StoreEvent>;
  close(): Promise<void>;
}

interface WatchLine {
  readonly Events?: readonly {
    readonly type?: number;
    readonly kv: { key: string; value?: string; create_revision?: number; mod_revision: number };
  }[];
  readonly Canceled?: boolean;
  readonly CompactRevision?: number;
}

const deleteType = 1;

/** Watches a prefix from a revision on, over as many connections as it takes. */
export async function watchStore(url: string, prefix: string, revision: number): Promise<StoreWatch> {
  const args = [`--endpoints=${url}`, "--write-out=json", "watch", "--prefix", `--rev=${revision}`, prefix];
  const child = spawn(await ensurePeer("etcdctl"), args, { stdio: ["ignore", "pipe", "inherit"] });
  const events = new EventLog<StoreEvent>(`etcdctl's watch of ${prefix}`);
  createInterface({ input: child.stdout }).on("line", (line) => {
    const response = JSON.parse(line) as WatchLine;
    if (response.Canceled === true) events.fail(new Error(`the watch was cancelled: ${line}`));
    for (const { type, kv } of response.Events ?? []) {
      events.push({
        type: type === deleteType ? "DELETE" : "PUT",
        key: fromBase64(kv.key),
        createRevision: kv.create_revision ?? 0,
        modRevision: kv.mod_revision,
        value: fromBase64(kv.value ?? ""),
      });
    }
  });
  const closed = once(child, "close");
  void closed.then(() => events.fail(new Error("etcdctl has ended")));
  return {
    events,
    close: async () => {
      child.kill();
      await closed;
    },
  };
}

function fromBase64(text: string): string {
  return Buffer.from(text, "base64").toString("latin1");
}
