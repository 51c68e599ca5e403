/**
 * Keeps one lease alive, with a key on it, and looks whether it lives: whatever the server suffers, a lease whose keepalives
 * arrive may not end. Nor may it while they cannot arrive: a server that comes back gives every lease its whole time again.
 */
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { GrpcError } from "../../bench/client/lean-client.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { Ledger } from "./ledger.ts";
import { delay } from "../support/delay.ts";
import type { TestedServer } from "./tested-server.ts";

const TTL_SECONDS = 5;
const EVERY_MS = 1_000;
const RECONNECT_MS = 100;
const ID = 4_711n;
const KEY = "/leases/honest";
/** etcd says FAILED_PRECONDITION of a lease that exists. */
const ALREADY_EXISTS = 9;

export class HonestLease {
  keepalives = 0;
  readonly #server: TestedServer;
  readonly #ledger: Ledger;
  #isGranted = false;

  constructor(server: TestedServer, ledger: Ledger) {
    this.#server = server;
    this.#ledger = ledger;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const client = await EtcdClient.connect(this.#server.url).catch(() => null);
      if (client === null) {
        await delay(RECONNECT_MS);
        continue;
      }
      await this.#keep(client, signal).catch((error: unknown) => {
        if (error instanceof GrpcError || (error as Error).message.startsWith("the stream ended")) return;
        throw error;
      });
      client.lean.destroy();
      await delay(RECONNECT_MS);
    }
  }

  async #keep(client: EtcdClient, signal: AbortSignal): Promise<void> {
    if (!this.#isGranted) {
      await client.leaseGrant({ ID, TTL: TTL_SECONDS }).catch(ignoreExisting);
      await client.put(putRequest(KEY, "", { lease: ID }));
      this.#isGranted = true;
    }
    const stream = client.keepAlive();
    stream.send({ ID });
    // Whatever becomes of the answers.
    const sending = setInterval(() => stream.send({ ID }), EVERY_MS);
    try {
      while (!signal.aborted) {
        if (!(await stream.arrives(EVERY_MS))) continue;
        const { TTL } = await stream.next();
        this.keepalives++;
        const { count } = await client.range(rangeRequest(KEY));
        if (TTL > 0 && count === 1) continue;
        this.#ledger.violate(`the lease that is kept alive has ${TTL} s and ${count} keys`);
        this.#isGranted = false;
        return;
      }
    } finally {
      clearInterval(sending);
    }
  }
}

/** It was granted, and the answer was lost. */
function ignoreExisting(error: unknown): void {
  if (!(error instanceof GrpcError) || error.code !== ALREADY_EXISTS) throw error;
}
