/**
 * etcd's metrics by etcd's names, types and labels, so that its dashboards and alerts work: the names in its monitoring
 * mixin, and those whose meaning exists here. Where the machinery differs the nearest true thing is shown: fsync is the
 * sync of a journal frame, backend commit is the way of a run of records to the journal's quorum, proposals are records.
 * What is not measured is not exported.
 */
import { CLUSTER_VERSION, ETCD_VERSION } from "../version.ts";
import { CODE_NAMES } from "../../proto/grpc-codes.ts";
import type { CallCounters } from "./call-counters.ts";
import type { Counters } from "./counters.ts";
import type { HostNumbers } from "./host-metrics.ts";
import type { MetricSet } from "./metric-set.ts";
import type { PartitionSources } from "./partition-metrics.ts";
import type { ReplicaNumbers } from "./replica-metrics.ts";
import type { SnapshotSources } from "./snapshot-metrics.ts";

/** Where the values come from. Functions are called at each scrape, several times; they only look up numbers. */
export interface MetricSources {
  readonly memberId: bigint;
  /** Null when there is no quota. */
  readonly quotaBackendBytes: number | null;
  readonly counters: Counters;
  readonly calls: CallCounters;
  /** What is done of the start, from 0 to 1. */
  readonly startShare: () => number;
  readonly journal: () => JournalNumbers;
  /** Of the journal. */
  readonly replicas: () => readonly ReplicaNumbers[];
  readonly keyspace: () => KeyspaceNumbers;
  readonly partitions: PartitionSources;
  readonly watchers: () => WatcherNumbers;
  /** Names of active alarms: `NOSPACE`, `CORRUPT`. */
  readonly alarms: () => readonly string[];
  readonly healthChecks: () => Iterable<HealthCheckNumbers>;
  readonly host: HostNumbers;
  readonly snapshots: SnapshotSources["snapshots"];
  readonly farZones: SnapshotSources["farZones"];
  readonly lastBackup: SnapshotSources["lastBackup"];
}

export interface JournalNumbers {
  /** True while this process may write the journal. */
  readonly writable: boolean;
  /** Proposals whose record is not committed yet, or not appended. */
  readonly pending: number;
  /** Position of the last committed record. */
  readonly committed: number;
  /** Position of the last applied record. */
  readonly applied: number;
}

export interface KeyspaceNumbers {
  readonly keys: number;
  readonly currentRevision: number;
  /** As etcd reports it: -1 before the first compaction. */
  readonly compactRevision: number;
  readonly authRevision: number;
  /** Of all that is retained, history included. */
  readonly sizeBytes: number;
}

export interface WatcherNumbers {
  readonly streams: number;
  readonly watchers: number;
  /** Watchers that are behind or paused. */
  readonly unsynced: number;
  /** Events sent on streams and held back by their clients' windows or sockets. */
  readonly pendingEvents: number;
}

export interface HealthCheckNumbers {
  /** `livez`, `readyz` or `health`. */
  readonly type: string;
  readonly name: string;
  readonly succeeded: number;
  readonly failed: number;
  readonly lastSucceeded: boolean;
}

export function registerEtcdMetrics(set: MetricSet, sources: MetricSources): void {
  registerServer(set, sources);
  registerCalls(set, sources.calls);
  registerStorage(set, sources);
  registerWatches(set, sources);
  registerLeases(set, sources.counters);
  registerHealth(set, sources);
}

