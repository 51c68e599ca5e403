import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { benchJournal } from "../../bench/journal/journal.ts";
import { benchStart, makeJournal } from "../../bench/journal/start.ts";

test.each([1, 3])("the journal's bench runs on %i directories and counts what it committed", async (zones) => {
  const directory = await mkdtemp(join(tmpdir(), "journal-bench-"));
  const result = await benchJournal({ directory, appenders: 8, zones, recordBytes: 100, seconds: 0.1 });
  await rm(directory, { recursive: true });
  expect(result.records).toBeGreaterThan(0);
  expect(result.recordsPerFlush).toBeLessThanOrEqual(8);
  expect(result.p50Ms).toBeLessThanOrEqual(result.p999Ms);
});

test("the bench of a start opens what it made, and reads all of it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "journal-start-"));
  await makeJournal({ directory, records: 1000, recordBytes: 100, recordsPerFrame: 30 });
  const { recordsRead, open, read } = await benchStart(directory);
  await rm(directory, { recursive: true });
  expect(recordsRead).toBe(1000);
  expect(Math.min(open.milliseconds, read.milliseconds)).toBeGreaterThan(0);
});
