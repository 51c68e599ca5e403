import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { benchJournal } from "../../bench/journal/journal.ts";

test("the journal's bench runs and counts what it committed", async () => {
  const directory = await mkdtemp(join(tmpdir(), "journal-bench-"));
  const result = await benchJournal({ directory, appenders: 8, recordBytes: 100, seconds: 0.1 });
  await rm(directory, { recursive: true });
  expect(result.records).toBeGreaterThan(0);
  expect(result.recordsPerFlush).toBeLessThanOrEqual(8);
  expect(result.p50Ms).toBeLessThanOrEqual(result.p999Ms);
});
