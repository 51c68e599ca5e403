/**
 * Two kube-apiservers on one store, as in a cluster with two control plane nodes. One is as it comes: it answers lists
 * and watches from its cache. The other one has no watch cache, so each of its answers is the store's.
 */
import { type KubeApiserver, type KubeVersion, startKubeApiserver } from "../../bench/peers/kube-apiserver.ts";
import { kubectl } from "../../bench/peers/kubectl.ts";
import { ApiClient } from "./api-client.ts";
import type { StartStore, Store } from "../support/stores.ts";

/** How long an Event lives: short, but no less than the two seconds that are the least for a lease. */
export const eventTtlSeconds = 3;

/**
 * How often each apiserver compacts, up to where the store was that long ago. A list page by page, and a watch that
 * goes on after the store was away, have to be quicker than this, as they have in a real cluster.
 */
export const compactionIntervalSeconds = 15;

/** Which kube-apiserver it is, and how it asks its store for lists. */
export interface Kube {
  readonly version: KubeVersion;
  /** Whether it lists through RangeStream, which 1.37 does unless told otherwise, and 1.36 does not know. */
  readonly streams: boolean;
}

export class Cluster {
  readonly kube: Kube;
  readonly store: Store;
  /** Answers from its watch cache. */
  readonly cached: ApiClient;
  /** Asks the store each time. */
  readonly direct: ApiClient;

  constructor(kube: Kube, store: Store, cached: KubeApiserver, direct: KubeApiserver) {
    this.kube = kube;
    this.store = store;
    this.cached = new ApiClient(cached);
    this.direct = new ApiClient(direct);
  }

  get both(): readonly ApiClient[] {
    return [this.cached, this.direct];
  }

  /** Runs kubectl and gives what it prints; fails when it does. */
  async kubectl(args: readonly string[], input = ""): Promise<string> {
    const { code, stdout, stderr } = await kubectl(args, { kubeconfig: this.cached.server.kubeconfig, input });
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  }

  async createNamespace(name: string): Promise<void> {
    await this.direct.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }

  /** Ends all, the store last. */
  async remove(): Promise<void> {
    await Promise.all(this.both.map((client) => client.server.stop()));
    await this.store.remove();
  }
}

export async function startCluster(kube: Kube, startStore: StartStore): Promise<Cluster> {
  // As it comes, where it comes with what is asked for.
  const gate = kube.version === "1.37" && !kube.streams ? ["--feature-gates=EtcdRangeStream=false"] : [];
  const store = await startStore();
  const { tls } = store;
  const credentials =
    tls === undefined ? [] : [`--etcd-cafile=${tls.ca}`, `--etcd-certfile=${tls.cert}`, `--etcd-keyfile=${tls.key}`];
  const start = (...flags: readonly string[]): Promise<KubeApiserver> =>
    startKubeApiserver({
      version: kube.version,
      etcdServers: store.clientUrls,
      flags: [
        `--event-ttl=${eventTtlSeconds}s`,
        `--etcd-compaction-interval=${compactionIntervalSeconds}s`,
        ...gate,
        ...credentials,
        ...flags,
      ],
    });
  const starts = await Promise.allSettled([start(), start("--watch-cache=false", "--advertise-address=192.0.2.2")]);
  const [cached, direct] = starts;
  if (cached.status === "fulfilled" && direct.status === "fulfilled") {
    return new Cluster(kube, store, cached.value, direct.value);
  }
  for (const server of starts) if (server.status === "fulfilled") await server.value.kill();
  await store.remove();
  throw new AggregateError(
    starts.flatMap((server) => (server.status === "rejected" ? [server.reason] : [])),
    "the apiservers did not start",
  );
}
