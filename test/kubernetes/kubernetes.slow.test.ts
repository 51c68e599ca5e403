/**
 * The proof of the main job: real kube-apiservers on Plinth, and the very same script on a real etcd, so that what a test
 * expects is what etcd does. The newest version runs it as it comes and without RangeStream, the one before it as it is.
 * The tests of one cluster run in order; each has a namespace of its own.
 */
/* oxlint-disable vitest/expect-expect -- The steps expect. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { goMissingReason } from "../../bench/peers/build.ts";
import { type Cluster, type Kube, startCluster } from "./cluster.ts";
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
import { listsAsAsked } from "./steps/streamed-lists.ts";
import { pagedLists } from "./steps/paged-lists.ts";
import { rotatedCertificates } from "./steps/rotated-certificates.ts";
import { watchedObjects } from "./steps/watched-objects.ts";
import { startMutualTlsPlinthStore } from "../support/mutual-tls-store.ts";
import {
  startEtcdStore,
  startPlinthStore,
  startReplicatedPlinthStore,
  startStandbyPlinthStore,
  startZonedPlinthStore,
} from "../support/stores.ts";

const stepMilliseconds = 90_000;
/** For a store and two apiservers that start at the same time on a busy machine. */
const startMilliseconds = 300_000;
const skipReason = goMissingReason();
const title = skipReason === null ? "kube-apiserver" : `kube-apiserver (skipped: ${skipReason})`;

const newest: Kube = { version: "1.37", streams: true };
const newestPaging: Kube = { version: "1.37", streams: false };
const previous: Kube = { version: "1.36", streams: false };

describe.skipIf(skipReason !== null).each([
  ["1.37 on Plinth", newest, startPlinthStore],
  ["1.37 on etcd", newest, startEtcdStore],
  ["1.37 without RangeStream on Plinth over mutual TLS", newestPaging, startMutualTlsPlinthStore],
  ["1.36 on Plinth with three replicas, one of them away", previous, startZonedPlinthStore],
  ["1.36 on Plinth with three replicas in other processes, one of them killed", previous, startReplicatedPlinthStore],
  ["1.36 on Plinth with a standby that takes over", previous, startStandbyPlinthStore],
] as const)(`${title} %s`, { timeout: stepMilliseconds }, (_name, kube, startStore) => {
  let cluster: Cluster;
  let compactedTo = 0;

  beforeAll(async () => {
    cluster = await startCluster(kube, startStore);
  }, startMilliseconds);

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

  test("lists come from the store as streams or as pages, whichever this version asks for", async () => {
    await listsAsAsked(cluster);
  });

  test("the store's certificate is replaced under load, and no request fails", async () => {
    await rotatedCertificates(cluster);
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
