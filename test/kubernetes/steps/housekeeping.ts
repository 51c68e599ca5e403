/** What the apiservers do on their own with the store: they compact it, and hold their caches against it. */
import { setTimeout as delay } from "node:timers/promises";

import { expect } from "vitest";

import { type ApiClient, core, type KubeObject } from "../api-client.ts";
import { type Cluster, compactionIntervalSeconds } from "../cluster.ts";
import { etcdctl } from "../../support/etcdctl.ts";
import { watchStore } from "../etcdctl.ts";
import { WatchStream } from "../watch-stream.ts";
import { alarmingLines, consistentReads, failedConsistencyChecks, samplesOf } from "../server-health.ts";

/** Where the apiservers agree on who compacts, and up to where. */
const compactionKey = "compact_rev_key";

const compactedMillisecondsMax = 10_000;
const compactedPollMilliseconds = 50;

const advertisedAddresses = ["192.0.2.1", "192.0.2.2"];

/** Waits until an apiserver has compacted beyond the revision. */
export async function compactsByItself(cluster: Cluster, beyond: number): Promise<void> {
  const { url } = cluster.store;
  const watch = await watchStore(url, compactionKey, 0);
  try {
    // The latest one may have been the wanted one already; if not, no more than two turns are missing.
    const latest = await etcdctl(url, ["get", "--print-value-only", compactionKey]);
    let compacted = Number(latest.stdout);
    if (compacted <= beyond) {
      const isWanted = ({ value }: { value: string }): boolean => Number(value) > beyond;
      const wait = 3 * compactionIntervalSeconds * 1000;
      compacted = Number((await watch.events.first("a compaction", isWanted, wait)).value);
    }
    await untilCompacted(url, compacted);
  } finally {
    await watch.close();
  }
}

/** The key is written before the compaction is asked for, and nothing else tells of it. */
async function untilCompacted(url: string, revision: number): Promise<void> {
  const deadline = Date.now() + compactedMillisecondsMax;
  for (;;) {
    const { stderr } = await etcdctl(url, ["get", `--rev=${revision - 1}`, compactionKey]);
    if (stderr.includes("mvcc: required revision has been compacted")) break;
    if (Date.now() > deadline) throw new Error(`revision ${revision - 1} is still there: ${stderr}`);
    await delay(compactedPollMilliseconds);
  }
}

/**
 * What the apiserver's own check does every few minutes: the cache at its revision is the store at that revision. Its own
 * has no way to be asked for, and a test has no minutes.
 */
export async function cachesEqualStore(cluster: Cluster, namespaces: readonly string[]): Promise<void> {
  const collections = ["/api/v1/namespaces", ...namespaces.map((namespace) => core(namespace, "configmaps"))];
  for (const collection of collections) {
    // Without a revision, it brings its cache up to date: where an idle one stands may be compacted by now.
    const inCache = await cluster.cached.list(collection);
    const { resourceVersion } = inCache.metadata;
    const exact = { resourceVersion, resourceVersionMatch: "Exact" };
    const inStore = await cluster.direct.list(collection, exact);
    expect(inStore.metadata.resourceVersion).toBe(resourceVersion);
    expect(inStore.items.map(identity)).toEqual(inCache.items.map(identity));
  }
}

/** Each apiserver keeps a lease in the store, and the service "kubernetes" leads to all who do: waits until it does. */
export async function apiserversKnowEachOther(cluster: Cluster): Promise<void> {
  const watch = new WatchStream(cluster.direct.server, core("default", "endpoints"), "0");
  try {
    await watch.events.first("both addresses", ({ object }) => {
      const { subsets = [] } = object as Endpoints;
      const addresses = subsets.flatMap((subset) => subset.addresses.map(({ ip }) => ip));
      return addresses.toSorted().join() === advertisedAddresses.join();
    });
  } finally {
    await watch.close();
  }
}

interface Endpoints extends KubeObject {
  readonly subsets?: readonly { readonly addresses: readonly { readonly ip: string }[] }[];
}

/** No apiserver has anything to complain about; `reads` is strict about lists while the store was never away. */
export async function apiserversAreContent(cluster: Cluster, reads: "strict" | "lenient"): Promise<void> {
  for (const client of cluster.both) {
    const page = await client.metrics();
    expect(failedConsistencyChecks(page)).toEqual([]);
    if (reads === "strict") expect(consistentReads(page).late).toEqual([]);
    // The size comes from the Status of one of the store's addresses, drawn for each scrape, and a standby tells none.
    const sizes = samplesOf(page, "apiserver_storage_size_bytes").map(({ value }) => value > 0);
    if (cluster.store.clientUrls === cluster.store.url) expect(sizes).toEqual([true]);
    expect(alarmingLines(client.server.logFile)).toEqual([]);
    await expectReady(client);
  }
  // Only with a version that it takes for new enough does an apiserver read the latest state from its cache.
  expect(consistentReads(await cluster.cached.metrics()).fromCache).toBeGreaterThan(0);
}

async function expectReady(client: ApiClient): Promise<void> {
  const { status, body } = await client.server.request("GET", "/readyz?verbose");
  expect(status, body).toBe(200);
}

function identity({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}/${metadata.resourceVersion}`;
}
