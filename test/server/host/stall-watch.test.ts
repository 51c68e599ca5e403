import { expect, test } from "vitest";
import { measureTurns, StallWatch, STALL_WARNING_MS } from "../../../server/host/stall-watch.ts";
import type { TurnTimes } from "../../../server/host/stall-watch.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

/** Turns that take as long as the test says. */
class ToldTurns implements TurnTimes {
  longest = 0;

  longestMs(): number {
    return this.longest;
  }

  forget(): void {
    this.longest = 0;
  }
}

test("a turn that took longer than it may is told of once, and none that was before", async () => {
  const clock = new ManualClock();
  const turns = new ToldTurns();
  const stalls: number[] = [];
  const watch = new StallWatch({ clock, turns, onStall: (milliseconds) => stalls.push(milliseconds) });
  turns.longest = 900;
  watch.start();
  for (const longest of [5, STALL_WARNING_MS, STALL_WARNING_MS + 1, 1_500]) {
    turns.longest = longest;
    await clock.advance(2_000);
  }
  expect(stalls).toEqual([STALL_WARNING_MS + 1, 1_500]);
  watch.stop();
  expect(clock.pending).toBe(0);
});

test("a turn that stands still is measured", async () => {
  const turns = measureTurns();
  const standStill = (): number => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * STALL_WARNING_MS);
    return turns.longestMs();
  };
  // The first times it may not have begun to measure.
  await expect.poll(standStill).toBeGreaterThan(STALL_WARNING_MS);
});
