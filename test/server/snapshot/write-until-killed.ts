/* Writes snapshot after snapshot, tells each step, and of each that is complete its position, until it is killed. */
import { writeSync } from "node:fs";
import { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import { Producer } from "./support-jobs.ts";
import { CLUSTER } from "./support-snapshots.ts";

const [path, first] = process.argv.slice(2);
const directory = new SnapshotDirectory({ directory: path, clusterId: CLUSTER, bytesPerSecond: 1_000_000_000 });
await directory.tidy();
writeSync(1, "step\n");

function* records(position: number): Generator<Buffer> {
  for (let i = 0; i < 400; i++) {
    if (i % 40 === 0) writeSync(1, "step\n");
    yield Buffer.from(`${i} of snapshot ${position} `.padEnd(5_000, "."));
  }
}

for (let position = Number(first); ; position++) {
  const producer = new Producer(directory, position);
  await producer.put(records(position));
  writeSync(1, "step\n");
  await producer.job.complete({ position });
  writeSync(1, `${position}\n`);
  if (position > 3) await directory.remove(position - 3);
}
