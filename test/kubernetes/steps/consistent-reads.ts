/**
 * A list without a resource version shows every write that was answered before, whichever apiserver answered it. The one
 * with a cache keeps that promise only if the store, asked for the progress of a watch, never tells too much or nothing.
 */
import { expect } from "vitest";

import { configMap, core, inParallel } from "../api-client.ts";
import type { Cluster } from "../cluster.ts";
import { consistentReads } from "../server-health.ts";
import { WatchStream } from "../watch-stream.ts";

const namespace = "consistent";
const configMaps = core(namespace, "configmaps");
const secrets = core(namespace, "secrets");

const writers = 4;
const writesEach = 25;

export async function consistentReadsFromCache(cluster: Cluster): Promise<void> {
  const { cached, direct } = cluster;
  await cluster.createNamespace(namespace);
  const before = consistentReads(await cached.metrics());
  await inParallel(Array.from({ length: writers }), writers, async (_, writer) => {
    for (let index = 0; index < writesEach; index++) {
      const name = `object-${writer}-${index}`;
      const created = await direct.create(configMaps, configMap(name, { writer: String(writer) }));
      const list = await cached.list(configMaps);
      expect(list.items.map((item) => item.metadata.name)).toContain(name);
      // No secret changes here: only a progress notification can bring its cache to this revision.
      const others = await cached.list(secrets);
      expect(Number(others.metadata.resourceVersion)).toBeGreaterThanOrEqual(Number(created.metadata.resourceVersion));
    }
  });
  const after = consistentReads(await cached.metrics());
  expect(after.fromCache - before.fromCache).toBeGreaterThanOrEqual(writers * writesEach * 2);
  expect(after.late).toEqual([]);
}

/** A watch that begins with all objects, which newer clients use in place of a list. */
export async function watchLists(cluster: Cluster): Promise<void> {
  const expected = (await cluster.direct.list(configMaps)).items.map((item) => item.metadata.name);
  expect(expected).toHaveLength(writers * writesEach);
  for (const { server } of cluster.both) {
    const query = { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan" };
    const watch = new WatchStream(server, configMaps, "", query);
    try {
      const end = await watch.events.first("the end of the initial events", ({ type }) => type === "BOOKMARK");
      expect(end.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
      const initial = watch.events.all.filter(({ type }) => type === "ADDED").map(({ object }) => object.metadata.name);
      expect(initial.toSorted()).toEqual(expected);
    } finally {
      await watch.close();
    }
  }
}
