/** What a store without a majority of its replicas does, and does not do. */
import assert from "node:assert/strict";
import { rangeRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import { GrpcError } from "../../bench/client/lean-client.ts";
import { delay } from "../support/delay.ts";
import { EtcdClient, eventsOf } from "../support/etcd-client.ts";
import type { TestedStore } from "./tested-store.ts";

const UNAVAILABLE = 14;
const STILL_MS = 700;
const EVERYTHING = { rangeEnd: Buffer.from([0]) };

/**
 * Serializable reads are answered, and watches.
 *
 * @throws when they are not
 */
export async function readsGoOn(store: TestedStore): Promise<void> {
  const etcd = await EtcdClient.connect(store.serving.process.url);
  try {
    await etcd.range(rangeRequest("/registry/", { ...EVERYTHING, serializable: true, limit: 10 }));
    const last = store.collected;
    const watch = etcd.watch();
    await watch.create(watchCreateRequest("\0", { ...EVERYTHING, startRevision: last }));
    const [event] = eventsOf(await watch.next());
    assert.equal(event.kv?.modRevision, last, "a watch tells what is known to be committed");
  } finally {
    etcd.lean.destroy();
  }
}

/** Resolves when the store stands still, as far as it says itself. */
export async function writesStop(store: TestedStore): Promise<void> {
  const etcd = await EtcdClient.connect(store.serving.process.url);
  try {
    for (const deadline = performance.now() + store.patienceMs; ;) {
      const before = await revisionOf(etcd);
      await delay(STILL_MS);
      if ((await revisionOf(etcd)) === before) return;
      assert(performance.now() < deadline, "writes go on without a majority");
    }
  } finally {
    etcd.lean.destroy();
  }
}

async function revisionOf(etcd: EtcdClient): Promise<number> {
  const { header } = await etcd.range(rangeRequest("/", { serializable: true }));
  return header?.revision ?? 0;
}

/**
 * Resolves when linearizable reads are refused.
 *
 * @throws when they are not
 */
export async function readsAreRefused(store: TestedStore): Promise<void> {
  const etcd = await EtcdClient.connect(store.serving.process.url);
  try {
    // What was confirmed before may be counted on for a moment.
    for (const deadline = performance.now() + store.patienceMs; ;) {
      const refusal = await etcd.range(rangeRequest("/")).then(
        () => null,
        (error: unknown) => error,
      );
      if (refusal === null) {
        assert(performance.now() < deadline, "linearizable reads are answered without a majority");
        continue;
      }
      assert(refusal instanceof GrpcError && refusal.code === UNAVAILABLE, `unavailable, and not ${String(refusal)}`);
      break;
    }
  } finally {
    etcd.lean.destroy();
  }
}
