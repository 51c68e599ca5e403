import { expect, test } from "vitest";
import { LimitedLog, LINES_PER_PERIOD_MAX, LINES_PERIOD_MS } from "../../../server/host/limited-log.ts";
import { createLogger } from "../../../server/host/logger.ts";
import { LogLines } from "../../sim/log-lines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

function open(): { clock: ManualClock; sink: LogLines; log: LimitedLog } {
  const clock = new ManualClock();
  const sink = new LogLines();
  return { clock, sink, log: new LimitedLog(createLogger({ level: "info", format: "json" }, sink), clock) };
}

test("of one text a few lines in a period are written, and the number of the others is told at its end", async () => {
  const { clock, sink, log } = open();
  for (let i = 0; i < 100_000; i++) log.warn({ user: `user-${i}` }, "invalid authentication was requested");
  log.info({ alarm: "NOSPACE" }, "alarm disarmed");
  const written = sink.records.map(({ msg }) => msg);
  expect(written.filter((msg) => msg === "invalid authentication was requested")).toHaveLength(LINES_PER_PERIOD_MAX);
  expect(written.at(-1)).toBe("alarm disarmed");
  await clock.advance(LINES_PERIOD_MS);
  expect(sink.records.slice(LINES_PER_PERIOD_MAX + 1)).toEqual([
    expect.objectContaining({
      level: "warn",
      suppressed: 100_000 - LINES_PER_PERIOD_MAX,
      of: "invalid authentication was requested",
      msg: "more lines of the same kind",
    }),
  ]);
});

test("after a period lines are written again, and nothing is told when none was left out", async () => {
  const { clock, sink, log } = open();
  for (let period = 0; period < 3; period++) {
    for (let i = 0; i < LINES_PER_PERIOD_MAX; i++) log.error({}, "text");
    await clock.advance(LINES_PERIOD_MS);
  }
  expect(sink.records.map(({ msg }) => msg)).toEqual(Array.from({ length: 3 * LINES_PER_PERIOD_MAX }, () => "text"));
  expect(clock.pending).toBe(0);
});

test("what keeps on coming is told of once a period, and each line is written or counted", async () => {
  const { clock, sink, log } = open();
  const rounds = 500;
  for (let i = 0; i < rounds; i++) {
    log.warn({}, "text");
    log.warn({}, "text");
    await clock.advance(LINES_PERIOD_MS / 100);
  }
  await clock.advance(LINES_PERIOD_MS);
  const lines = sink.records.filter(({ msg }) => msg === "text").length;
  const told = sink.records.filter(({ of }) => of === "text");
  expect(told.length).toBe(5);
  expect(lines).toBe(5 * LINES_PER_PERIOD_MAX);
  expect(told.reduce((sum, { suppressed }) => sum + Number(suppressed), lines)).toBe(2 * rounds);
});
