import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { SnapshotDirectory } from "../../../server/snapshot/snapshot-directory.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { CLUSTER, openSnapshot, readAll, testDirectory } from "./support-snapshots.ts";

const script = join(import.meta.dirname, "write-until-killed.ts");
const KILLS = 20;
/** Some snapshots' worth. */
const STEPS_MAX = 50;

/** Runs a writer until it has told so many steps, kills it with SIGKILL a moment later, and gives all that it told to be complete. */
async function writeAndKill(directory: string, first: number, steps: number, momentMs: number): Promise<number[]> {
  const child = spawn(process.execPath, [script, directory, String(first)], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  const complete: number[] = [];
  let told = 0;
  for await (const line of createInterface(child.stdout)) {
    if (line !== "step") complete.push(Number(line));
    told++;
    if (told === steps) setTimeout(() => child.kill("SIGKILL"), momentMs);
  }
  expect(await exit).toEqual([null, "SIGKILL"]);
  return complete;
}

test("of a writer killed with SIGKILL at any moment sound snapshots are left, and all that it told of", async () => {
  using path = testDirectory();
  const directory = new SnapshotDirectory({ directory: path.path, clusterId: CLUSTER });
  const random = seededRandom(5);
  let first = 1;
  for (let kill = 0; kill < KILLS; kill++) {
    const complete = await writeAndKill(path.path, first, 1 + Math.floor(random() * STEPS_MAX), random() * 40);
    await directory.tidy();
    const listed = await directory.list();
    const positions = listed.map(({ position }) => position);
    expect(positions).toEqual(expect.arrayContaining(complete.slice(-2)));
    expect(readdirSync(path.path)).toHaveLength(3 * listed.length);
    for (const { position, error } of listed) {
      expect(error).toBeNull();
      const snapshot = openSnapshot(path.path, position);
      expect(snapshot.contents.meta).toEqual({ position });
      const records = readAll(snapshot);
      expect(records).toHaveLength(400);
      expect(records[399].toString("latin1")).toBe(`399 of snapshot ${position} `.padEnd(5_000, "."));
      snapshot.close();
    }
    first = Math.max(first, ...positions) + 1;
  }
  expect(first).toBeGreaterThan(5);
}, 300_000);
