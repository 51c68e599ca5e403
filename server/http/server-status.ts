/**
 * What `/plinth/status` answers: this server and its journal as an operator wants to see them. Like `/health` and `/metrics`
 * it is for everybody who reaches the port, so it tells of replicas, their directories and their troubles, of partitions by
 * their prefixes, and never of single keys or users.
 */
import type { JournalStatus, ReplicaStatus } from "../../journal/journal-status.ts";
import type { PartitionNumbers } from "../engine/partition-numbers.ts";
import type { Engine } from "../engine/engine.ts";
import type { SnapshotInfo } from "../engine/snapshots.ts";
import { ETCD_VERSION, PLINTH_VERSION } from "../version.ts";
import { EngineHealth } from "./engine-health.ts";

/** A replica whose oldest missing frame is older lies behind because something is wrong, and not because frames take time. */
const LAG_WARNING_MS = 1_000;

export interface ServerStatus {
  readonly plinth: string;
  readonly etcd: string;
  /** In hexadecimal digits, as etcd's tools show them. */
  readonly clusterId: string;
  readonly memberId: string;
  readonly name: string;
  /** `none`: it has no reign for now. */
  readonly role: "writer" | "standby" | "starting" | "none";
  /** How far a start has come, from 0 to 1, and in words; null when it is over. */
  readonly start: { readonly share: number; readonly text: string } | null;
  /** Why nothing can be written, as `/health` says it; null when something can. */
  readonly trouble: string | null;
  readonly revision: number;
  /** Position of the last record executed. */
  readonly applied: number;
  readonly journal: JournalStatus;
  readonly partitions: readonly PartitionStatus[];
  /** Null where none is kept. */
  readonly snapshots: SnapshotStatus | null;
  /** The newest scheduled backup; null without any. */
  readonly backup: BackupStatus | null;
  /** What should be looked at though writes go on. */
  readonly warnings: readonly string[];
  /** Unix ms, as this server's clock says: what moments in it are to be compared with. */
  readonly nowMs: number;
}

export interface SnapshotStatus {
  /** The newest that is complete; null before the first. */
  readonly last: SnapshotInfo | null;
  /** One is being taken. */
  readonly isRunning: boolean;
  /** Records of the journal behind the newest: what a start executes. */
  readonly tailRecords: number;
  /** Why the last attempt has failed; null when none has since the newest. */
  readonly failure: string | null;
  /** Of zones whose replicas are in other processes. */
  readonly zones: readonly SnapshotZoneStatus[];
}

export interface SnapshotZoneStatus {
  readonly zone: string;
  /** Journal position of the newest that it was heard to have; null for none. */
  readonly position: number | null;
  /** Of one that it is given: bytes that are there, and all; null when it is given none. */
  readonly copying: { readonly bytes: number; readonly of: number } | null;
  /** Why it was not given the last; null when it was. */
  readonly failure: string | null;
}

export interface PartitionStatus extends PartitionNumbers {
  /** Null when there are too many to look at. */
  readonly watchers: number | null;
}

/** Of scheduled backups. */
export interface BackupStatusParts {
  readonly last: BackupStatus | null;
  readonly failure: Error | null;
}

/** The newest that was read back. */
export interface BackupStatus {
  readonly name: string;
  readonly revision: number;
  readonly bytes: number;
  /** Unix ms. */
  readonly atMs: number;
}

export interface StatusParts {
  /** Null where none are made by themselves. */
  readonly backups: BackupStatusParts | null;
  readonly engine: Engine;
  readonly name: string;
  readonly identity: () => { readonly clusterId: bigint; readonly memberId: bigint };
  readonly journalStatus: () => JournalStatus;
  readonly snapshotZones: () => readonly SnapshotZoneStatus[];
  /** The wall clock, Unix ms. */
  readonly wallMs: () => number;
}

export function serverStatus(parts: StatusParts): ServerStatus {
  const { engine, name, identity, journalStatus, wallMs, backups } = parts;
  const { clusterId, memberId } = identity();
  const journal = journalStatus();
  const text = engine.start.describe();
  const isStandby = engine.start.isStandby || journal.role === "standby";
  const roleOfNow = text === null ? journal.role : "starting";
  return {
    plinth: PLINTH_VERSION,
    etcd: ETCD_VERSION,
    clusterId: clusterId.toString(16),
    memberId: memberId.toString(16),
    name,
    role: isStandby ? "standby" : roleOfNow,
    start: text === null ? null : { share: engine.start.share, text },
    trouble: new EngineHealth(engine).trouble(),
    revision: engine.keyspace.revision,
    applied: engine.applier.applied,
    journal,
    partitions: partitionsOf(engine),
    snapshots: snapshotsOf(parts),
    backup: backups?.last ?? null,
    warnings: [
      ...journal.replicas.map(warningOf),
      ...engine.partitionTally.partitions().map(quotaWarning),
      snapshotWarning(engine),
      ...parts.snapshotZones().map(copyWarning),
      backupWarning(parts),
    ].filter((warning) => warning !== null),
    nowMs: wallMs(),
  };
}

function snapshotsOf({ engine: { snapshotter }, snapshotZones }: StatusParts): SnapshotStatus | null {
  if (snapshotter === null) return null;
  const { last, isRunning, tailRecords, failure } = snapshotter;
  return { last, isRunning, tailRecords, failure: failure?.message ?? null, zones: snapshotZones() };
}

function backupWarning({ backups }: StatusParts): string | null {
  const failure = backups?.failure ?? null;
  return failure === null ? null : `no scheduled backup can be made: ${failure.message}`;
}

function snapshotWarning({ snapshotter }: Engine): string | null {
  const failure = snapshotter?.failure ?? null;
  return failure === null ? null : `no snapshot can be taken, and the journal grows: ${failure.message}`;
}

function copyWarning({ zone, failure }: SnapshotZoneStatus): string | null {
  return failure === null ? null : `zone ${zone} was not given the newest snapshot: ${failure}`;
}

function partitionsOf({ partitionTally }: Engine): PartitionStatus[] {
  const watchers = partitionTally.watchers();
  return partitionTally.partitions().map((numbers) => {
    return { ...numbers, watchers: watchers === null ? null : (watchers.get(numbers.name) ?? 0) };
  });
}

function quotaWarning({ name, isQuotaReached }: PartitionNumbers): string | null {
  return isQuotaReached ? `partition ${name} has reached its quota: what grows it is refused` : null;
}

/** Null when the replica is well, or nobody speaks to it. */
function warningOf({ zone, state, lastError, damage, lagRecords, lagMs }: ReplicaStatus): string | null {
  const lag = lagRecords === null || lagRecords === 0 ? "" : `, ${lagRecords} records behind`;
  if (damage !== null) return `zone ${zone} is being repaired from other zones${lag}: ${damage}`;
  switch (state) {
    case "down":
      return `zone ${zone} does not answer${lag}: ${lastError ?? "it has not been reached yet"}`;
    case "stalled":
      return `zone ${zone} waits for its disk${lag}: ${lastError ?? "it has not said why"}`;
    case "rebuilding":
      return `zone ${zone} is being rebuilt from another zone${lag}`;
    case "repairing":
      return `zone ${zone} is being repaired${lag}`;
    case "learner":
      return `zone ${zone} is being made and does not count yet${lag}`;
    case "up":
      return lagMs !== null && lagMs > LAG_WARNING_MS ? `zone ${zone} takes frames slowly${lag}` : null;
    case "closed":
      return null;
  }
}
