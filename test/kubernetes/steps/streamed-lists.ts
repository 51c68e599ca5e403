/** Which of the store's two calls for lists an apiserver makes, by the store's own count. */
import { expect } from "vitest";

import { core } from "../api-client.ts";
import type { Cluster } from "../cluster.ts";
import { samplesOf } from "../server-health.ts";

/** The step that lists page by page leaves some hundred objects. */
const configMaps = core("paged", "configmaps");

/** To be called before the store is restarted for the first time: with it, its counts begin anew. */
export async function listsAsAsked(cluster: Cluster): Promise<void> {
  const { kube, store, direct } = cluster;
  const before = await callsStarted(store.url);
  const { items } = await direct.list(configMaps);
  expect(items.length).toBeGreaterThan(100);
  const method = kube.streams ? "rangeStream" : "range";
  // The store may show the same page of metrics for a second.
  await expect.poll(async () => (await callsStarted(store.url))[method]).toBeGreaterThan(before[method]);
  // None at all since the start: the caches fill themselves by lists and watches, too.
  if (!kube.streams) expect((await callsStarted(store.url)).rangeStream).toBe(0);
}

async function callsStarted(url: string): Promise<{ readonly range: number; readonly rangeStream: number }> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const started = samplesOf(page, "grpc_server_started_total");
  const ofMethod = (method: string): number =>
    started
      .filter(({ labels }) => labels["grpc_service"] === "etcdserverpb.KV" && labels["grpc_method"] === method)
      .reduce((sum, { value }) => sum + value, 0);
  return { range: ofMethod("Range"), rangeStream: ofMethod("RangeStream") };
}
