/**
 * What the server counts while it works: plain numbers that the hot path bumps in place. Whoever does the work owns the
 * bump; `etcd-metrics.ts` reads them when a scrape comes.
 */
import { BucketRecorder, exponentialBounds } from "./bucket-recorder.ts";

/** etcd's bounds for disk latencies, 1 ms to 8.192 s, with three finer ones below for disks that are faster. */
export const DISK_SECONDS_BOUNDS = exponentialBounds(0.000125, 2, 17);

/** etcd's bounds for the way to a peer and back, 0.1 ms to 3.3 s. */
const ROUND_TRIP_SECONDS_BOUNDS = exponentialBounds(0.0001, 2, 16);

/** One second to about three months. */
const TTL_SECONDS_BOUNDS = exponentialBounds(1, 2, 24);

/** What is counted of one of the journal's replicas. */
export class ReplicaCounters {
  /** Until a frame is durable there, in seconds. */
  readonly appendSeconds = new BucketRecorder(DISK_SECONDS_BOUNDS);
  /** The way there and back, of one elsewhere, in seconds. */
  readonly roundTripSeconds = new BucketRecorder(ROUND_TRIP_SECONDS_BOUNDS);

  onAppended(milliseconds: number): void {
    this.appendSeconds.observe(milliseconds / 1_000);
  }

  onRoundTrip(milliseconds: number): void {
    this.roundTripSeconds.observe(milliseconds / 1_000);
  }
}

export class Counters {
  /** Requests and operations inside transactions, as executed; of a lease that ends, a delete for each of its keys. */
  ranges: number;
  puts: number;
  deletes: number;
  /** Those of more than one operation, as etcd counts transactions. */
  txns: number;
  /** Bytes of keys and values put, in transactions as well. */
  putBytes: number;
  /** Events sent to watchers. */
  events: number;
  /** Versions of keys that compaction removed, tombstones included. */
  compactedVersions: number;
  /** Snapshots that were taken, and attempts that failed. */
  snapshots: number;
  snapshotsFailed: number;
  /** Self-checks that came to an end, those of them that found a difference, and attempts that failed. */
  selfChecks: number;
  selfChecksDiffering: number;
  selfChecksFailed: number;
  /** Bytes of snapshots that were given to zones elsewhere, by zone. */
  readonly snapshotBytesByZone: Map<string, number>;
  /** Scheduled backups that were made, and attempts that failed. */
  backups: number;
  backupsFailed: number;
  leasesGranted: number;
  leasesRevoked: number;
  leasesRenewed: number;
  leasesExpired: number;
  /** Writes that a failed journal refused, and those whose outcome is unknown because it failed or took too long. */
  proposalsFailed: number;
  /** Reigns over the journal that this process saw begin, its first among them: as etcd counts leaders, not their loss. */
  leaderChanges: number;
  /** Runs of committed records whose execution took longer than --warning-apply-duration. */
  slowApplies: number;
  /** By zone, from the start on: a rate needs a first sample. */
  readonly replicas: Map<string, ReplicaCounters>;
  /** From the proposal of the first record of a run to the run's commit, in seconds: a frame waits for the one before it. */
  readonly journalCommitSeconds: BucketRecorder;
  readonly leaseTtlSeconds: BucketRecorder;

  constructor() {
    this.ranges = 0;
    this.puts = 0;
    this.deletes = 0;
    this.txns = 0;
    this.putBytes = 0;
    this.events = 0;
    this.compactedVersions = 0;
    this.snapshots = 0;
    this.snapshotsFailed = 0;
    this.selfChecks = 0;
    this.selfChecksDiffering = 0;
    this.selfChecksFailed = 0;
    this.snapshotBytesByZone = new Map();
    this.backups = 0;
    this.backupsFailed = 0;
    this.leasesGranted = 0;
    this.leasesRevoked = 0;
    this.leasesRenewed = 0;
    this.leasesExpired = 0;
    this.proposalsFailed = 0;
    this.leaderChanges = 0;
    this.slowApplies = 0;
    this.replicas = new Map();
    this.journalCommitSeconds = new BucketRecorder(DISK_SECONDS_BOUNDS);
    this.leaseTtlSeconds = new BucketRecorder(TTL_SECONDS_BOUNDS);
  }

  /** Begins to count for the replica of a zone. */
  snapshotBytesGiven(zone: string, bytes: number): void {
    this.snapshotBytesByZone.set(zone, (this.snapshotBytesByZone.get(zone) ?? 0) + bytes);
  }

  addReplica(zone: string): ReplicaCounters {
    const counters = new ReplicaCounters();
    this.replicas.set(zone, counters);
    return counters;
  }
}
