/**
 * The metrics this server exports, put together: etcd's, the process's, and what other parts add to `set` (their own are
 * named `plinth_…`). Values are read when scraped.
 */
import { registerEtcdMetrics, type MetricSources } from "./etcd-metrics.ts";
import { registerHostMetrics } from "./host-metrics.ts";
import { MetricSet } from "./metric-set.ts";
import { registerPartitionMetrics } from "./partition-metrics.ts";
import { registerProcessMetrics } from "./process-metrics.ts";
import { registerReplicaMetrics } from "./replica-metrics.ts";
import { registerSnapshotMetrics } from "./snapshot-metrics.ts";

export class Metrics {
  /** For parts that export more. */
  readonly set: MetricSet;

  constructor(sources: MetricSources) {
    this.set = new MetricSet();
    registerEtcdMetrics(this.set, sources);
    registerReplicaMetrics(this.set, sources.counters, sources.replicas);
    registerPartitionMetrics(this.set, sources.partitions);
    registerSnapshotMetrics(this.set, sources);
    registerHostMetrics(this.set, sources.host);
    registerProcessMetrics(this.set, sources.host.descriptorLimit);
    this.set.counter(
      "plinth_connections_closed_total",
      "Connections closed because of their clients: they broke a rule or a limit, took no output or answered no ping.",
      () => sources.calls.connectionsClosed,
    );
    this.set.gauge(
      "plinth_start_progress_ratio",
      "The share of the journal that the start has replayed, 1 when it is over.",
      sources.startShare,
    );
  }

  /** All metrics in Prometheus' text format, as `/metrics` answers. */
  text(): Promise<string> {
    return this.set.text();
  }
}
