/** All who watch the ConfigMaps of a namespace during a step: through each apiserver, and the store itself. */
import assert from "node:assert/strict";

import { configMap, core, revisionOf } from "./api-client.ts";
import type { Cluster } from "./cluster.ts";
import { type StoreWatch, watchStore } from "./etcdctl.ts";
import { type Change, changesOf, changesOfStore, type Ledger, payloadOf } from "./ledger.ts";
import { WatchStream } from "./watch-stream.ts";

const markerName = "marker";

export class Observers {
  readonly #configMaps: string;
  readonly #streams: readonly WatchStream[];
  readonly #store: StoreWatch;

  private constructor(configMaps: string, streams: readonly WatchStream[], store: StoreWatch) {
    this.#configMaps = configMaps;
    this.#streams = streams;
    this.#store = store;
  }

  /** They see all changes from now on. */
  static async start(cluster: Cluster, namespace: string): Promise<Observers> {
    const configMaps = core(namespace, "configmaps");
    const { resourceVersion } = (await cluster.direct.list(configMaps)).metadata;
    const prefix = `/registry/configmaps/${namespace}/`;
    const store = await watchStore(
      cluster.store.tls === undefined ? cluster.store.clientUrls : cluster.store.url,
      prefix,
      Number(resourceVersion) + 1,
    );
    const streams = cluster.both.map(({ server }) => new WatchStream(server, configMaps, resourceVersion));
    return new Observers(configMaps, streams, store);
  }

  /** The highest revision that anybody was shown so far. */
  get highestRevision(): number {
    const ofStreams = this.#streams.flatMap(({ events }) => events.all.map(({ object }) => revisionOf(object)));
    const ofStore = this.#store.events.all.map(({ modRevision }) => modRevision);
    return [...ofStreams, ...ofStore].reduce((highest, revision) => Math.max(highest, revision), 0);
  }

  /**
   * Writes a last object, waits until everybody has seen it, and throws unless everybody saw the writes in the ledger and
   * the same changes as everybody else.
   */
  async check(cluster: Cluster, ledger: Ledger): Promise<void> {
    const last = configMap(markerName, { payload: payloadOf(markerName, 0) });
    ledger.stored("ADDED", await cluster.cached.create(this.#configMaps, last));
    for (const { events } of this.#streams) {
      await events.first("the marker", ({ type, object }) => type === "ADDED" && object.metadata.name === markerName);
    }
    await this.#store.events.first("the marker", ({ key }) => key.endsWith(`/${markerName}`));

    const [first = [], ...others] = this.#allChanges();
    for (const changes of [first, ...others]) ledger.checkWatch(changes);
    for (const changes of others) {
      assert.deepEqual(changes.map(summary), first.map(summary), "all who watch saw the same");
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#streams.map((stream) => stream.close()), this.#store.close()]);
  }

  #allChanges(): readonly (readonly Change[])[] {
    return [...this.#streams.map(({ events }) => changesOf(events.all)), changesOfStore(this.#store.events.all)];
  }
}

function summary({ type, name, revision }: Change): string {
  return `${type} ${name} ${revision}`;
}
