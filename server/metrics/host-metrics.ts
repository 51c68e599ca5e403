/** Metrics of what the machine gives: room on the disk, and connections, which take descriptors. */
import type { MetricSet } from "./metric-set.ts";

/** They change; whoever has them keeps them up to date. */
export interface HostNumbers {
  /** Infinity when there is none. */
  readonly descriptorLimit: number;
  readonly connectionsRefused: number;
  /** Of the disk that the journal is on. */
  readonly diskFreeBytes: number;
  readonly diskTotalBytes: number;
}

export function registerHostMetrics(set: MetricSet, host: HostNumbers): void {
  set.counter(
    "plinth_connections_refused_total",
    "Connections that were closed at once, as too many were open.",
    () => host.connectionsRefused,
  );
  set.gauge(
    "plinth_disk_free_bytes",
    "The room left on the journal's disk, as it was found last.",
    () => host.diskFreeBytes,
  );
  set.gauge("plinth_disk_total_bytes", "The size of the journal's disk.", () => host.diskTotalBytes);
}
