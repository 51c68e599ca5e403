/** Do the counters count what etcd's count? The same requests are given to both, and their scrapes compared. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { goMissingReason } from "../../../bench/peers/build.ts";
import {
  del,
  deleteRequest,
  nested,
  prefixWatch,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
} from "../../../bench/client/requests.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import type { Store } from "../../support/stores.ts";
import { startEtcdStore, startPlinthStore } from "../../support/stores.ts";
import { parseExposition } from "./exposition.ts";

const COUNTED = [
  "etcd_mvcc_range_total",
  "etcd_mvcc_put_total",
  "etcd_mvcc_delete_total",
  "etcd_mvcc_txn_total",
  "etcd_debugging_mvcc_total_put_size_in_bytes",
  "etcd_debugging_mvcc_db_compaction_keys_total",
  "etcd_debugging_mvcc_keys_total",
  "etcd_debugging_mvcc_current_revision",
  "etcd_debugging_mvcc_compact_revision",
  "etcd_debugging_mvcc_events_total",
  "etcd_debugging_mvcc_watcher_total",
  "etcd_debugging_mvcc_watch_stream_total",
  "etcd_debugging_mvcc_pending_events_total",
  "etcd_debugging_lease_granted_total",
  "etcd_debugging_lease_revoked_total",
  "etcd_debugging_lease_renewed_total",
  "etcd_debugging_server_lease_expired_total",
  "etcd_debugging_lease_ttl_total_sum",
  "etcd_debugging_lease_ttl_total_count",
  "etcd_server_leader_changes_seen_total",
  "etcd_server_proposals_failed_total",
] as const;

const goMissing = goMissingReason();
let stores: Store[] = [];

beforeAll(async () => {
  if (goMissing === null) stores = await Promise.all([startPlinthStore(), startEtcdStore()]);
});

afterAll(() => Promise.all(stores.map((store) => store.remove())));

/** What etcd counts of its own inner doings: a range for the compaction. It does so for compares and prev_kv, which are left out. */
const ETCDS_OWN = new Map<string, number>([["etcd_mvcc_range_total", 1]]);

/** One step for each thing that is counted. */
const STEPS: readonly ((client: EtcdClient) => Promise<unknown>)[] = [
  (client) => client.put(putRequest("a", "value")),
  (client) => client.put(putRequest("a", "", { lease: 99n })).catch(() => null),
  (client) => client.range(rangeRequest("a")),
  (client) => client.rangeStream(rangeRequest("a")),
  (client) => client.deleteRange(deleteRequest("nothing")),
  (client) => client.deleteRange(deleteRequest("a")),
  (client) => client.txn(txnRequest([])),
  (client) => client.txn(txnRequest([put("b", "1")])),
  (client) => client.txn(txnRequest([put("b", "12"), put("c")])),
  (client) => client.txn(txnRequest([range("b")])),
  (client) => client.txn(txnRequest([range("b"), range("c")])),
  (client) => client.txn(txnRequest([put("b", "123"), range("b"), del("nothing")])),
  (client) => client.txn(txnRequest([nested([put("d"), del("e")]), nested([range("d")])])),
  async (client) => {
    await client.leaseGrant({ ID: 5n, TTL: 60 });
    for (const key of ["leased/1", "leased/2"]) await client.put(putRequest(key, "", { lease: 5n }));
    const keepAlive = client.keepAlive();
    for (const ID of [5n, 77n]) {
      keepAlive.send({ ID });
      await keepAlive.next();
    }
    keepAlive.stream.cancel();
    await client.leaseRevoke(5n);
    await client.leaseRevoke(5n).catch(() => null);
  },
  async (client) => {
    await client.leaseGrant({ ID: 6n, TTL: 2 });
    await client.put(putRequest("leased/3", "", { lease: 6n }));
    const stream = client.watch();
    await stream.create(prefixWatch("leased/", { startRevision: 2 }));
    // The last is the end of the lease.
    await stream.nextEvents(6);
    stream.stream.cancel();
  },
  (client) => client.watch().create(prefixWatch("idle/")),
  async (client) => {
    const { header } = await client.put(putRequest("last"));
    await client.compact({ revision: header?.revision ?? 0, physical: true });
  },
];

test.skipIf(goMissing !== null)(`the same requests count the same as in etcd${goMissing ?? ""}`, async () => {
  const clients = await Promise.all(
    stores.map(async (store) => {
      const client = await EtcdClient.connect(store.url);
      for (const step of STEPS) await step(client);
      return client;
    }),
  );
  // The end of a stream and of a removal are noticed a little later.
  await expect
    .poll(async () => {
      const [plinths, etcds] = await Promise.all(stores.map(counts));
      return COUNTED.filter((name, i) => plinths[i] + (ETCDS_OWN.get(name) ?? 0) !== etcds[i]);
    })
    .toEqual([]);
  for (const client of clients) await client.close();
});

async function counts(store: Store): Promise<number[]> {
  const { samples } = parseExposition(await (await fetch(`${store.url}/metrics`)).text());
  return COUNTED.map((name) => samples.get(name) ?? Number.NaN);
}
