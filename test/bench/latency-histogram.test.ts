import * as fc from "fast-check";
import { expect, it } from "vitest";

import { LatencyHistogram } from "../../bench/client/latency-histogram.ts";
import { median, spread } from "../../bench/statistics.ts";

it("a quantile is at most 1/64 above the latency that has this rank", () => {
  const latencies = fc.array(fc.double({ min: 0, max: 500_000, noNaN: true }), { minLength: 1, maxLength: 300 });
  const shares = fc.double({ min: 0.001, max: 1, noNaN: true });
  fc.assert(
    fc.property(latencies, shares, (values, share) => {
      const histogram = new LatencyHistogram();
      for (const value of values) histogram.add(value);
      const exact = values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(values.length * share)) - 1];
      const told = histogram.quantile(share);
      expect(told).toBeGreaterThanOrEqual(exact);
      // Whole microseconds, and then 1/64.
      expect(told).toBeLessThanOrEqual((exact + 0.001) * (1 + 1 / 64) + 1e-9);
    }),
  );
});

it("a histogram without latencies has no quantile, and neither has one that was reset", () => {
  const histogram = new LatencyHistogram();
  expect(histogram.quantile(0.5)).toBeNaN();
  histogram.add(1);
  expect(histogram.total).toBe(1);
  histogram.reset();
  expect(histogram.quantile(0.5)).toBeNaN();
});

it("median and spread are those of the rounds", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(spread([8, 10, 12])).toBeCloseTo(0.4);
});
