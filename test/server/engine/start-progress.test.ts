import { expect, test } from "vitest";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { StartProgress } from "../../../server/engine/start-progress.ts";
import { putRequest } from "../../../bench/client/requests.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { execute, newEngine, takeOver } from "../../support/engines.ts";

test("a start says how far it is, and how long the rest takes as soon as that can be told", async () => {
  const clock = new ManualClock();
  const start = new StartProgress(clock);
  expect([start.describe(), start.share]).toEqual(["opening the journal", 0]);
  await clock.advance(60_000);
  start.prepare("carrying the journal over into the present format, 30 %");
  expect([start.describe(), start.share]).toEqual(["carrying the journal over into the present format, 30 %", 0]);
  start.begin(1_000);
  expect(start.describe()).toBe("replaying 0 %");
  start.advance(100);
  expect([start.describe(), start.share]).toEqual(["replaying 10 %", 0.1]);
  await clock.advance(3_000);
  start.advance(250);
  expect([start.describe(), start.secondsLeft]).toEqual(["replaying 25 %, about 9 s left", 9]);
  start.end();
  expect([start.describe(), start.share, start.isOver]).toEqual([null, 1, true]);
});

test("who waits for the end of a start is told once, and not after taking it back", () => {
  const start = new StartProgress(new ManualClock());
  const told: string[] = [];
  start.whenOver(() => told.push("a"));
  const forget = start.whenOver(() => told.push("b"));
  forget();
  start.end();
  start.end();
  expect(told).toEqual(["a"]);
});

test("a replay gives the event loop a turn each time its own is used up, and has come further by then", async () => {
  const store = new MemoryStore();
  const before = newEngine();
  await takeOver(before, store);
  const records = 1_000;
  await Promise.all(Array.from({ length: records }, (_, i) => execute(before, PUT, putRequest(`k${i}`))));
  // Each look at the clock costs a millisecond, so turns are used up by work and not by the machine.
  let nowMs = 0;
  const clock = Object.assign(new ManualClock(), { nowMs: () => nowMs++ });
  const shares: number[] = [];
  const turns = {
    later: (run: () => void): void => {
      shares.push(engine.start.share);
      setImmediate(run);
    },
  };
  const engine = newEngine({ clock, turns });
  await takeOver(engine, store);
  expect(engine.applier.applied).toBe(records);
  expect(shares.length).toBeGreaterThan(50);
  expect(shares).toEqual([...new Set(shares)].toSorted((a, b) => a - b));
  expect(engine.start.isOver).toBe(true);
});
