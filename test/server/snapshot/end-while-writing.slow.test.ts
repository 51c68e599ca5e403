import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import { CLUSTER, testDirectory } from "./support-snapshots.ts";

const script = join(import.meta.dirname, "end-while-writing.ts");
/** More than are under way: while the last are put in, others are being written. */
const RECORDS = [170, 200, 250, 330];
/** One at which the thread writes all the time, and one at which it sleeps. */
const RATES = [10_000_000_000, 2_000_000];

test.each(["throws", "exits"])(
  "a process that %s while a snapshot is written comes to its end, and leaves none",
  async (how) => {
    using path = testDirectory();
    for (const rate of RATES) {
      for (const records of rate === RATES[0] ? RECORDS : RECORDS.slice(0, 1)) {
        const args = [script, path.path, String(rate), how, String(records)];
        const child = spawn(process.execPath, args, { stdio: "ignore" });
        expect(await once(child, "exit")).toEqual([1, null]);
        const directory = new SnapshotDirectory({ directory: path.path, clusterId: CLUSTER });
        expect(await directory.list()).toEqual([]);
      }
    }
  },
  120_000,
);
