/** One round of the isolation bench: reads of one object on a connection of their own, with other clients beside them. */

import { setTimeout as pause } from "node:timers/promises";

import { currentRevision } from "../kv/revision.ts";
import { LatencyHistogram } from "../client/latency-histogram.ts";
import type { LeanClient } from "../client/lean-client.ts";
import { LoadProcess } from "../load-process.ts";
import type { BenchOptions } from "../options.ts";
import { runPacedCalls } from "../client/paced-calls.ts";
import type { Scenario } from "./scenarios.ts";

const GET_EVERY_MILLISECONDS = 2;

export interface Times {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Round {
  readonly gets: Times;
  /** What the clients beside have timed; NaN when they had nothing to time. */
  readonly beside: Times;
  readonly writesPerSecond: number;
}

/**
 * @param client is connected to the server at `url` and used by nobody else
 * @param get the Range of one object
 */
export async function runRound(
  url: string,
  client: LeanClient,
  get: Uint8Array,
  { beside }: Scenario,
  options: BenchOptions,
): Promise<Round> {
  const gets = new LatencyHistogram();
  const timed = new LatencyHistogram();
  let measuring = false;
  const onTimed = (milliseconds: number): void => {
    if (measuring) timed.add(milliseconds);
  };
  const loads: LoadProcess[] = [];
  try {
    for (const { script, args } of beside) loads.push(await LoadProcess.start(script, [url, ...args], onTimed));
    await pause(options.warmUpSeconds * 1_000);
    const firstRevision = await currentRevision(client);
    const begunMs = performance.now();
    measuring = true;
    await runPacedCalls({
      client,
      path: "/etcdserverpb.KV/Range",
      request: get,
      everyMilliseconds: GET_EVERY_MILLISECONDS,
      seconds: options.seconds,
      histogram: gets,
    });
    const seconds = (performance.now() - begunMs) / 1_000;
    // Every put is one revision, and nobody else writes.
    const writes = (await currentRevision(client)) - firstRevision;
    measuring = false;
    return { gets: timesOf(gets), beside: timesOf(timed), writesPerSecond: writes / seconds };
  } finally {
    for (const load of loads) await load.stop();
  }
}

function timesOf(histogram: LatencyHistogram): Times {
  return { p50: histogram.quantile(0.5), p99: histogram.quantile(0.99), max: histogram.quantile(1) };
}
