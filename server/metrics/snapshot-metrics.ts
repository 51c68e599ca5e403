/** Metrics of snapshots: whether they are taken, how old the newest is, and what a start would have to do behind it. */
import type { Counters } from "./counters.ts";
import type { MetricSet } from "./metric-set.ts";

export interface SnapshotNumbers {
  /** Of the newest that is complete; null before the first. */
  readonly last: { readonly position: number; readonly bytes: number; readonly takenAtMs: number } | null;
  readonly isRunning: boolean;
  /** Records of the journal behind it. */
  readonly tailRecords: number;
}

/** A zone elsewhere: the position of its newest, null for none. */
export interface FarZoneNumbers {
  readonly zone: string;
  readonly position: number | null;
}

export interface SnapshotSources {
  readonly counters: Counters;
  /** Null where none is kept. */
  readonly snapshots: () => SnapshotNumbers | null;
  readonly farZones: () => readonly FarZoneNumbers[];
  /** The newest scheduled backup, or null. */
  readonly lastBackup: () => { readonly atMs: number; readonly bytes: number } | null;
}

export function registerSnapshotMetrics(
  set: MetricSet,
  { counters, snapshots, farZones, lastBackup }: SnapshotSources,
): void {
  set.counter("plinth_snapshots_total", "Snapshots taken since the start.", () => counters.snapshots);
  set.counter(
    "plinth_snapshots_failed_total",
    "Attempts to take a snapshot that failed since the start.",
    () => counters.snapshotsFailed,
  );
  set.counter(
    "plinth_self_checks_total",
    "Comparisons of memory with snapshot and journal that came to an end since the start.",
    () => counters.selfChecks,
  );
  set.counter(
    "plinth_self_checks_differing_total",
    "Those of them that found a difference.",
    () => counters.selfChecksDiffering,
  );
  set.counter(
    "plinth_self_checks_failed_total",
    "Comparisons of memory with snapshot and journal that could not be made since the start.",
    () => counters.selfChecksFailed,
  );
  const gauge = (name: string, help: string, value: (numbers: SnapshotNumbers) => number | null): void =>
    set.labelledGauge(`plinth_snapshot_${name}`, help, [], (report) => {
      const numbers = snapshots();
      const found = numbers === null ? null : value(numbers);
      if (found !== null) report([], found);
    });
  gauge("timestamp_seconds", "When the newest complete snapshot was begun, Unix time.", ({ last }) =>
    last === null ? null : last.takenAtMs / 1_000,
  );
  gauge("bytes", "Bytes of the newest complete snapshot's file.", ({ last }) => last?.bytes ?? null);
  gauge("position", "Journal position of the newest complete snapshot.", ({ last }) => last?.position ?? null);
  gauge("tail_records", "Records of the journal that a start executes behind it.", ({ tailRecords }) => tailRecords);
  gauge("running", "Whether a snapshot is being taken.", ({ isRunning }) => Number(isRunning));
  set.labelledGauge(
    "plinth_snapshot_zone_position",
    "Journal position of the newest snapshot in a zone whose replica is elsewhere.",
    ["zone"],
    (report) => {
      for (const { zone, position } of farZones()) if (position !== null) report([zone], position);
    },
  );
  set.labelledCounter(
    "plinth_snapshot_zone_bytes_total",
    "Bytes of snapshots that were given to a zone whose replica is elsewhere, since the start.",
    ["zone"],
    (report) => {
      for (const [zone, bytes] of counters.snapshotBytesByZone) report([zone], bytes);
    },
  );
  set.counter("plinth_backups_total", "Scheduled backups made since the start.", () => counters.backups);
  set.counter(
    "plinth_backups_failed_total",
    "Attempts to make a scheduled backup that failed since the start.",
    () => counters.backupsFailed,
  );
  const ofBackup = (name: string, help: string, value: (last: { atMs: number; bytes: number }) => number): void =>
    set.labelledGauge(`plinth_backup_${name}`, help, [], (report) => {
      const last = lastBackup();
      if (last !== null) report([], value(last));
    });
  ofBackup("timestamp_seconds", "When the newest scheduled backup was begun, Unix time.", ({ atMs }) => atMs / 1_000);
  ofBackup("bytes", "Bytes of the newest scheduled backup.", ({ bytes }) => bytes);
}
