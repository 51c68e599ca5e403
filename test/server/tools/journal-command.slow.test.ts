/** What an operator sees of a journal that lies on the disk. */
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { putRequest } from "../../../bench/client/requests.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import type { PlinthProcess } from "../../support/plinth-process.ts";
import { startPlinth } from "../../support/plinth-process.ts";

const command = path.join(import.meta.dirname, "..", "..", "..", "bin", "plinth");
let plinth: PlinthProcess;
let directory: string;

function journal(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(command, ["journal", ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>); // Each line is an object.

beforeAll(async () => {
  plinth = await startPlinth();
  directory = path.join(plinth.dataDir, "journal", "zone-a");
  const client = await EtcdClient.connect(plinth.url);
  for (const key of ["/x/1", "/x/2", "/y"]) await client.put(putRequest(key, "secret"));
  client.lean.destroy();
});

afterAll(() => plinth.remove());

test("a journal that a server has open is not looked at, and who has it is told", () => {
  for (const name of ["verify", "dump"]) {
    const { status, stderr } = journal(name, directory);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`in use by process ${plinth.pid}`)]);
  }
});

test("verify tells what a whole one holds, and dump its frames and records, without their values", async () => {
  await plinth.stop();
  const verified = journal("verify", directory);
  expect(verified).toMatchObject({ status: 0, stdout: expect.stringContaining("whole. Records 1 to 3 in 4 frames") });
  const [contents] = linesOf(journal("verify", "-w", "json", directory).stdout);
  expect(contents).toMatchObject({
    directory,
    firstPosition: 1,
    lastPosition: 3,
    lastEpoch: 1,
    committed: 4,
    tornBytes: 0,
  });

  const lines = linesOf(journal("dump", "-w", "json", directory).stdout);
  expect(lines[0]).toMatchObject({ frame: 1, kind: "barrier", epoch: 1 });
  expect(Math.abs(Date.now() - Date.parse(String(lines[0]["time"])))).toBeLessThan(600_000);
  const records = lines.filter((line) => "record" in line);
  expect(records.map(({ record, command: name, key }) => [record, name, key])).toEqual([
    [1, "put", "/x/1"],
    [2, "put", "/x/2"],
    [3, "put", "/y"],
  ]);
  const { stdout } = journal("dump", "--from=2", "--to=2", directory);
  expect(stdout.match(/record \d/g)).toEqual(["record 2"]);
  expect(stdout).not.toContain("secret");
});

test("a command line that cannot be used is refused with 2 and what there is", () => {
  for (const args of [
    ["verifi", directory],
    ["verify"],
    ["dump", directory, directory],
    ["dump", directory, "--from=x"],
  ]) {
    const { status, stderr } = journal(...args);
    expect([status, stderr]).toEqual([2, expect.stringContaining("plinth journal verify DIR")]);
  }
  expect(journal()).toMatchObject({ status: 0, stdout: expect.stringContaining("plinth journal dump DIR") });
});

test("verify tells damage by file and offset, and a directory that is not there", async () => {
  const file = path.join(directory, "0000000000000001.seg");
  const bytes = await readFile(file);
  bytes[bytes.indexOf("/x/2")] ^= 1;
  await writeFile(file, bytes);
  expect(journal("verify", directory)).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/\.seg: corrupt at offset \d+/),
  });
  expect(journal("verify", `${directory}-none`)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("ENOENT"),
  });
});
