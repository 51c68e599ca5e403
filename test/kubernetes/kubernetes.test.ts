/**
 * The proof of the main job: real kube-apiservers on Plinth, and the very same script on a real etcd, so that what a test
 * expects is what etcd does. The tests of one store share one cluster and run in order; each has a namespace of its own.
 */
/* oxlint-disable vitest/expect-expect -- The steps expect. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ensurePeer, goMissingReason, type PeerName } from "../../bench/peers/build.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { conflicts } from "./steps/conflicts.ts";
import { consistentReadsFromCache, watchLists } from "./steps/consistent-reads.ts";
import { outagesUnderLoad } from "./steps/outages.ts";
import { customResources } from "./steps/custom-resources.ts";
import { everydayObjects } from "./steps/everyday-objects.ts";
import { expiringEvents } from "./steps/expiring-events.ts";
import {
  apiserversAreContent,
  apiserversKnowEachOther,
  cachesEqualStore,
  compactsByItself,
} from "./steps/housekeeping.ts";
import { pagedLists } from "./steps/paged-lists.ts";
import { watchedObjects } from "./steps/watched-objects.ts";
import { startEtcdStore, startPlinthStore } from "../support/stores.ts";

const peers: readonly PeerName[] = ["etcd", "etcdctl", "kubectl", "kube-apiserver"];

const stepMilliseconds = 90_000;
// The first build of a kube-apiserver takes its time; later runs find it ready.
const buildMilliseconds = 60 * 60 * 1000;

// Where the peers are required, a missing Go is a failure with the same reason: ensurePeer gives it.
const skipReason = process.env["PLINTH_REQUIRE_PEERS"] === "1" ? null : goMissingReason();
const title = skipReason === null ? "kube-apiserver" : `kube-apiserver (skipped: ${skipReason})`;

describe.skipIf(skipReason !== null).each([
  ["Plinth", startPlinthStore],
  ["etcd", startEtcdStore],
] as const)(`${title} on %s`, { timeout: stepMilliseconds }, (_name, startStore) => {
  let cluster: Cluster;
  let compactedTo = 0;

  beforeAll(async () => {
    for (const peer of peers) await ensurePeer(peer);
    cluster = await startCluster(startStore);
  }, buildMilliseconds);

  afterAll(async () => {
    await cluster?.remove();
  });

  test("two apiservers are ready and find each other in the store", async () => {
    await apiserversKnowEachOther(cluster);
  });

  test("kubectl makes, changes, looks at and removes the common kinds", async () => {
    await everydayObjects(cluster);
  });

  test("a custom resource definition is established and its objects are stored", async () => {
    await customResources(cluster);
  });

  test("events expire, and a watch shows what they were", async () => {
    await expiringEvents(cluster);
  });

  test("among concurrent updates of one version exactly one wins", async () => {
    await conflicts(cluster);
  });

  test("lists from the watch cache show every write that was answered before", async () => {
    await consistentReadsFromCache(cluster);
  });

  test("a watch can begin with all objects", async () => {
    await watchLists(cluster);
  });

  test("1000 objects are created, updated and deleted, and all who watch see each change once and in order", async () => {
    await watchedObjects(cluster);
  });

  test("1000 objects are listed page by page as of one moment, through writes and compactions", async () => {
    compactedTo = await pagedLists(cluster);
    expect(compactedTo).toBeGreaterThan(0);
  });

  test("while the store is up no cache falls behind and no apiserver complains", async () => {
    await cachesEqualStore(cluster, ["consistent", "watched", "paged"]);
    await apiserversAreContent(cluster, "strict");
  });

  test("killed and stopped under load, the store comes back with all it acknowledged, and the watches go on", async () => {
    await outagesUnderLoad(cluster);
  });

  test("the apiservers compact the store", async () => {
    await compactsByItself(cluster, compactedTo);
  });

  test("after the outages the caches equal the store and no apiserver complains", async () => {
    await apiserversKnowEachOther(cluster);
    await cachesEqualStore(cluster, ["consistent", "paged", "outages"]);
    await apiserversAreContent(cluster, "lenient");
  });
});
