/**
 * etcd may serve before it has decided on its cluster's version. Until then it has other words for every downgrade, and
 * cancelling one ends its process.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DOWNGRADE_VALIDATE, downgradeRequest, downgradeResponse } from "../../proto/rare.ts";
import type { EtcdClient } from "./etcd-client.ts";

const POLL_MILLISECONDS = 20;
const POLLS_MAX = 1_000;
const FAILED_PRECONDITION = 9;

/** Resolves when the cluster has a version. It asks for a downgrade that is none, which changes nothing. */
export async function clusterVersionDecided(client: EtcdClient): Promise<void> {
  const request = { action: DOWNGRADE_VALIDATE, version: "0.0" };
  for (let i = 0; i < POLLS_MAX; i++) {
    const code = await client.rare("Maintenance/Downgrade", downgradeRequest, downgradeResponse, request).then(
      () => null,
      (error: { code: number }) => error.code,
    );
    if (code !== FAILED_PRECONDITION) return;
    await delay(POLL_MILLISECONDS);
  }
  throw new Error("the cluster does not decide on its version");
}
