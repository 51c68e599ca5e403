/** What the system allows this process, as far as it is Linux that says it. */
import { readFileSync } from "node:fs";

/** The soft limit of a name in /proc/self/limits; Infinity when there is none or it cannot be known. */
export function processLimit(name: "Max open files" | "Max address space"): number {
  if (process.platform !== "linux") return Number.POSITIVE_INFINITY;
  const match = new RegExp(`^${name}\\s+(\\d+)\\s`, "m").exec(readFileSync("/proc/self/limits", "utf8"));
  return match === null ? Number.POSITIVE_INFINITY : Number(match[1]);
}
