/** The road of docs/migrating.md with a kube-apiserver on top: its objects, their resource versions and its watches come along. */
import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { goMissingReason } from "../../bench/peers/build.ts";
import { startEtcd } from "../../bench/peers/etcd.ts";
import { type KubeApiserver, startKubeApiserver } from "../../bench/peers/kube-apiserver.ts";
import { endpointHashKv, restoreSnapshot, saveSnapshot, startRestored } from "../support/etcd-backups.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { ApiClient, core, type KubeObject, type StoredObject } from "./api-client.ts";
import { WatchStream } from "./watch-stream.ts";

const milliseconds = 600_000;
const root = path.join(import.meta.dirname, "..", "..");
const skipReason = goMissingReason();
const title = skipReason === null ? "" : ` (skipped: ${skipReason})`;

const NAMESPACE = "moves";
const MAPS = core(NAMESPACE, "configmaps");
const OBJECTS = 20;

function configMap(number: number, text: string): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `map-${number}` }, data: { text } };
}

/** Whose answers are the store's, and not those of a cache that began after the move. */
async function apiserverOn(url: string): Promise<{ server: KubeApiserver; client: ApiClient }> {
  const server = await startKubeApiserver({ version: "1.37", etcdServers: url, flags: ["--watch-cache=false"] });
  return { server, client: new ApiClient(server) };
}

/** What a client knows of the objects of these tests: names, what they hold, and their resource versions. */
async function known(client: ApiClient): Promise<unknown[]> {
  const { items } = await client.list(MAPS);
  return items.map(({ metadata, data }) => [metadata.name, metadata.uid, metadata.resourceVersion, data]);
}

/** What a watch from there on shows up to the first deletion. */
async function eventsFrom(server: KubeApiserver, resourceVersion: string): Promise<string[]> {
  const watch = new WatchStream(server, MAPS, resourceVersion);
  try {
    await watch.events.first("a deletion", ({ type }) => type === "DELETED");
    return watch.events.all
      .filter(({ type }) => type !== "BOOKMARK")
      .map(({ type, object }) => `${type} ${object.metadata.name} ${object.metadata.resourceVersion}`);
  } finally {
    await watch.close();
  }
}

describe.skipIf(skipReason !== null)("a kube-apiserver's store", () => {
  test(`goes from etcd to Plinth and back, and the apiserver goes on${title}`, { timeout: milliseconds }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "plinth-moves-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const file = path.join(folder, "etcd.db");

    const etcd = await startEtcd();
    onTestFinished(() => etcd.kill().catch(() => {}));
    const first = await apiserverOn(etcd.url);
    await first.client.create("/api/v1/namespaces", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: NAMESPACE },
    });
    const made: StoredObject[] = [];
    for (let i = 0; i < OBJECTS; i++) made.push(await first.client.create(MAPS, configMap(i, "first")));
    const seenTo = made[OBJECTS - 1].metadata.resourceVersion;
    for (const i of [3, 5]) await first.client.update(MAPS, configMap(i, "second"));
    await first.client.delete(`${MAPS}/map-7`);
    const changes = await eventsFrom(first.server, seenTo);
    expect(changes).toHaveLength(3);
    const before = await known(first.client);
    await first.server.stop();
    await saveSnapshot(etcd.url, file);
    const etcdHash = await endpointHashKv(etcd.url);
    await etcd.stop();

    const dataDir = path.join(folder, "plinth");
    const args = ["server/main.ts", "import", `--from=${file}`, `--data-dir=${dataDir}`];
    expect(spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" })).toMatchObject({ status: 0 });
    const plinth = await startPlinth({ dataDir });
    onTestFinished(() => plinth.remove());
    expect(await endpointHashKv(plinth.url)).toEqual(etcdHash);
    const second = await apiserverOn(plinth.url);
    expect(await known(second.client)).toEqual(before);
    // Who was watching goes on from where it was.
    expect(await eventsFrom(second.server, seenTo)).toEqual(changes);
    await second.client.update(MAPS, configMap(5, "third"));
    await second.client.create(MAPS, configMap(OBJECTS, "on Plinth"));
    await second.client.delete(`${MAPS}/map-9`);
    const moved = await known(second.client);
    expect(moved).not.toEqual(before);
    await second.server.stop();
    const back = path.join(folder, "plinth.db");
    await saveSnapshot(plinth.url, back);
    const plinthHash = await endpointHashKv(plinth.url);
    await plinth.stop();

    const restored = await startRestored("3.7", await restoreSnapshot("3.7", back, folder));
    onTestFinished(() => restored.kill().catch(() => {}));
    expect(await endpointHashKv(restored.url)).toEqual(plinthHash);
    const third = await apiserverOn(restored.url);
    expect(await known(third.client)).toEqual(moved);
    const changed = await third.client.update(MAPS, configMap(5, "fourth"));
    expect(changed.data).toEqual({ text: "fourth" });
    await third.server.stop();
  });
});
