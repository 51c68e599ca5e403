/** A real etcd with three members, without TLS, on loopback ports of its own; each has a data folder that goes with it. */

import { LeanClient } from "../client/lean-client.ts";
import { statusRequest, statusResponse } from "../../proto/rare.ts";
import { startEtcd, type Etcd } from "./etcd.ts";
import { freePort } from "./peer-process.ts";

const MEMBERS = 3;

export interface EtcdCluster {
  /** Client URL of the member that leads. */
  readonly leader: string;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

export async function startEtcdCluster(): Promise<EtcdCluster> {
  const peers: { readonly name: string; readonly url: string }[] = [];
  for (let i = 0; i < MEMBERS; i++) peers.push({ name: `m${i}`, url: `http://127.0.0.1:${await freePort()}` });
  const cluster = peers.map(({ name, url }) => `${name}=${url}`).join(",");
  // None of them is ready before a majority is there.
  const started = await Promise.allSettled(
    peers.map(({ name, url }) =>
      startEtcd({
        flags: [
          `--name=${name}`,
          `--listen-peer-urls=${url}`,
          `--initial-advertise-peer-urls=${url}`,
          `--initial-cluster=${cluster}`,
        ],
      }),
    ),
  );
  const members = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const stop = async (): Promise<void> => void (await Promise.all(members.map((member) => member.stop())));
  try {
    for (const each of started) if (each.status === "rejected") throw each.reason;
    return { leader: await findLeader(members), pids: members.map(({ pid }) => pid), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function findLeader(members: readonly Etcd[]): Promise<string> {
  for (const { url } of members) {
    const client = await LeanClient.connect(url);
    try {
      const reply = await client.call("/etcdserverpb.Maintenance/Status", statusRequest.encode({}));
      const { leader, header } = statusResponse.decode(reply);
      if (leader !== 0n && leader === header?.memberId) return url;
    } finally {
      client.destroy();
    }
  }
  throw new Error("an etcd that is ready has no leader");
}
