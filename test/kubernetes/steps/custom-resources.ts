/** A kind that the apiserver did not know before: custom resources are stored as JSON, unlike all other objects. */
import { setTimeout as delay } from "node:timers/promises";

import { expect } from "vitest";

import { type ApiClient, core, type KubeObject, RefusedError } from "../api-client.ts";
import type { Cluster } from "../cluster.ts";
import { WatchStream } from "../watch-stream.ts";

const namespace = "custom";
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const definitionName = "widgets.plinth.example";
const widgets = `/apis/plinth.example/v1/namespaces/${namespace}/widgets`;

const servedMillisecondsMax = 20_000;
const servedPollMilliseconds = 50;

export async function customResources(cluster: Cluster): Promise<void> {
  const { cached, direct } = cluster;
  await cluster.createNamespace(namespace);
  const before = (await cached.list(definitions)).metadata.resourceVersion;
  const watch = new WatchStream(cached.server, definitions, before);
  try {
    await cluster.kubectl(["apply", "--filename=-"], definition());
    await watch.events.first("the definition being established", ({ object }) => isEstablished(object));
  } finally {
    await watch.close();
  }
  await Promise.all(cluster.both.map((client) => untilServed(client)));

  const widget = { apiVersion: "plinth.example/v1", kind: "Widget", metadata: { name: "one" }, spec: { size: 1 } };
  const created = await direct.create(widgets, widget);
  expect((await cached.list(widgets)).items).toMatchObject([{ metadata: { name: "one" }, spec: { size: 1 } }]);
  const updated = await cached.update(widgets, { ...created, spec: { size: 2 } });
  expect(await direct.get(widgets, "one")).toMatchObject({
    metadata: { resourceVersion: updated.metadata.resourceVersion },
    spec: { size: 2 },
  });
  await direct.delete(`${widgets}/one`);
  expect((await cached.list(widgets)).items).toEqual([]);
  // The namespace's other objects are none of the widgets' business.
  expect((await cached.list(core(namespace, "configmaps"))).items).toEqual([]);
}

function isEstablished(object: KubeObject): boolean {
  const conditions = (object.status?.["conditions"] ?? []) as readonly { type: string; status: string }[];
  return conditions.some(({ type, status }) => type === "Established" && status === "True");
}

/** Each apiserver serves the new kind when its own watch has shown it the definition: it has to be asked. */
async function untilServed(client: ApiClient): Promise<void> {
  const deadline = Date.now() + servedMillisecondsMax;
  for (;;) {
    try {
      await client.list(widgets);
      return;
    } catch (error) {
      if (!(error instanceof RefusedError) || Date.now() > deadline) throw error;
      await delay(servedPollMilliseconds);
    }
  }
}

function definition(): string {
  return JSON.stringify({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: definitionName },
    spec: {
      group: "plinth.example",
      scope: "Namespaced",
      names: { plural: "widgets", singular: "widget", kind: "Widget" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: { spec: { type: "object", properties: { size: { type: "integer" } } } },
            },
          },
        },
      ],
    },
  });
}
