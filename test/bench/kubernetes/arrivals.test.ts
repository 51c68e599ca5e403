/** The open loop of the Kubernetes mix. */

import { expect, it } from "vitest";

import { LatencyHistogram } from "../../../bench/client/latency-histogram.ts";
import { arriveUntil, EvenArrivals, FollowingArrivals, PoissonArrivals } from "../../../bench/kubernetes/arrivals.ts";
import { MeasuredKind } from "../../../bench/kubernetes/measured-kind.ts";
import { Random } from "../../../bench/kubernetes/random.ts";

it("what should have arrived while the clock was not looked at arrives with its own time", () => {
  const times: number[] = [];
  const arrivals = new EvenArrivals(10, 5, (ms) => times.push(ms));
  arriveUntil([arrivals], 9, 100);
  expect(times).toEqual([]);
  arriveUntil([arrivals], 31, 100);
  expect(times).toEqual([10, 15, 20, 25, 30]);
  arriveUntil([arrivals], 1_000, 41);
  expect(times).toEqual([10, 15, 20, 25, 30, 35, 40]);
});

it("what follows comes after its time, whenever what it follows was done", () => {
  const times: [number, string][] = [];
  const arrivals = new FollowingArrivals<string>(50, (ms, subject) => times.push([ms, subject]));
  expect(arrivals.nextMs).toBe(Number.POSITIVE_INFINITY);
  arrivals.follow(1, "a");
  arrivals.follow(2, "b");
  arriveUntil([arrivals], 51, 1_000);
  expect(times).toEqual([[51, "a"]]);
  arriveUntil([arrivals], 999, 1_000);
  expect(times).toEqual([
    [51, "a"],
    [52, "b"],
  ]);
});

it("arrivals at a mean rate come at that rate, and at the same times with the same seed", () => {
  const timesOf = (seed: number): number[] => {
    const times: number[] = [];
    arriveUntil([new PoissonArrivals(0, 1_000, new Random(seed), (ms) => times.push(ms))], 10_000, 10_000);
    return times;
  };
  const times = timesOf(1);
  expect(times.length).toBeGreaterThan(9_500);
  expect(times.length).toBeLessThan(10_500);
  expect(timesOf(1)).toEqual(times);
  expect(timesOf(2)).not.toEqual(times);
});

it("a stall counts for every operation that was meant to begin in it", () => {
  const writes = new LatencyHistogram();
  const kind = new MeasuredKind("write", { fromMs: 0, untilMs: 1_000 }, writes);
  // The server stands still for 900 ms, and then answers all at once.
  const arrivals = new EvenArrivals(50, 100, (ms) => kind.due(ms));
  arriveUntil([arrivals], 900, 1_000);
  expect(kind.open).toBe(9);
  for (let ms = 50; ms < 900; ms += 100) kind.answered(ms, 900, true);
  const figures = kind.figures();
  expect(figures).toMatchObject({ asked: 9, reached: 9, errors: 0 });
  expect(figures.p50).toBeGreaterThan(450 - 1);
  expect(figures.max).toBeGreaterThan(850 - 1);
  expect(writes.total).toBe(9);
});

it("what is answered after the window is late and not reached, and what is refused is an error", () => {
  const kind = new MeasuredKind("write", { fromMs: 100, untilMs: 200 });
  for (const ms of [50, 150, 160, 170]) kind.due(ms);
  kind.answered(50, 120, true);
  kind.answered(150, 250, true);
  kind.answered(160, 165, false);
  expect(kind.figures()).toMatchObject({ asked: 3, reached: 1, errors: 1 });
  expect(kind.figures().max).toBeGreaterThanOrEqual(100);
  expect(kind.open).toBe(1);
});
