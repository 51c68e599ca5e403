/** The numbers that a server would tell its metrics, set by the test. */
import type { SnapshotNumbers } from "../../server/metrics/snapshot-metrics.ts";
import { CallCounters } from "../../server/metrics/call-counters.ts";
import { Counters } from "../../server/metrics/counters.ts";
import type { MetricSources } from "../../server/metrics/etcd-metrics.ts";
import type { PartitionSources } from "../../server/metrics/partition-metrics.ts";
import type { ReplicaNumbers } from "../../server/metrics/replica-metrics.ts";
import type { Method } from "../../server/transport/service.ts";

export class FakeMetricSources {
  readonly counters = new Counters();
  readonly calls: CallCounters;
  replicas: ReplicaNumbers[] = [];
  journal = { writable: true, pending: 0, committed: 0, applied: 0 };
  keyspace = { keys: 0, currentRevision: 1, compactRevision: -1, authRevision: 1, sizeBytes: 0 };
  watchers = { streams: 0, watchers: 0, unsynced: 0, pendingEvents: 0 };
  partitions: PartitionSources = { partitions: () => [], queues: () => [], watchers: () => null };
  alarms: string[] = [];
  host = { descriptorLimit: 1_024, connectionsRefused: 0, diskFreeBytes: 0, diskTotalBytes: 0 };
  checks = [
    { type: "health", name: "health", succeeded: 0, failed: 0, lastSucceeded: true },
    { type: "readyz", name: "linearizable_read", succeeded: 0, failed: 0, lastSucceeded: true },
  ];
  snapshots: SnapshotNumbers | null = {
    last: { position: 300_000, bytes: 4_096, takenAtMs: 1_000 },
    isRunning: false,
    tailRecords: 7,
  };

  constructor(methods: readonly Method[]) {
    this.counters.addReplica("a");
    this.calls = new CallCounters(methods);
  }

  sources(): MetricSources {
    return {
      memberId: 0xabcn,
      quotaBackendBytes: 2_147_483_648,
      counters: this.counters,
      calls: this.calls,
      startShare: () => 1,
      journal: () => this.journal,
      replicas: () => this.replicas,
      keyspace: () => this.keyspace,
      partitions: this.partitions,
      watchers: () => this.watchers,
      alarms: () => this.alarms,
      healthChecks: () => this.checks,
      host: this.host,
      snapshots: () => this.snapshots,
      farZones: () => [{ zone: "b", position: 700 }],
      lastBackup: () => ({ atMs: 2_000, bytes: 8_192 }),
    };
  }
}
