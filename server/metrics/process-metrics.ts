/** Metrics of the process: those every Node and Prometheus dashboard knows, and etcd's counts of file descriptors. */
import { readdirSync, readFileSync } from "node:fs";

import { collectDefaultMetrics } from "prom-client";

import type { MetricSet } from "./metric-set.ts";

/** Registers `process_*`, `nodejs_*` and, where /proc exists, `os_fd_*`. */
export function registerProcessMetrics(set: MetricSet): void {
  collectDefaultMetrics({ register: set.registry });
  if (process.platform !== "linux") {
    return;
  }
  const limit = readDescriptorLimit();
  // Reading the directory opens a descriptor that is listed too.
  set.gauge("os_fd_used", "The number of used file descriptors.", () => readdirSync("/proc/self/fd").length - 1);
  set.gauge("os_fd_limit", "The file descriptor limit.", () => limit);
}

/** The soft limit, Infinity when there is none. Node raised it to the hard limit at its start. */
function readDescriptorLimit(): number {
  const match = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return match === null || match[1] === "unlimited" ? Number.POSITIVE_INFINITY : Number(match[1]);
}
