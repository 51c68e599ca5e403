/** What a person does with kubectl: the common kinds, made, changed, looked at and removed. */
import { expect } from "vitest";

import type { KubeList, KubeObject } from "../api-client.ts";
import type { Cluster } from "../cluster.ts";

const namespace = "everyday";

export async function everydayObjects(cluster: Cluster): Promise<void> {
  const inNamespace = (...args: readonly string[]): readonly string[] => [`--namespace=${namespace}`, ...args];
  const getJson = async (...args: readonly string[]): Promise<KubeObject> =>
    JSON.parse(await cluster.kubectl(inNamespace("get", "--output=json", ...args))) as KubeObject;

  expect(await cluster.kubectl(["create", "namespace", namespace])).toContain(`namespace/${namespace} created`);

  const created = await cluster.kubectl(inNamespace("apply", "--filename=-"), manifest("hello"));
  expect(created.trim().split("\n")).toEqual([
    "configmap/settings created",
    "secret/password created",
    "pod/worker created",
  ]);
  expect(await getJson("configmap", "settings")).toMatchObject({ data: { greeting: "hello" } });
  expect(await getJson("secret", "password")).toMatchObject({ data: { password: "c2VjcmV0" } });
  // Nothing here runs pods: it stays what the apiserver makes of it.
  expect(await getJson("pod", "worker")).toMatchObject({ status: { phase: "Pending" } });

  const applied = await cluster.kubectl(inNamespace("apply", "--filename=-"), manifest("goodbye"));
  expect(applied.trim().split("\n")).toEqual([
    "configmap/settings configured",
    "secret/password unchanged",
    "pod/worker unchanged",
  ]);
  await cluster.kubectl(inNamespace("label", "pod", "worker", "tier=back"));
  await cluster.kubectl(inNamespace("patch", "configmap", "settings", "--patch", '{"data":{"more":"than before"}}'));
  expect(await getJson("configmap", "settings")).toMatchObject({
    data: { greeting: "goodbye", more: "than before" },
  });
  const labelled = (await getJson("pods", "--selector=tier=back")) as unknown as KubeList;
  expect(labelled.items.map((item) => item.metadata.name)).toEqual(["worker"]);

  await cluster.kubectl(inNamespace("delete", "pod/worker", "secret/password", "configmap/settings", "--now"));
  const left = await cluster.kubectl(inNamespace("get", "pods,secrets,configmaps", "--output=name"));
  expect(left).toBe("");
}

function manifest(greeting: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "List",
    items: [
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { greeting } },
      { apiVersion: "v1", kind: "Secret", metadata: { name: "password" }, data: { password: "c2VjcmV0" } },
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "worker" },
        spec: { containers: [{ name: "main", image: "registry.example/worker:1" }] },
      },
    ],
  });
}
