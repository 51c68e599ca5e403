/** Where things lie in a data directory that has its journal in it. */
import path from "node:path";

/** Of a journal that lies in the data directory. One of a former format, or of one replica, is the first zone's. */
export const OWN_ZONES: readonly string[] = ["a", "b", "c"];

/** Beside the segments of each zone. */
export const SNAPSHOTS_NAME = "snapshots";

export function ownDirectory(dataDir: string, zone: string): string {
  return path.join(dataDir, "journal", `zone-${zone}`);
}
