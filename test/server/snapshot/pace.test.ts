import { expect, test } from "vitest";
import { Pace } from "../../../server/snapshot/pace.ts";
import { StopFlag } from "../../../server/snapshot/stop-flag.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

class Sleeper {
  slept = 0;

  sleep(milliseconds: number): void {
    this.slept += milliseconds;
  }
}

test("work is held to its rate, whatever its pieces are", () => {
  const sleeper = new Sleeper();
  const pace = new Pace(new ManualClock(), sleeper, 1_000);
  pace.spend(10);
  expect(sleeper.slept).toBe(10);
});

test("what was not used for long is not caught up with in one go", async () => {
  const clock = new ManualClock();
  const sleeper = new Sleeper();
  const pace = new Pace(clock, sleeper, 1_000);
  await clock.advance(3_600_000);
  pace.spend(100);
  expect(sleeper.slept).toBe(0);
  pace.spend(100);
  expect(sleeper.slept).toBe(100);
});

test("who sleeps is woken when he is to stop", () => {
  const flag = new StopFlag();
  const same = new StopFlag(flag.shared);
  expect(same.isSet).toBe(false);
  flag.set();
  same.sleep(3_600_000);
  expect(same.isSet).toBe(true);
});
