/** A thousand objects created, updated and deleted, and each change seen once and in order by all who watch. */
import { expect } from "vitest";

import { configMap, core, inParallel, type StoredObject } from "../api-client.ts";
import type { Cluster } from "../cluster.ts";
import { Ledger, payloadOf } from "../ledger.ts";
import { Observers } from "../observers.ts";

const namespace = "watched";
const configMaps = core(namespace, "configmaps");

const objects = 1_000;
const concurrency = 16;
const groups = 4;
const singleDeletes = 100;

export async function watchedObjects(cluster: Cluster): Promise<void> {
  await cluster.createNamespace(namespace);
  const observers = await Observers.start(cluster, namespace);
  try {
    const ledger = new Ledger();
    const clientOf = (index: number): Cluster["cached"] => cluster.both[index % 2] ?? cluster.cached;

    const indices = Array.from({ length: objects }, (_, index) => index);
    const created = await inParallel(indices, concurrency, async (index) => {
      const name = `object-${index}`;
      const labels = { group: String(index % groups) };
      const object = configMap(name, { payload: payloadOf(name, 0) }, labels);
      const stored = await clientOf(index).create(configMaps, object);
      ledger.stored("ADDED", stored);
      return stored;
    });
    await checkLists(cluster, ledger, objects);

    const updated = await inParallel(created, concurrency, async (object, index) => {
      const payload = payloadOf(object.metadata.name, 1);
      // The other one than it was created through.
      const stored = await clientOf(index + 1).update(configMaps, { ...object, data: { payload } });
      ledger.stored("MODIFIED", stored);
      return stored;
    });
    ledger.checkRevisionsUnique();
    await checkLists(cluster, ledger, objects);

    await inParallel(updated.slice(0, singleDeletes), concurrency, async (object, index) => {
      await clientOf(index).delete(`${configMaps}/${object.metadata.name}`);
    });
    const lastGroup = `group=${groups - 1}`;
    await cluster.direct.delete(`${configMaps}?labelSelector=${encodeURIComponent(lastGroup)}`);
    const isDeleted = (_: StoredObject, index: number): boolean =>
      index < singleDeletes || index % groups === groups - 1;
    const gone = updated.filter((object, index) => isDeleted(object, index));
    for (const object of gone) ledger.deleted(object.metadata.name, payloadOf(object.metadata.name, 1));
    await checkLists(cluster, ledger, objects - gone.length);

    await cluster.cached.delete(configMaps);
    for (const object of updated.filter((each, index) => !isDeleted(each, index))) {
      ledger.deleted(object.metadata.name, payloadOf(object.metadata.name, 1));
    }
    await checkLists(cluster, ledger, 0);

    await observers.check(cluster, ledger);
  } finally {
    await observers.close();
  }
}

async function checkLists(cluster: Cluster, ledger: Ledger, count: number): Promise<void> {
  for (const client of cluster.both) {
    const { items } = await client.list(configMaps);
    expect(items).toHaveLength(count);
    ledger.checkList(items);
  }
}
