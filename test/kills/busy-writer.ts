/**
 * Puts its own keys one after the other as fast as the server takes them, and reads all of them back whenever it had to
 * connect anew: after each kill everything that was acknowledged is looked at.
 */
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { GrpcError } from "../../bench/client/lean-client.ts";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import { HONEST_PREFIX, shortValue } from "../soak/honest-client.ts";
import type { Ledger, SeenKv } from "../soak/ledger.ts";
import type { TestedServer } from "../soak/tested-server.ts";
import { delay } from "../support/delay.ts";
import { EtcdClient } from "../support/etcd-client.ts";

const KEYS = 100;
/** What a pod of kube-apiserver has, nearly: a segment of the journal is full after some 60,000 of them. */
const VALUE_BYTES = 1_000;
const RECONNECT_MS = 20;

export class BusyWriter {
  /** How often it read all its keys. */
  looks = 0;
  readonly #prefix: string;
  readonly #name: string;
  readonly #server: TestedServer;
  readonly #ledger: Ledger;
  #written = 0;

  constructor(name: string, server: TestedServer, ledger: Ledger) {
    this.#prefix = `${HONEST_PREFIX}${name}/`;
    this.#name = name;
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
      try {
        await this.look(client);
        while (!signal.aborted) await this.#write(client);
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        await delay(RECONNECT_MS);
      } finally {
        client.lean.destroy();
      }
    }
  }

  /** Reads all its keys in one call and compares them with what was acknowledged. */
  async look(client: EtcdClient): Promise<void> {
    const promised = this.#ledger.beginRead();
    const { header, kvs } = await client.range(
      rangeRequest(this.#prefix, { rangeEnd: Buffer.from(`${this.#prefix.slice(0, -1)}0`) }),
    );
    const seen = new Map<string, SeenKv>();
    for (const encoded of kvs) {
      const kv = decodeKeyValue(encoded);
      seen.set(kv.key.toString("latin1"), { value: shortValue(kv.value), modRevision: kv.modRevision });
    }
    for (let i = 0; i < KEYS; i++) {
      this.#ledger.read(this.#key(i), promised, header?.revision ?? 0, seen.get(this.#key(i)) ?? null);
      seen.delete(this.#key(i));
    }
    for (const key of seen.keys()) this.#ledger.violate(`${key} is there, which nobody wrote`);
    this.looks++;
  }

  async #write(client: EtcdClient): Promise<void> {
    const number = ++this.#written;
    const key = this.#key(number % KEYS);
    const value = `${this.#name}-${number}`;
    const promised = this.#ledger.begin(key, value);
    try {
      const { header } = await client.put(putRequest(key, value.padEnd(VALUE_BYTES, ".")));
      this.#ledger.acknowledge(key, value, promised, header?.revision ?? 0);
    } catch (error) {
      this.#ledger.leaveUnknown();
      throw error;
    }
  }

  #key(i: number): string {
    return `${this.#prefix}${i}`;
  }
}
