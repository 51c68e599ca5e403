/** Lets arrivals come at their times on the machine's clock. */

import type { LatencyHistogram } from "../client/latency-histogram.ts";
import { type Arrivals, arriveUntil } from "./arrivals.ts";
import { monotonicMs } from "./clock.ts";

/** The shortest that a timer takes; what is due meanwhile waits for it, and the wait counts. */
const TICK_MILLISECONDS = 1;

/**
 * Returns when the clock has reached `endMs`: nothing begins any more.
 *
 * @param late takes how much later than asked each timer came: what this process lacks of a core
 * @param goesOn is asked each time; when it says no, this returns at once
 */
export function runArrivals(
  arrivals: readonly Arrivals[],
  endMs: number,
  late: LatencyHistogram,
  goesOn: () => boolean = () => true,
): Promise<void> {
  return new Promise((resolve) => {
    let askedMs = monotonicMs();
    const tick = (): void => {
      const nowMs = monotonicMs();
      late.add(nowMs - askedMs);
      arriveUntil(arrivals, nowMs, endMs);
      if (nowMs >= endMs || !goesOn()) return resolve();
      askedMs = monotonicMs() + TICK_MILLISECONDS;
      setTimeout(tick, TICK_MILLISECONDS);
    };
    tick();
  });
}
