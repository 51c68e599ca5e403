/** Where the metrics' values come from. */
import type { JournalStatus, ReplicaStatus } from "../../journal/journal-status.ts";
import type { Services } from "../api/services.ts";
import type { Config } from "../config/config.ts";
import { EngineHealth } from "./engine-health.ts";
import type { Engine } from "../engine/engine.ts";
import { KEYLESS_NAME } from "../engine/partition-numbers.ts";
import type { HealthChecks } from "./health-checks.ts";
import type { CallCounters } from "../metrics/call-counters.ts";
import type { MetricSources } from "../metrics/etcd-metrics.ts";
import type { HostNumbers } from "../metrics/host-metrics.ts";

export interface MetricParts {
  readonly engine: Engine;
  readonly services: Services;
  readonly calls: CallCounters;
  readonly checks: HealthChecks;
  readonly memberId: bigint;
  readonly config: Config;
  readonly host: HostNumbers;
  readonly journalStatus: () => JournalStatus;
  readonly snapshotZones: MetricSources["farZones"];
  readonly lastBackup: MetricSources["lastBackup"];
}

export function engineMetricSources(parts: MetricParts): MetricSources {
  const { engine, services, calls, checks, memberId, config, host, journalStatus, snapshotZones, lastBackup } = parts;
  const { applier, proposer, queue, partitionTally, keyspace, counters } = engine;
  const health = new EngineHealth(engine);
  return {
    memberId,
    quotaBackendBytes: config.quotaBackendBytes,
    counters,
    calls,
    startShare: () => engine.start.share,
    journal: () => ({
      writable: proposer.isWritable,
      pending: applier.pending + queue.length,
      committed: proposer.committed,
      applied: applier.applied,
    }),
    replicas: () => journalStatus().replicas.map((replica) => ({ ...replica, isUp: takesFrames(replica) })),
    keyspace: () => ({
      keys: keyspace.keyCount,
      currentRevision: keyspace.revision,
      compactRevision: keyspace.compactRevision,
      authRevision: keyspace.auth.revision,
      sizeBytes: keyspace.bytes,
    }),
    partitions: {
      partitions: () => partitionTally.partitions(),
      queues: () => [...partitionTally.partitions(), { name: KEYLESS_NAME, ...partitionTally.keyless() }],
      watchers: () => partitionTally.watchers(),
    },
    watchers: () => ({
      streams: services.watch.streams,
      watchers: keyspace.watchers.count,
      unsynced: keyspace.watchers.unsyncedCount,
      pendingEvents: services.watch.pendingEvents,
    }),
    alarms: () => health.alarms(),
    healthChecks: () => checks.counts(),
    host,
    snapshots: () => engine.snapshotter,
    farZones: snapshotZones,
    lastBackup,
  };
}

/** Whether it is as well as a replica can be at present: what it lacks it is being given. */
function takesFrames({ state }: ReplicaStatus): boolean {
  return state === "up" || state === "rebuilding" || state === "learner";
}
