/** Runs every suite small, so that the benches do not rot. What they measure here means nothing. */

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, it } from "vitest";

import { goMissingReason } from "../../bench/peers/build.ts";

const run = promisify(execFile);
const main = join(import.meta.dirname, "../../bench/main.ts");

/** A suite starts servers and loads them one after the other, and a busy machine takes its time over it. */
const MILLISECONDS_MAX = 600_000;

/** The report as it is printed, which must be as it is written. */
async function report(suite: string, ...flags: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "plinth-bench-test-"));
  try {
    const { stdout } = await run(process.execPath, [main, suite, "--small", ...flags, "--out", folder]);
    expect(stdout).toBe(`${await readFile(join(folder, `${suite}.md`), "utf8")}\n`);
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** How many lines have a number above 0 in the column, in the table that has that column. */
function rowsWith(text: string, column: string): number {
  const tables = text.split("\n\n").filter((part) => part.startsWith("|"));
  const cells = tables.map((table) => table.split("\n").map((line) => line.split("|").map((cell) => cell.trim())));
  const [head, , ...rows] = cells.find(([names]) => names.includes(column)) ?? [[]];
  return rows.filter((row) => Number(row[head.indexOf(column)].replaceAll(",", "")) > 0).length;
}

it("the transport suite compares three servers", { timeout: MILLISECONDS_MAX }, async () => {
  const text = await report("transport");
  expect(rowsWith(text, "calls/s")).toBe(3);
  expect(text).toContain("- command: `node bench/main.ts transport --small");
  expect(text).toMatch(/- machine: .+ cores/);
});

const missing = goMissingReason();
it.skipIf(missing !== null)(
  `the kv suite compares Plinth and etcd${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: MILLISECONDS_MAX },
  async () => {
    const text = await report("kv");
    expect(rowsWith(text, "calls/s")).toBe(36);
    expect(rowsWith(text, "p99 ms")).toBe(36);
    expect(rowsWith(text, "× 3 members")).toBe(36);
    expect(text).toMatch(/- versions: node 24\S+, etcd 3\./);
  },
);

it.skipIf(missing !== null)(
  `the lists suite compares reads of Plinth and etcd${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: MILLISECONDS_MAX },
  async () => {
    const text = await report("lists", "--keys", "6000");
    expect(rowsWith(text, "calls/s")).toBe(6);
    expect(rowsWith(text, "CPU, etcd ×")).toBeGreaterThanOrEqual(3);
    expect(text.match(/ ×: (met|missed)/g)).toHaveLength(3);
  },
);

it.skipIf(missing !== null)(
  `the backups suite saves backups of Plinth and etcd${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: MILLISECONDS_MAX },
  async () => {
    const text = await report("backups", "--keys", "6000");
    expect(rowsWith(text, "MB/s")).toBe(2);
    expect(rowsWith(text, "Get p99 ms")).toBe(2);
    expect(text).toMatch(/≥ 100 MB\/s: (met|missed)/);
  },
);

it.skipIf(missing !== null)(
  `the isolation suite compares Plinth and etcd${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: MILLISECONDS_MAX },
  async () => {
    const text = await report("isolation");
    expect(rowsWith(text, "Get p99 ms")).toBe(10);
    expect(rowsWith(text, "other p99 ms")).toBe(8);
    expect(rowsWith(text, "writes/s")).toBe(4);
  },
);

it.skipIf(missing !== null)(
  `the kubernetes suite asks Plinth and etcd the same, and both do it right${missing === null ? "" : ` (skipped: ${missing})`}`,
  { timeout: MILLISECONDS_MAX },
  async () => {
    // Long enough for pods to live and die in a round.
    const text = await report("kubernetes", "--seconds", "1", "--nodes", "1000");
    expect(rowsWith(text, "asked/s")).toBe(24);
    expect(rowsWith(text, "events/s")).toBe(2);
    expect(rowsWith(text, "RSS MB")).toBe(2);
    expect(rowsWith(text, "events out/s")).toBeGreaterThanOrEqual(4);
    // On a very busy machine a server may refuse what takes it too long, and that is shown; what it does must be right.
    expect(text.match(/every acknowledged write as it was left/g)).toHaveLength(2);
    expect(text).not.toContain("WRONG");
  },
);

it("the partitions suite compares leases alone with leases beside a flood", { timeout: MILLISECONDS_MAX }, async () => {
  const text = await report("partitions");
  expect(rowsWith(text, "p99 ms")).toBe(3);
  expect(text).toContain("goal: no lease refused: 0, met");
});

it("the journal suite compares its forms with the control", { timeout: MILLISECONDS_MAX }, async () => {
  const text = await report("journal");
  expect(rowsWith(text, "records/s")).toBe(4);
  expect(rowsWith(text, "control records/s")).toBe(4);
  expect(rowsWith(text, "replicas µs/record")).toBe(2);
  expect(rowsWith(text, "failed appends")).toBe(0);
  expect(rowsWith(text, "records/s with it")).toBe(2);
  expect(rowsWith(text, "scan MB/s")).toBe(2);
});

it("the keyspace suite measures rates, memory, pauses and what comes back", { timeout: MILLISECONDS_MAX }, async () => {
  const text = await report("keyspace");
  expect(rowsWith(text, "per second")).toBe(6);
  expect(rowsWith(text, "CPU µs each")).toBe(6);
  expect(text).toMatch(/resident bytes a key beyond key and value .* ≤ 150: (met|missed)/);
  expect(text).toMatch(/removal: longest pause, ms .* ≤ 20: (met|missed)/);
  expect(text).toMatch(/back to the pool, % .* ≥ 70: (met|missed)/);
});

it("the start suite measures what is replayed and how long the open takes", { timeout: MILLISECONDS_MAX }, async () => {
  const text = await report("start");
  expect(rowsWith(text, "replayed/s")).toBe(3);
  expect(rowsWith(text, "open s")).toBe(3);
  expect(text).toMatch(/updates, a busy server's .* ≥ 300,000: (met|missed)/);
});

it(
  "the restart suite measures how long a start takes from a snapshot, and its memory",
  { timeout: MILLISECONDS_MAX },
  async () => {
    const text = await report("restart");
    expect(rowsWith(text, "ready after s")).toBe(1);
    expect(text).toMatch(/≤ 1\.3 x: [\d.]+, (met|missed)/);
  },
);

it("the disk suite measures what a zone keeps of many updates", { timeout: MILLISECONDS_MAX }, async () => {
  const text = await report("disk", "--keys", "4000");
  expect(rowsWith(text, "MB in the end")).toBe(2);
  expect(text.match(/MB in the end: (met|missed)/g)).toHaveLength(2);
});

it("a suite that does not exist and a number that is none are refused", async () => {
  await expect(run(process.execPath, [main, "nothing"])).rejects.toMatchObject({ code: 2 });
  await expect(run(process.execPath, [main, "kv", "--rounds", "0"])).rejects.toMatchObject({ code: 2 });
  await expect(run(process.execPath, [main, "kubernetes", "--nodes", "none"])).rejects.toMatchObject({ code: 2 });
});
