/** The metrics that a replica's process exports: what it has, whether it is well, and those of every process. */
import type { BucketRecorder } from "./bucket-recorder.ts";
import { MetricSet } from "./metric-set.ts";
import { registerProcessMetrics } from "./process-metrics.ts";

export interface ReplicaMetricSources {
  /** Ordinals of frames, position of a record, number of a reign. */
  readonly status: () => {
    readonly lastIndex: number;
    readonly lastPosition: number;
    readonly committed: number;
    readonly epoch: number;
    readonly trouble: unknown;
  };
  /** Of those beside it: how many, and the position of the newest, 0 for none. */
  readonly snapshots: () => { readonly count: number; readonly newest: number };
  /** Until a frame that has come is durable. */
  readonly appendSeconds: BucketRecorder;
  readonly diskFreeBytes: () => number;
  readonly descriptorLimit: number;
}

export function replicaMetrics({
  status,
  snapshots,
  appendSeconds,
  diskFreeBytes,
  descriptorLimit,
}: ReplicaMetricSources): MetricSet {
  const set = new MetricSet();
  set.histogram(
    "etcd_disk_wal_fsync_duration_seconds",
    "The latency distributions of the replica's syncs.",
    appendSeconds,
  );
  set.gauge("plinth_replica_last_index", "The last frame that is durable here.", () => status().lastIndex);
  set.gauge("plinth_replica_last_position", "The last record that is durable here.", () => status().lastPosition);
  set.gauge("plinth_replica_committed_index", "The last frame known here to be committed.", () => status().committed);
  set.gauge("plinth_replica_epoch", "The last reign that was promised to a server.", () => status().epoch);
  set.gauge("plinth_replica_is_well", "Whether the replica keeps what it is sent.", () =>
    status().trouble === null ? 1 : 0,
  );
  set.gauge("plinth_replica_snapshots", "Snapshots that lie beside the replica.", () => snapshots().count);
  set.gauge(
    "plinth_replica_snapshot_position",
    "Journal position of the newest snapshot beside the replica.",
    () => snapshots().newest,
  );
  set.gauge("plinth_disk_free_bytes", "Room on the disk of the replica.", diskFreeBytes);
  registerProcessMetrics(set, descriptorLimit);
  return set;
}
