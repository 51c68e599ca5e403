/**
 * Writes keys that are its own, as kube-apiserver does, and reads them back: now and then a key is created by its first
 * write, all others are compare-and-swap on the revision that it knows.
 */
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import { TARGET_MOD, UNION_MOD } from "../../proto/messages.ts";
import { compare, put, range, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { GrpcError } from "../../bench/client/lean-client.ts";
import { LatencyHistogram } from "../../bench/client/latency-histogram.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { Ledger, SeenKv } from "./ledger.ts";
import { delay } from "../support/delay.ts";
import type { TestedServer } from "./tested-server.ts";

export const HONEST_PREFIX = "/registry/honest/";
const KEYS = 16;
const VALUE_BYTES = 300;
const EVERY_MS = 25;
const READ_EVERY = 4;
const RECONNECT_MS = 100;

/** Codes with which a server says for certain that nothing was done. */
const REFUSALS: ReadonlySet<number> = new Set([3, 5, 8, 9, 11]);

export class HonestClient {
  /** Times of calls while nothing was wrong, in ms. */
  readonly latencies = new LatencyHistogram();
  readonly slowest: { atMs: number; ms: number; what: string }[] = [];
  calls = 0;
  #lastWriteMs = performance.now();
  readonly #name: string;
  readonly #server: TestedServer;
  readonly #ledger: Ledger;
  /** What is known of each key: its mod_revision, 0 for none, or null when it has to be read first. */
  readonly #known = new Map<string, number | null>();
  #written = 0;

  constructor(name: string, server: TestedServer, ledger: Ledger) {
    this.#name = name;
    this.#server = server;
    this.#ledger = ledger;
  }

  /** When a write was acknowledged last, of performance.now(). */
  get lastWriteMs(): number {
    return this.#lastWriteMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const client = await EtcdClient.connect(this.#server.url).catch(() => null);
      if (client === null) {
        await delay(RECONNECT_MS);
        continue;
      }
      try {
        for (let i = 0; !signal.aborted; i++) {
          const key = `${HONEST_PREFIX}${this.#name}/${i % KEYS}`;
          if (i % READ_EVERY === 0 || this.#known.get(key) === null) await this.#read(client, key);
          else await this.#write(client, key);
          await delay(EVERY_MS);
        }
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        await delay(RECONNECT_MS);
      } finally {
        client.lean.destroy();
      }
    }
  }

  /** Reads each key once and compares. */
  async readAll(client: EtcdClient): Promise<void> {
    for (const key of this.#known.keys()) await this.#read(client, key);
  }

  async #read(client: EtcdClient, key: string): Promise<void> {
    const promised = this.#ledger.beginRead();
    const { header, kvs } = await this.#timed("read", client.range(rangeRequest(key)));
    const [kv] = kvs.map((encoded) => decodeKeyValue(encoded));
    const seen: SeenKv | null = kv === undefined ? null : { value: shortValue(kv.value), modRevision: kv.modRevision };
    this.#ledger.read(key, promised, header?.revision ?? 0, seen);
    this.#known.set(key, seen?.modRevision ?? 0);
  }

  async #write(client: EtcdClient, key: string): Promise<void> {
    const value = `${this.#name}-${++this.#written}`;
    const known = this.#known.get(key) ?? 0;
    const promised = this.#ledger.begin(key, value);
    this.#known.set(key, null);
    const swap = txnRequest(
      [put(key, value.padEnd(VALUE_BYTES, "."))],
      [range(key)],
      [compare(key, { target: TARGET_MOD, union: UNION_MOD, number: known })],
    );
    try {
      const { header, succeeded } = await this.#timed("write", client.txn(swap));
      if (!succeeded) {
        // Nobody else writes it, so a write that was unknown has come true.
        this.#ledger.refuse(key, value);
        return;
      }
      this.#known.set(key, header?.revision ?? 0);
      this.#ledger.acknowledge(key, value, promised, header?.revision ?? 0);
      this.#lastWriteMs = performance.now();
    } catch (error) {
      if (error instanceof GrpcError && REFUSALS.has(error.code)) this.#ledger.refuse(key, value);
      else this.#ledger.leaveUnknown();
      throw error;
    }
  }

  async #timed<T>(what: string, call: Promise<T>): Promise<T> {
    const sentMs = performance.now();
    this.calls++;
    const answer = await call;
    const ms = performance.now() - sentMs;
    if (!this.#server.wasWell(sentMs, sentMs + ms)) return answer;
    this.latencies.add(ms);
    if (ms > 100) this.slowest.push({ atMs: sentMs, ms, what });
    return answer;
  }
}

/** A value without its filling. */
export function shortValue(value: Buffer): string {
  return value.toString("latin1").replace(/\.+$/, "");
}