function registerServer(
  set: MetricSet,
  { journal, counters, memberId, alarms, quotaBackendBytes }: MetricSources,
): void {
  const memberIdHex = memberId.toString(16);
  set.gauge("etcd_server_has_leader", "Whether or not a leader exists. 1 is existence, 0 is not.", () =>
    Number(journal().writable),
  );
  set.gauge("etcd_server_is_leader", "Whether or not this member is a leader. 1 if is, 0 otherwise.", () =>
    Number(journal().writable),
  );
  set.counter(
    "etcd_server_leader_changes_seen_total",
    "The number of reigns over the journal seen, the first included.",
    () => counters.leaderChanges,
  );
  set.labelledGauge(
    "etcd_server_id",
    "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
    ["server_id"],
    (report) => report([memberIdHex], 1),
  );
  set.labelledGauge(
    "etcd_server_version",
    "Which version of etcd's behaviour is offered. 1 for 'server_version' label with current version.",
    ["server_version"],
    (report) => report([ETCD_VERSION], 1),
  );
  set.labelledGauge(
    "etcd_cluster_version",
    "Which cluster version is offered. 1 for 'cluster_version' label with current cluster version.",
    ["cluster_version"],
    // etcd shows the minor version alone here, other than in /version.
    (report) => report([CLUSTER_VERSION.split(".").slice(0, 2).join(".")], 1),
  );
  // The four below are gauges and counters just as etcd declares them, whatever their names suggest.
  set.gauge(
    "etcd_server_proposals_committed_total",
    "Position of the last journal record committed.",
    () => journal().committed,
  );
  set.gauge(
    "etcd_server_proposals_applied_total",
    "Position of the last journal record applied.",
    () => journal().applied,
  );
  set.gauge(
    "etcd_server_proposals_pending",
    "The current number of proposals waiting to commit.",
    () => journal().pending,
  );
  set.counter(
    "etcd_server_proposals_failed_total",
    "The total number of failed proposals.",
    () => counters.proposalsFailed,
  );
  set.counter(
    "etcd_server_slow_apply_total",
    "The total number of slow applies, of whole runs of committed records.",
    () => counters.slowApplies,
  );
  set.gauge(
    "etcd_server_quota_backend_bytes",
    "Current quota of data in bytes, 0 when there is none.",
    () => quotaBackendBytes ?? 0,
  );
  set.labelledGauge(
    "etcd_debugging_server_alarms",
    "Active alarms. 1 for 'server_id' label with current ID and 'alarm_type' label with the type of the alarm.",
    ["server_id", "alarm_type"],
    (report) => {
      for (const alarm of alarms()) {
        report([memberIdHex, alarm], 1);
      }
    },
  );
}

function registerCalls(set: MetricSet, calls: CallCounters): void {
  set.labelledCounter(
    "grpc_server_started_total",
    "Total number of RPCs started on the server.",
    ["grpc_type", "grpc_service", "grpc_method"],
    (report) => {
      for (const { type, service, method, started } of calls.all()) {
        report([type, service, method], started);
      }
    },
  );
  set.labelledCounter(
    "grpc_server_handled_total",
    "Total number of RPCs completed on the server, regardless of success or failure.",
    ["grpc_type", "grpc_service", "grpc_method", "grpc_code"],
    (report) => {
      for (const { type, service, method, handled } of calls.all()) {
        for (let code = 0; code < handled.length; code++) {
          report([type, service, method, CODE_NAMES[code]], handled[code]);
        }
      }
    },
  );
}

