import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { AutoCompactor } from "../../../server/engine/auto-compactor.ts";
import type { AutoCompaction } from "../../../server/config/config.ts";
import { createLogger } from "../../../server/host/logger.ts";
import { LogLines } from "../../sim/log-lines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** An auto compactor over a keyspace that is only a revision. */
class Bench {
  readonly clock = new ManualClock(123_456);
  readonly log = new LogLines();
  readonly compactor: AutoCompactor;
  revision = 1;
  /** What was asked for: `[minute, revision]`. */
  readonly asked: [number, number][] = [];
  answer: () => Promise<string | null> = () => Promise.resolve(null);

  constructor(compaction: AutoCompaction) {
    const startMs = this.clock.nowMs();
    this.compactor = new AutoCompactor({
      compaction,
      clock: this.clock,
      logger: createLogger({ level: "info", format: "json" }, this.log),
      currentRevision: () => this.revision,
      compact: (revision) => {
        this.asked.push([(this.clock.nowMs() - startMs) / MINUTE_MS, revision]);
        return this.answer();
      },
    });
  }

  /** Lets minutes pass, each with the given number of writes at its end. */
  async minutes(count: number, writesEach: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.clock.advance(MINUTE_MS);
      this.revision += writesEach;
    }
  }
}

describe("off", () => {
  test("nothing is scheduled", () => {
    expect(new Bench({ mode: "off" }).clock.pending).toBe(0);
  });
});

describe("periodic", () => {
  test("an hour of history is kept: hourly, up to the revision of an hour ago", async () => {
    const bench = new Bench({ mode: "periodic", retentionMs: HOUR_MS });
    await bench.minutes(59, 10);
    expect(bench.asked).toEqual([]);
    await bench.minutes(122, 10);
    // The revision is 1 at the start and grows by 10 just after each full minute.
    expect(bench.asked).toEqual([
      [60, 1],
      [120, 591],
      [180, 1191],
    ]);
  });

  test("half an hour of history is compacted every half hour", async () => {
    const bench = new Bench({ mode: "periodic", retentionMs: HOUR_MS / 2 });
    await bench.minutes(91, 1);
    expect(bench.asked.map(([minute]) => minute)).toEqual([30, 60, 90]);
  });

  test("a day of history starts after a day and goes on every hour", async () => {
    const bench = new Bench({ mode: "periodic", retentionMs: 24 * HOUR_MS });
    await bench.minutes(26 * 60 + 1, 1);
    expect(bench.asked).toEqual([
      [24 * 60, 1],
      [25 * 60, 60],
      [26 * 60, 120],
    ]);
  });

  test("nothing is asked for when nothing was written", async () => {
    const bench = new Bench({ mode: "periodic", retentionMs: HOUR_MS });
    await bench.minutes(300, 0);
    expect(bench.asked).toEqual([[60, 1]]);
  });

  test("a failed compaction is tried again at the next look, and logged", async () => {
    const bench = new Bench({ mode: "periodic", retentionMs: HOUR_MS });
    bench.answer = () => Promise.resolve("etcdserver: request timed out");
    await bench.minutes(67, 1);
    expect(bench.asked.map(([minute]) => minute)).toEqual([60, 66]);
    bench.answer = () => Promise.resolve(null);
    await bench.minutes(10, 1);
    expect(bench.asked.map(([minute]) => minute)).toEqual([60, 66, 72]);
    expect(bench.log.records.map(({ level, msg }) => `${String(level)}: ${String(msg)}`)).toEqual([
      "warn: failed auto compaction",
      "warn: failed auto compaction",
      "info: completed auto compaction",
    ]);
    expect(bench.log.records[0]).toMatchObject({ revision: 1, error: "etcdserver: request timed out" });
  });

  test("looks wait for a compaction that takes long", async () => {
    const bench = new Bench({ mode: "periodic", retentionMs: 10 * MINUTE_MS });
    const { promise, resolve } = Promise.withResolvers<string | null>();
    bench.answer = () => promise;
    await bench.minutes(40, 1);
    expect(bench.asked).toHaveLength(1);
    expect(bench.clock.pending).toBe(0);
    resolve(null);
    bench.answer = () => Promise.resolve(null);
    await bench.minutes(11, 1);
    expect(bench.asked.length).toBeGreaterThan(1);
  });

  test("no revision younger than the retention is ever compacted", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 300 }),
        async (retentionMinutes, writes) => {
          const bench = new Bench({ mode: "periodic", retentionMs: retentionMinutes * MINUTE_MS });
          /** The revision at each full minute, before that minute's writes. */
          const history = [bench.revision];
          for (const count of writes) {
            await bench.minutes(1, 0);
            history.push(bench.revision);
            bench.revision += count;
          }
          for (const [minute, revision] of bench.asked) {
            // What was current one retention ago, rounded up to the next full minute.
            const keptFrom = history[Math.max(0, Math.ceil(minute - retentionMinutes))];
            expect(revision).toBeLessThanOrEqual(keptFrom);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("revision", () => {
  test("the last thousand revisions are kept, looked at every five minutes", async () => {
    const bench = new Bench({ mode: "revision", retentionRevisions: 1000 });
    await bench.minutes(16, 100);
    expect(bench.asked).toEqual([[15, 401]]);
    await bench.minutes(10, 0);
    expect(bench.asked).toEqual([
      [15, 401],
      [20, 601],
    ]);
  });

  test("a failed compaction is tried again five minutes later", async () => {
    const bench = new Bench({ mode: "revision", retentionRevisions: 10 });
    bench.revision = 100;
    bench.answer = () => Promise.resolve("no");
    await bench.minutes(10, 0);
    expect(bench.asked).toEqual([
      [5, 90],
      [10, 90],
    ]);
  });
});

describe("stop", () => {
  test.each<AutoCompaction>([
    { mode: "periodic", retentionMs: HOUR_MS },
    { mode: "revision", retentionRevisions: 1 },
  ])("after it nothing is asked for in $mode mode", async (compaction) => {
    const bench = new Bench(compaction);
    bench.compactor.stop();
    await bench.minutes(200, 1);
    expect(bench.asked).toEqual([]);
    expect(bench.clock.pending).toBe(0);
  });

  test("during a compaction it keeps the next look from being scheduled", async () => {
    const bench = new Bench({ mode: "revision", retentionRevisions: 1 });
    const { promise, resolve } = Promise.withResolvers<string | null>();
    bench.answer = () => promise;
    await bench.minutes(5, 10);
    expect(bench.asked).toHaveLength(1);
    bench.compactor.stop();
    resolve(null);
    await bench.minutes(20, 10);
    expect(bench.asked).toHaveLength(1);
  });
});
