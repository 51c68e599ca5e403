/** Events are the one kind that Kubernetes stores with a time to live. */
import { expect } from "vitest";

import { type ApiClient, core, type KubeObject, type StoredObject } from "../api-client.ts";
import type { Cluster } from "../cluster.ts";
import { WatchStream } from "../watch-stream.ts";

const namespace = "expiring";
const events = core(namespace, "events");

export async function expiringEvents(cluster: Cluster): Promise<void> {
  const { cached, direct } = cluster;
  await cluster.createNamespace(namespace);
  const before = (await direct.list(events)).metadata.resourceVersion;
  const watch = new WatchStream(direct.server, events, before);
  try {
    const names = ["first", "second", "third"];
    for (const name of names) await createEvent(cached, namespace, name);
    expect((await direct.list(events)).items.map(({ metadata }) => metadata.name)).toContain("third");
    for (const name of names) await untilExpired(watch, name);
    expect((await direct.list(events)).items).toEqual([]);
    const types = watch.events.all.filter(({ type }) => type !== "BOOKMARK").map(({ type }) => type);
    expect(types.toSorted()).toEqual(["ADDED", "ADDED", "ADDED", "DELETED", "DELETED", "DELETED"]);
  } finally {
    await watch.close();
  }
}

export function createEvent(client: ApiClient, eventNamespace: string, name: string): Promise<StoredObject> {
  const event: KubeObject & Record<string, unknown> = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name },
    involvedObject: { kind: "Pod", namespace: eventNamespace, name: "worker" },
    reason: "Testing",
    message: "this does not last",
    type: "Normal",
  };
  return client.create(core(eventNamespace, "events"), event);
}

/** Waits until the watch shows that the event has gone, and that it was this one. */
export async function untilExpired(watch: WatchStream, name: string): Promise<void> {
  const { object } = await watch.events.first(
    `the end of event ${name}`,
    (event) => event.type === "DELETED" && event.object.metadata.name === name,
  );
  // A deletion shows the object as it was: the store has to send it along.
  expect(object).toMatchObject({ message: "this does not last" });
}
