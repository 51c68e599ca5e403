/** A thousand objects listed page by page: each walk shows one moment, whatever is written meanwhile. */
import { expect } from "vitest";

import {
  type ApiClient,
  configMap,
  core,
  inParallel,
  type KubeList,
  type KubeObject,
  refusalFrom,
  type StoredObject,
} from "../api-client.ts";
import type { Cluster } from "../cluster.ts";
import { etcdctlOutput, storeRevision } from "../etcdctl.ts";
import { WatchStream } from "../watch-stream.ts";

const namespace = "paged";
const configMaps = core(namespace, "configmaps");

const objects = 1_000;
const pageSize = 100;
const concurrency = 16;
const expired = 410;
const timedOut = 504;

/** Gives the revision up to which it compacted the store. */
export async function pagedLists(cluster: Cluster): Promise<number> {
  const { cached, direct } = cluster;
  const { url } = cluster.store;
  await cluster.createNamespace(namespace);
  const names = Array.from({ length: objects }, (_, index) => `item-${String(index).padStart(4, "0")}`);
  const created = await inParallel(names, concurrency, (name) => direct.create(configMaps, configMap(name, {})));
  const snapshot = created.map((object) => identity(object));
  const firstPages = await Promise.all(cluster.both.map((client) => client.list(configMaps, { limit: `${pageSize}` })));

  // While others write, the walks that began before show what was there when they began.
  const [, moving, ...walks] = await Promise.all([
    mutate(direct, created),
    Promise.all(cluster.both.map(async (client) => walk(client, await client.list(configMaps, { limit: "70" })))),
    ...cluster.both.map((client, index) => walk(client, firstPages[index] as KubeList)), // One page for each client.
  ]);
  for (const { items, remaining } of walks) {
    expect(items).toEqual(snapshot);
    expect(remaining).toEqual([900, 800, 700, 600, 500, 400, 300, 200, 100, undefined]);
  }
  // Those that began among the writes show each moment as it was: the same as one big list of that moment.
  for (const { items, resourceVersion } of moving) {
    const whole = await direct.list(configMaps, { resourceVersion, resourceVersionMatch: "Exact" });
    expect(items).toEqual(whole.items.map((object) => identity(object)));
  }
  const printed = await cluster.kubectl([
    "get",
    "configmaps",
    `--namespace=${namespace}`,
    "--chunk-size=150",
    "-oname",
  ]);
  const now = await direct.list(configMaps);
  expect(printed.trim().split("\n")).toEqual(now.items.map(({ metadata }) => `configmap/${metadata.name}`));

  // A compaction keeps the revision that it compacts to.
  const firstPage = await direct.list(configMaps, { limit: `${pageSize}` });
  await write(direct, "after-the-first-page");
  await etcdctlOutput(url, ["compact", firstPage.metadata.resourceVersion]);
  expect((await walk(direct, firstPage)).items).toEqual(now.items.map((object) => identity(object)));

  // One to a later revision takes it away.
  const compactedTo = await storeRevision(url);
  await etcdctlOutput(url, ["compact", String(compactedTo)]);
  const refusal = await refusalFrom(walk(direct, firstPage));
  expect(refusal).toMatchObject({ code: expired, reason: "Expired" });
  expect(refusal.message).toContain("The provided continue parameter is too old to display a consistent list result");
  await followInconsistentToken(direct, firstPage, refusal.metadata?.continue ?? "");
  const { resourceVersion } = (firstPages[0] as KubeList).metadata;
  const exact = { resourceVersion, resourceVersionMatch: "Exact" };
  expect(await refusalFrom(direct.list(configMaps, exact))).toMatchObject({ code: expired, reason: "Expired" });
  await expectWatchExpired(direct, resourceVersion);

  // The cache may still know the old moment; then it has to know it exactly.
  const fromCache = await walk(cached, firstPages[0] as KubeList).catch((error: unknown) =>
    refusalFrom(Promise.reject(error)),
  );
  if ("items" in fromCache) expect(fromCache.items).toEqual(snapshot);
  else expect(fromCache).toMatchObject({ code: expired, reason: "Expired" });

  const future = { resourceVersion: String(compactedTo + 1_000_000), resourceVersionMatch: "Exact" };
  expect(await refusalFrom(direct.list(configMaps, future))).toMatchObject({ code: timedOut, reason: "Timeout" });
  return compactedTo;
}

interface Walk {
  readonly resourceVersion: string;
  readonly items: readonly string[];
  /** What each page says of how many objects come after it. */
  readonly remaining: readonly (number | undefined)[];
}

/** Reads on from a first page to the end. */
async function walk(client: ApiClient, firstPage: KubeList): Promise<Walk> {
  const { resourceVersion } = firstPage.metadata;
  const limit = String(firstPage.items.length);
  const pages = [firstPage];
  for (let page = firstPage; page.metadata.continue !== undefined && page.metadata.continue !== "";) {
    page = await client.list(configMaps, { limit, continue: page.metadata.continue });
    expect(page.metadata.resourceVersion).toBe(resourceVersion);
    pages.push(page);
  }
  return {
    resourceVersion,
    items: pages.flatMap((page) => page.items.map((object) => identity(object))),
    remaining: pages.map((page) => page.metadata.remainingItemCount),
  };
}

/** Updates, deletes and creates all over the collection. */
async function mutate(client: ApiClient, created: readonly StoredObject[]): Promise<void> {
  await inParallel(created, concurrency / 4, async (object, index) => {
    if (index % 5 === 0) await client.update(configMaps, { ...object, data: { changed: "yes" } });
    if (index % 5 === 2) await client.delete(`${configMaps}/${object.metadata.name}`);
    if (index % 5 === 4) await write(client, `${object.metadata.name}-next`);
  });
}

async function write(client: ApiClient, name: string): Promise<void> {
  await client.create(configMaps, configMap(name, {}));
}

/** With the token that comes with the refusal a client may go on from where it was, at the present state. */
async function followInconsistentToken(client: ApiClient, firstPage: KubeList, token: string): Promise<void> {
  expect(JSON.parse(Buffer.from(token, "base64url").toString("utf8"))).toMatchObject({ rv: -1 });
  const last = firstPage.items.at(-1)?.metadata.name ?? "";
  const rest = await client.list(configMaps, { continue: token });
  const now = await client.list(configMaps);
  const expected = now.items.filter((object) => object.metadata.name > last);
  expect(rest.items.map((object) => identity(object))).toEqual(expected.map((object) => identity(object)));
  expect(expected.map(({ metadata }) => metadata.name)).toContain("item-0999");
}

async function expectWatchExpired(client: ApiClient, resourceVersion: string): Promise<void> {
  const watch = new WatchStream(client.server, configMaps, resourceVersion);
  try {
    await expect(watch.events.first("an event", () => true)).rejects.toMatchObject({
      cause: expect.objectContaining({ message: expect.stringMatching(/^410 /) }),
    });
  } finally {
    await watch.close();
  }
}

/** Which object in which version. */
function identity(object: KubeObject): string {
  return `${object.metadata.name} ${object.metadata.resourceVersion}`;
}
