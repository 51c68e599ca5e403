/**
 * The same unary call every few milliseconds, whether the last was answered or not: while a server stands still, calls
 * come all the same, and each finds out how long it still has to wait. A closed loop would count such a time once.
 */

import type { LatencyHistogram } from "./latency-histogram.ts";
import type { LeanClient } from "./lean-client.ts";

export interface PacedCalls {
  readonly client: LeanClient;
  readonly path: string;
  readonly request: Uint8Array;
  readonly everyMilliseconds: number;
  readonly seconds: number;
  /** Takes the time of each call, from when it was written to when its reply was read. */
  readonly histogram: LatencyHistogram;
}

/**
 * Returns when the last call is answered.
 *
 * @throws when one fails
 */
export async function runPacedCalls(calls: PacedCalls): Promise<void> {
  const { client, path, request, everyMilliseconds, seconds, histogram } = calls;
  const { promise: drained, resolve, reject } = Promise.withResolvers<void>();
  const untilMs = performance.now() + seconds * 1_000;
  let open = 0;
  const call = (): void => {
    const startedMs = performance.now();
    if (startedMs >= untilMs) {
      clearInterval(timer);
      if (open === 0) resolve();
      return;
    }
    open++;
    client.unary(path, request, (status, _reply, text) => {
      open--;
      if (status !== 0) return reject(new Error(`${path} failed with status ${status}: ${text}`));
      const nowMs = performance.now();
      histogram.add(nowMs - startedMs);
      if (open === 0 && nowMs >= untilMs) resolve();
    });
  };
  const timer = setInterval(call, everyMilliseconds);
  try {
    await drained;
  } finally {
    clearInterval(timer);
  }
}
