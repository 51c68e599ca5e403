/* Writes and reads a snapshot with so few descriptors left, and prints what came of each. */
import { closeSync, openSync } from "node:fs";
import { SnapshotError } from "../../../server/snapshot/snapshot-error.ts";
import { openSnapshot, readAll, writeSnapshot } from "./support-snapshots.ts";

const path = process.argv[2];
const LEFT_MAX = 8;
const taken: number[] = [];

writeSnapshot(path, 1000, [[Buffer.from("a")]]);
try {
  for (;;) taken.push(openSync("/dev/null", "r"));
} catch {
  // None is left.
}
for (let left = 0; left <= LEFT_MAX; left++) {
  if (left > 0) closeSync(taken.pop() ?? -1);
  const written = outcome(() => void writeSnapshot(path, left, [[Buffer.from("a")]]));
  const read = outcome(() => {
    const snapshot = openSnapshot(path, 1000);
    readAll(snapshot);
    snapshot.close();
  });
  process.stdout.write(`${written} ${read}\n`);
}

function outcome(act: () => void): string {
  try {
    act();
    return "ok";
  } catch (error) {
    if (error instanceof SnapshotError) return error.code;
    throw error;
  }
}
