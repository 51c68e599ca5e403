/** Stores on three replicas, each in a zone of its own. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { startPlinth } from "../support/plinth-process.ts";
import type { Zone } from "./tested-store.ts";
import { TestedStore } from "./tested-store.ts";

export const ZONES = ["a", "b", "c"] as const;

const smallSegments = path.join(import.meta.dirname, "../guarantees/traffic/small-segments-main.ts");
/** Progress as often as etcd allows, and fragments from about 600 KiB on. */
const FLAGS = ["--watch-progress-notify-interval=100ms", "--max-request-bytes=100000"];

/** Where a zone's disk may be mounted before the store is started. */
export function makeZoneFolder(folder: string, zone: string): string {
  const made = path.join(folder, `zone-${zone}`);
  mkdirSync(made, { recursive: true });
  return made;
}

/**
 * A server whose replicas are in its own process, on three directories.
 *
 * @param disks where the replica of a zone lies, if not in the zone's folder
 */
export async function startOnDirectories(
  folder: string,
  disks: Readonly<Record<string, string>> = {},
): Promise<TestedStore> {
  const zones = ZONES.map((name): Zone => {
    return { name, directory: path.join(disks[name] ?? makeZoneFolder(folder, name), "replica"), process: null };
  });
  const replicas = zones.map(({ name, directory }) => `${name}=${directory}`).join(",");
  const process: PlinthProcess = await startPlinth({
    dataDir: path.join(folder, "data"),
    mainFile: smallSegments,
    flags: [...FLAGS, `--journal-replicas=${replicas}`],
  });
  return new TestedStore([{ name: "server", process, isRunning: true }], zones);
}
