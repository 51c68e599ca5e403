import { expect, test } from "vitest";
import { benchTcp } from "../../bench/journal/tcp.ts";

test("the bench of replicas over TCP counts frames that two of three have answered for", async () => {
  const result = await benchTcp({ recordsPerFrame: 8, recordBytes: 100, framesInFlight: 2, seconds: 0.1 });
  expect(result.framesPerSecond).toBeGreaterThan(0);
  expect(result.recordsPerSecond).toBeCloseTo(result.framesPerSecond * 8, 3);
  expect(result.p50Ms).toBeLessThanOrEqual(result.p99Ms);
});
