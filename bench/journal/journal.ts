/*
 * Question: how many records a second does a journal on one directory or on several commit, and how long does each wait,
 * when C appenders append again as soon as their record is committed?
 *
 *     node bench/journal/journal.ts [--directory DIR] [--seconds 2] [--bytes 400] [--appenders 1,64,512] [--zones 1,3]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import type { Journal, JournalListener } from "../../journal/journal.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";

export interface JournalBenchResult {
  readonly appenders: number;
  readonly records: number;
  readonly recordsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly cpuMicrosecondsPerRecord: number;
  readonly recordsPerFlush: number;
}

export interface JournalBenchOptions {
  readonly directory: string;
  readonly appenders: number;
  readonly recordBytes: number;
  /** 1, or directories of which a majority decides. */
  readonly zones: number;
  readonly seconds: number;
}

/** Runs one closed loop; `directory` must be empty. Times are taken per record, after a tenth of the run to warm up. */
export async function benchJournal(options: JournalBenchOptions): Promise<JournalBenchResult> {
  const { directory, appenders, recordBytes, seconds, zones } = options;
  const record = Buffer.alloc(recordBytes, 0x5a);
  const begun = new Map<number, number>();
  const latencies: number[] = [];
  let flushes = 0;
  let measuring = false;
  let until = Infinity;
  const stop = Promise.withResolvers<void>();
  let committedBefore = 0;

  const journal = await open(directory, zones, {
    onCommitted(committed) {
      const now = performance.now();
      flushes++;
      for (let position = committedBefore + 1; position <= committed; position++) {
        if (measuring) latencies.push(now - (begun.get(position) ?? now));
        begun.delete(position);
      }
      const count = committed - committedBefore;
      committedBefore = committed;
      if (now >= until) stop.resolve();
      else for (let i = 0; i < count; i++) append();
    },
    onFailed: (error) => stop.reject(error),
  });
  function append(): void {
    begun.set(journal.append(record), performance.now());
  }

  for (let i = 0; i < appenders; i++) append();
  await new Promise((resolve) => setTimeout(resolve, seconds * 100));
  measuring = true;
  flushes = 0;
  const start = performance.now();
  const cpu = process.cpuUsage();
  until = start + seconds * 1000;
  await stop.promise;
  const elapsedSeconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await journal.close();

  const sorted = Float64Array.from(latencies).toSorted();
  const quantile = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return {
    appenders,
    records: sorted.length,
    recordsPerSecond: sorted.length / elapsedSeconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    p999Ms: quantile(0.999),
    cpuMicrosecondsPerRecord: (user + system) / sorted.length,
    recordsPerFlush: sorted.length / flushes,
  };
}

function open(directory: string, zones: number, listener: JournalListener): Promise<Journal> {
  if (zones === 1) return openDirectoryJournal({ ...systemTime, directory, listener });
  const places = Array.from({ length: zones }, (_, i) => ({ zone: `${i}`, directory: join(directory, `${i}`) }));
  return openZonesJournal({ ...systemTime, zones: places, clusterId: "be".repeat(16), listener });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      directory: { type: "string", default: tmpdir() },
      seconds: { type: "string", default: "2" },
      bytes: { type: "string", default: "400" },
      appenders: { type: "string", default: "1,64,512" },
      zones: { type: "string", default: "1,3" },
    },
  });
  const zonesOf = values.zones.split(",").map(Number);
  const cells = values.appenders.split(",").flatMap((text) => zonesOf.map((zones) => [Number(text), zones]));
  for (const [appenders, zones] of cells) {
    const directory = await mkdtemp(join(values.directory, "journal-bench-"));
    const result = await benchJournal({
      directory,
      appenders,
      zones,
      recordBytes: Number(values.bytes),
      seconds: Number(values.seconds),
    });
    await rm(directory, { recursive: true });
    console.log(
      `C=${appenders} zones=${zones} ${Math.round(result.recordsPerSecond)} records/s`,
      `p50 ${result.p50Ms.toFixed(3)} ms p99 ${result.p99Ms.toFixed(3)} ms p99.9 ${result.p999Ms.toFixed(2)} ms`,
      `${result.cpuMicrosecondsPerRecord.toFixed(2)} us CPU/record ${result.recordsPerFlush.toFixed(1)} records/flush`,
    );
  }
}
