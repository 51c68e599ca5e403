import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { readTexts } from "./journal-contract.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { systemTime } from "../../server/clock.ts";

const script = join(import.meta.dirname, "append-until-killed.ts");

/** Runs a writer until it has printed that many commits, kills it with SIGKILL, and gives the last commit printed. */
async function writeAndKill(directory: string, writer: number, commits: number): Promise<number> {
  const child = spawn(process.execPath, [script, directory, String(writer)], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  let committed = 0;
  let lines = 0;
  for await (const line of createInterface(child.stdout)) {
    committed = Number(line);
    lines++;
    if (lines === commits) child.kill("SIGKILL");
  }
  expect(await exit).toEqual([null, "SIGKILL"]);
  return committed;
}

test("a writer killed with SIGKILL at any moment loses no record whose commit it has told, and the next goes on", async () => {
  const directory = await mkdtemp(join(tmpdir(), "journal-kill-"));
  let known: string[] = [];
  for (const [index, commits] of [1, 40, 7, 150, 3].entries()) {
    const writer = index + 1;
    const committed = await writeAndKill(directory, writer, commits);
    const contents = await verifyDirectory(nodeDisk, directory);
    const journal = await openDirectoryJournal({
      ...systemTime,
      directory,
      segmentBytes: 64 * 1024,
      listener: new RecordingListener(),
    });
    const found = await readTexts(journal.read(1), 1);
    await journal.close();
    expect(found).toHaveLength(contents.lastPosition);
    expect(committed).toBeGreaterThan(known.length);
    expect(found.length).toBeGreaterThanOrEqual(committed);
    expect(found.slice(0, known.length)).toEqual(known);
    for (let position = known.length + 1; position <= found.length; position++) {
      expect(found[position - 1]).toBe(`${position} of writer ${writer} `.padEnd((position * 37) % 1500, "."));
    }
    known = found;
  }
  await rm(directory, { recursive: true });
});
