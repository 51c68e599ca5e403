/** Many clients on one object: every update is a compare-and-swap in the store, and exactly one of them may win. */
import { expect } from "vitest";

import { configMap, core, inParallel, type KubeObject, refusalFrom, RefusedError } from "../api-client.ts";
import type { Cluster } from "../cluster.ts";

const namespace = "conflicts";
const configMaps = core(namespace, "configmaps");
const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;

const contenders = 8;
const rounds = 10;
const conflict = 409;

export async function conflicts(cluster: Cluster): Promise<void> {
  const { cached, direct } = cluster;
  await cluster.createNamespace(namespace);

  const first = await cached.create(configMaps, configMap("contended", { round: "0" }));
  expect(await refusalFrom(direct.create(configMaps, configMap("contended", {})))).toMatchObject({
    code: conflict,
    reason: "AlreadyExists",
  });

  let current: KubeObject = first;
  for (let round = 1; round <= rounds; round++) {
    const wins = await race(cluster, current, round);
    expect(wins).toHaveLength(1);
    current = wins[0] as KubeObject; // There is one: the line before says so.
    expect(await direct.get(configMaps, "contended")).toEqual(current);
  }
  expect(await refusalFrom(cached.update(configMaps, { ...first, data: { round: "late" } }))).toMatchObject({
    code: conflict,
    reason: "Conflict",
  });

  await expect(deleteVersion(cluster, first)).rejects.toThrow("(Conflict)");
  expect(await direct.get(configMaps, "contended")).toEqual(current);
  await deleteVersion(cluster, current);
  expect(await refusalFrom(cached.get(configMaps, "contended"))).toMatchObject({ code: 404, reason: "NotFound" });

  await electLeaders(cluster);
}

/** All write the same version of the object, half of them through each apiserver; gives what was accepted. */
async function race(cluster: Cluster, current: KubeObject, round: number): Promise<readonly KubeObject[]> {
  const clients = Array.from({ length: contenders }, (_, index) => cluster.both[index % 2] ?? cluster.cached);
  const results = await inParallel(clients, contenders, async (client, index) => {
    try {
      return await client.update(configMaps, { ...current, data: { round: String(round), winner: String(index) } });
    } catch (error) {
      if (error instanceof RefusedError && error.refusal.code === conflict) return null;
      throw error;
    }
  });
  return results.filter((result) => result !== null);
}

/** Deletes the object if this is still its version. */
async function deleteVersion(cluster: Cluster, { metadata }: KubeObject): Promise<void> {
  const preconditions = { resourceVersion: metadata.resourceVersion };
  const options = JSON.stringify({ apiVersion: "v1", kind: "DeleteOptions", preconditions });
  await cluster.kubectl(["delete", `--raw=${configMaps}/${metadata.name}`, "--filename=-"], options);
}

/** As client-go's leader election does it: candidates count in turns in one Lease, and lose no count to one another. */
async function electLeaders(cluster: Cluster): Promise<void> {
  const lease = (holder: string, transitions: number, metadata: KubeObject["metadata"]): KubeObject => ({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata,
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: 15,
      leaseTransitions: transitions,
      renewTime: new Date().toISOString().replace("Z", "000Z"),
    },
  });
  await cluster.direct.create(leases, lease("nobody", 0, { name: "leader" }));
  const candidates = ["one", "two", "three", "four"];
  const turns = 5;
  await inParallel(candidates, candidates.length, async (holder, index) => {
    const client = cluster.both[index % 2] ?? cluster.cached;
    for (let won = 0; won < turns;) {
      const held = await client.get(leases, "leader");
      const transitions = Number(held.spec?.["leaseTransitions"]) + 1;
      try {
        await client.update(leases, lease(holder, transitions, held.metadata));
        won += 1;
      } catch (error) {
        // Another one was quicker: look again.
        if (!(error instanceof RefusedError) || error.refusal.code !== conflict) throw error;
      }
    }
  });
  const spec = (await cluster.cached.get(leases, "leader")).spec;
  expect(spec).toMatchObject({ leaseTransitions: candidates.length * turns });
}
