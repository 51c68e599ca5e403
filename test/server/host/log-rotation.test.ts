import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test, vi } from "vitest";
import { openLog } from "../../../server/host/logger.ts";
import type { OpenLog } from "../../../server/host/logger.ts";
import type { LogRotation } from "../../../server/config/config.ts";

const SETTINGS: LogRotation = { bytesMax: 1_000, ageMsMax: 0, backupsMax: 0, localTime: false, compress: false };

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "plinth-log-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function open(file: string, settings: Partial<LogRotation> = {}): OpenLog {
  return openLog({ level: "info", format: "json", outputs: [file], rotation: { ...SETTINGS, ...settings } });
}

/** The numbers that were logged, oldest file first. */
function numbersIn(directory: string): number[] {
  const files = readdirSync(directory).toSorted(
    (a, b) => Number(a === "x.log") - Number(b === "x.log") || (a < b ? -1 : 1),
  );
  return files.flatMap((name) => {
    const bytes = readFileSync(path.join(directory, name));
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
    const lines = text.split("\n").filter((line) => line !== "");
    return lines.map((line) => (JSON.parse(line) as { n: number }).n);
  });
}

async function logNumbers(log: OpenLog, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    log.logger.info({ n }, "a line of the log");
    // Some at a time, so that files are moved away between them.
    if (n % 7 === 0) await log.drain();
  }
  await log.drain();
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test("a file that would grow too large is moved away, and no line is lost or twice", async () => {
  const directory = folder();
  const log = open(path.join(directory, "x.log"));
  await logNumbers(log, 0, 200);
  expect(numbersIn(directory)).toEqual(numbers(0, 200));
  const names = readdirSync(directory);
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) {
    expect(name).toMatch(/^x(-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3})?\.log$/);
    expect(readFileSync(path.join(directory, name)).length).toBeLessThanOrEqual(SETTINGS.bytesMax);
  }
});

test("what is there at the start counts, and goes on", async () => {
  const directory = folder();
  const file = path.join(directory, "x.log");
  await logNumbers(open(file), 0, 5);
  await logNumbers(open(file), 5, 40);
  expect(numbersIn(directory)).toEqual(numbers(0, 40));
  expect(readFileSync(file).length).toBeLessThanOrEqual(SETTINGS.bytesMax);
});

test("only so many stay, and others in the folder are left alone", async () => {
  const directory = folder();
  const others = ["x-1.log", "x-2020-01-01T00-00-00.000.txt", "y-2020-01-01T00-00-00.000.log"];
  for (const name of others) writeFileSync(path.join(directory, name), "");
  const log = open(path.join(directory, "x.log"), { backupsMax: 2 });
  await logNumbers(log, 0, 100);
  await vi.waitUntil(() => readdirSync(directory).length === others.length + 3);
  for (const name of others) rmSync(path.join(directory, name));
  const kept = numbersIn(directory);
  expect(kept).toEqual(numbers(kept[0], 100));
});

test("who is too old goes at the start", async () => {
  const directory = folder();
  writeFileSync(path.join(directory, "x-2020-01-01T00-00-00.000.log"), "");
  writeFileSync(path.join(directory, "x-2020-01-01T00-00-00.000.log.gz"), "");
  writeFileSync(path.join(directory, "x-2999-01-01T00-00-00.000.log"), "");
  open(path.join(directory, "x.log"), { ageMsMax: 86_400_000 });
  await vi.waitUntil(() => readdirSync(directory).length === 2);
  expect(readdirSync(directory)).toEqual(["x-2999-01-01T00-00-00.000.log", "x.log"]);
});

test("what is moved away is compressed", async () => {
  const directory = folder();
  const log = open(path.join(directory, "x.log"), { compress: true });
  await logNumbers(log, 0, 60);
  await vi.waitUntil(() => readdirSync(directory).every((name) => name === "x.log" || name.endsWith(".log.gz")));
  expect(numbersIn(directory)).toEqual(numbers(0, 60));
});

test("a file that cannot be moved away goes on growing, and says so", async () => {
  const directory = folder();
  const file = path.join(directory, "inner", "x.log");
  mkdirSync(path.dirname(file));
  const log = open(file);
  await logNumbers(log, 0, 5);
  rmSync(path.dirname(file), { recursive: true });
  await logNumbers(log, 5, 30);
  mkdirSync(path.dirname(file));
  log.reopen();
  await logNumbers(log, 30, 32);
  expect(numbersIn(path.dirname(file))).toEqual([30, 31]);
});
