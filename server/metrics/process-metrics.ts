/** Metrics of the process: those every Node and Prometheus dashboard knows, and etcd's counts of file descriptors. */
import { readdirSync } from "node:fs";

import { collectDefaultMetrics } from "prom-client";

import type { MetricSet } from "./metric-set.ts";

/** Registers `process_*`, `nodejs_*` and, where /proc exists, `os_fd_*`. */
export function registerProcessMetrics(set: MetricSet, descriptorLimit: number): void {
  collectDefaultMetrics({ register: set.registry });
  if (process.platform !== "linux") {
    return;
  }
  // Reading the directory opens a descriptor that is listed too.
  set.gauge("os_fd_used", "The number of used file descriptors.", () => readdirSync("/proc/self/fd").length - 1);
  set.gauge("os_fd_limit", "The file descriptor limit.", () => descriptorLimit);
}
