/**
 * Unary calls at a fixed rate, whether those before were answered or not. The time of each counts from the moment at which it
 * was meant to be written, so that a stall of the server, or of this process, counts for all calls that fall into it.
 */

import type { LatencyHistogram } from "./latency-histogram.ts";
import type { LeanClient } from "./lean-client.ts";

/** How often what has come due is written. */
const TICK_MILLISECONDS = 1;

export interface OpenLoop {
  readonly clients: readonly LeanClient[];
  readonly path: string;
  /** The request of call `i`; it is written before this is called again. */
  request(i: number): Uint8Array;
  readonly perSecond: number;
  readonly seconds: number;
  /** Calls without answer; what comes due beyond is left out, and told. */
  readonly openMax: number;
  /** Takes the time of each call that was answered with success. */
  readonly histogram: LatencyHistogram;
}

export interface OpenLoopResult {
  readonly answered: number;
  readonly refused: number;
  readonly leftOut: number;
}

/** Returns when the last call is answered. A refusal counts and ends nothing. */
export async function runOpenLoop(loop: OpenLoop): Promise<OpenLoopResult> {
  const { clients, path, perSecond, seconds, openMax, histogram } = loop;
  const { promise: drained, resolve } = Promise.withResolvers<void>();
  const total = Math.round(perSecond * seconds);
  const begunMs = performance.now();
  let due = 0;
  let open = 0;
  const result = { answered: 0, refused: 0, leftOut: 0 };
  const write = (i: number): void => {
    const intendedMs = begunMs + (i / perSecond) * 1_000;
    open++;
    clients[i % clients.length].unary(path, loop.request(i), (status) => {
      open--;
      if (status === 0) {
        result.answered++;
        histogram.add(performance.now() - intendedMs);
      } else {
        result.refused++;
      }
      if (open === 0 && due === total) resolve();
    });
  };
  const tick = (): void => {
    const until = Math.min(total, Math.floor(((performance.now() - begunMs) / 1_000) * perSecond));
    for (; due < until; due++) {
      if (open < openMax) write(due);
      else result.leftOut++;
    }
    if (due === total && open === 0) resolve();
  };
  const timer = setInterval(tick, TICK_MILLISECONDS);
  try {
    await drained;
  } finally {
    clearInterval(timer);
  }
  return result;
}
