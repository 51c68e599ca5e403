/** The whole server stands still, as a process that is stopped or a machine that is suspended does. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth } from "../support/plinth-process.ts";

/** A client on a busy machine keeps a lease alive in time for this. */
const TTL_SECONDS = 5;
const STALL_MS = 1_500 + 1_000 * TTL_SECONDS;

test(
  "a lease that is kept alive outlives a server that stands still for longer than its TTL",
  { timeout: 60_000 },
  async () => {
    const plinth = await startPlinth();
    try {
      const client = await EtcdClient.connect(plinth.url);
      const { ID } = await client.leaseGrant({ TTL: TTL_SECONDS, ID: 0n });
      await client.put(putRequest("kept", "v", { lease: ID }));
      const stream = client.keepAlive();
      stream.send({ ID });
      expect((await stream.next()).TTL).toBe(TTL_SECONDS);
      process.kill(plinth.pid, "SIGSTOP");
      // It has arrived when the server goes on, but nobody has read it.
      stream.send({ ID });
      await delay(STALL_MS);
      process.kill(plinth.pid, "SIGCONT");
      expect((await stream.next()).TTL).toBe(TTL_SECONDS);
      expect((await client.range(rangeRequest("kept"))).count).toBe(1);
      client.lean.destroy();
    } finally {
      await plinth.remove();
    }
  },
);