function registerStorage(set: MetricSet, { counters, keyspace }: MetricSources): void {
  set.histogram(
    "etcd_disk_backend_commit_duration_seconds",
    "The latency distributions of the journal's commits: from the proposal of a run's first record to the run's commit.",
    counters.journalCommitSeconds,
  );
  set.gauge("etcd_mvcc_db_total_size_in_bytes", "Total size of the data held in bytes.", () => keyspace().sizeBytes);
  set.gauge(
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "Total size of the data in use in bytes, history included. All of it is: nothing lies free for reuse.",
    () => keyspace().sizeBytes,
  );
  set.counter("etcd_mvcc_range_total", "Total number of ranges seen by this member.", () => counters.ranges);
  set.counter("etcd_mvcc_put_total", "Total number of puts seen by this member.", () => counters.puts);
  set.counter("etcd_mvcc_delete_total", "Total number of deletes seen by this member.", () => counters.deletes);
  set.counter("etcd_mvcc_txn_total", "Total number of txns seen by this member.", () => counters.txns);
  set.gauge(
    "etcd_debugging_mvcc_total_put_size_in_bytes",
    "The total size of put kv pairs seen by this member.",
    () => counters.putBytes,
  );
  set.counter(
    "etcd_debugging_mvcc_db_compaction_keys_total",
    "Total number of key versions compacted.",
    () => counters.compactedVersions,
  );
  set.gauge("etcd_debugging_mvcc_keys_total", "Total number of keys.", () => keyspace().keys);
  set.gauge(
    "etcd_debugging_mvcc_current_revision",
    "The current revision of the keyspace.",
    () => keyspace().currentRevision,
  );
  set.gauge(
    "etcd_debugging_mvcc_compact_revision",
    "The revision of the last compaction.",
    () => keyspace().compactRevision,
  );
  set.gauge(
    "etcd_debugging_auth_revision",
    "The revision of users and roles; each change is the next one.",
    () => keyspace().authRevision,
  );
}

function registerWatches(set: MetricSet, { counters, watchers }: MetricSources): void {
  set.gauge("etcd_debugging_mvcc_watch_stream_total", "Total number of watch streams.", () => watchers().streams);
  set.gauge("etcd_debugging_mvcc_watcher_total", "Total number of watchers.", () => watchers().watchers);
  set.gauge(
    "etcd_debugging_mvcc_slow_watcher_total",
    "Total number of unsynced slow watchers.",
    () => watchers().unsynced,
  );
  set.counter("etcd_debugging_mvcc_events_total", "Total number of events sent by this member.", () => counters.events);
  set.gauge(
    "etcd_debugging_mvcc_pending_events_total",
    "Total number of pending events to be sent.",
    () => watchers().pendingEvents,
  );
}

function registerLeases(set: MetricSet, counters: Counters): void {
  set.counter(
    "etcd_debugging_lease_granted_total",
    "The total number of granted leases.",
    () => counters.leasesGranted,
  );
  set.counter(
    "etcd_debugging_lease_revoked_total",
    "The total number of revoked leases.",
    () => counters.leasesRevoked,
  );
  set.counter(
    "etcd_debugging_lease_renewed_total",
    "The total number of renewed leases.",
    () => counters.leasesRenewed,
  );
  set.counter(
    "etcd_debugging_server_lease_expired_total",
    "The total number of expired leases.",
    () => counters.leasesExpired,
  );
  set.histogram("etcd_debugging_lease_ttl_total", "Bucketed histogram of lease TTLs.", counters.leaseTtlSeconds);
}

function registerHealth(set: MetricSet, { healthChecks }: MetricSources): void {
  /** The one check of type `health` is the /health endpoint, which etcd counts apart. */
  const total = (field: "succeeded" | "failed"): number =>
    [...healthChecks()].filter((check) => check.type === "health").reduce((sum, check) => sum + check[field], 0);
  set.counter("etcd_server_health_success", "The total number of successful health checks", () => total("succeeded"));
  set.counter("etcd_server_health_failures", "The total number of failed health checks", () => total("failed"));
  set.labelledGauge(
    "etcd_server_healthcheck",
    "The result of each kind of healthcheck.",
    ["type", "name"],
    (report) => {
      for (const check of healthChecks()) {
        if (check.type !== "health" && check.succeeded + check.failed > 0) {
          report([check.type, check.name], Number(check.lastSucceeded));
        }
      }
    },
  );
  set.labelledCounter(
    "etcd_server_healthchecks_total",
    "The total number of each kind of healthcheck.",
    ["type", "name", "status"],
    (report) => {
      for (const check of healthChecks()) {
        if (check.type === "health") {
          continue;
        }
        if (check.succeeded > 0) {
          report([check.type, check.name, "success"], check.succeeded);
        }
        if (check.failed > 0) {
          report([check.type, check.name, "error"], check.failed);
        }
      }
    },
  );
}
