/* Ends in the midst of the writing of a snapshot, as a process does that must not go on. */
import { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import { Producer } from "./support-jobs.ts";
import { CLUSTER } from "./support-snapshots.ts";

const [path, bytesPerSecond, how, records] = process.argv.slice(2);
const directory = new SnapshotDirectory({
  directory: path,
  clusterId: CLUSTER,
  bytesPerSecond: Number(bytesPerSecond),
});
await directory.tidy();

const record = Buffer.alloc(60_000);
for (let at = 0; at < record.length; at += 30_000) crypto.getRandomValues(record.subarray(at, at + 30_000));

function* untilTheEnd(): Generator<Buffer> {
  for (let i = 0; i < Number(records); i++) yield record;
  if (how === "throws") throw new Error("broken");
  process.exit(1);
}

await new Producer(directory, 1).put(untilTheEnd());
