/**
 * Metrics of the journal's replicas, a series for each zone. Under etcd's names stand the time until a frame is durable there
 * and the way to a replica elsewhere and back, `To` its zone.
 *
 * A journal of one replica has etcd's own series for its disk, without a label more. One of several has a series for each
 * zone and none beside them, so that a dashboard's `sum by (instance, le)` counts each write once, and an alert on single
 * series tells the zone.
 */
import type { Counters } from "./counters.ts";
import type { MetricSet } from "./metric-set.ts";

export interface ReplicaNumbers {
  readonly zone: string;
  /** It takes frames. */
  readonly isUp: boolean;
  /** Of what is committed; null while that is not known. */
  readonly lagRecords: number | null;
  readonly lagMs: number | null;
  /** What of the frames in memory it has not said to have. */
  readonly queueFrames: number;
  readonly queueBytes: number;
  readonly rebuilds: number;
  readonly damages: number;
}

export function registerReplicaMetrics(
  set: MetricSet,
  { replicas: counted }: Counters,
  replicas: () => readonly ReplicaNumbers[],
): void {
  set.labelledHistogram(
    "etcd_disk_wal_fsync_duration_seconds",
    "The latency distributions of the journal's syncs, of each replica when there are several.",
    ["zone"],
    (report) => {
      for (const [zone, { appendSeconds }] of counted) report(counted.size === 1 ? [] : [zone], appendSeconds);
    },
  );
  set.labelledHistogram(
    "etcd_network_peer_round_trip_time_seconds",
    "Round-trip-time histogram between the writer and the journal's replicas elsewhere.",
    ["To"],
    (report) => {
      for (const [zone, { roundTripSeconds }] of counted) {
        if (roundTripSeconds.count > 0) report([zone], roundTripSeconds);
      }
    },
  );
  const gauge = (name: string, help: string, read: (replica: ReplicaNumbers) => number | null): void => {
    set.labelledGauge(`plinth_journal_replica_${name}`, help, ["zone"], (report) => {
      for (const replica of replicas()) {
        const value = read(replica);
        if (value !== null) report([replica.zone], value);
      }
    });
  };
  gauge("up", "Whether the replica takes frames. 1 if it does, 0 otherwise.", ({ isUp }) => Number(isUp));
  gauge("lag_records", "Committed records that the replica lacks.", ({ lagRecords }) => lagRecords);
  gauge(
    "lag_seconds",
    "The age of the oldest committed frame that the replica lacks, 0 when it lacks none.",
    ({ lagMs }) => (lagMs === null ? null : lagMs / 1_000),
  );
  gauge("queue_frames", "Frames in memory that the replica has not said to have.", ({ queueFrames }) => queueFrames);
  gauge(
    "queue_bytes",
    "Bytes of the frames in memory that the replica has not said to have.",
    ({ queueBytes }) => queueBytes,
  );
  set.labelledCounter(
    "plinth_journal_replica_rebuilds_total",
    "How often the replica began to be fed from the disk of another, as memory did not hold what it lacked.",
    ["zone"],
    (report) => {
      for (const { zone, rebuilds } of replicas()) report([zone], rebuilds);
    },
  );
  set.labelledCounter(
    "plinth_journal_replica_damages_total",
    "How often frames that are not intact were found on the replica's disk, to be put back from others.",
    ["zone"],
    (report) => {
      for (const { zone, damages } of replicas()) report([zone], damages);
    },
  );
}
