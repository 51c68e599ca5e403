/** Rounds of a closed loop, in which the servers that are compared take turns, and what is looked at in each. */
import { runClosedLoop } from "../client/closed-loop.ts";
import { LatencyHistogram } from "../client/latency-histogram.ts";
import type { LeanClient } from "../client/lean-client.ts";
import type { BenchOptions } from "../options.ts";
import { cpuSeconds } from "../server-process.ts";
import type { Target } from "./targets.ts";
import type { Workload } from "./workloads.ts";

export interface Round {
  readonly callsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Of all processes of the server, for a call. */
  readonly cpuMicroseconds: number;
}

/** The rounds of every contender, in the order of the contenders. */
export async function runInTurns<Contender>(
  contenders: readonly Contender[],
  { rounds }: Pick<BenchOptions, "rounds">,
  run: (contender: Contender) => Promise<Round>,
): Promise<Round[][]> {
  const results: Round[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const order = contenders.map((_, i) => i);
    // Every other round the other way about: what the machine does over time falls on both.
    for (const i of round % 2 === 0 ? order : order.toReversed()) results[i].push(await run(contenders[i]));
  }
  return results;
}

/**
 * @param inFlight calls on each client
 * @param callsMax ends the round early
 */
export async function runRound(
  target: Target,
  clients: readonly LeanClient[],
  workload: Workload,
  inFlight: number,
  callsMax: number,
  { warmUpSeconds, seconds: secondsMax }: Pick<BenchOptions, "warmUpSeconds" | "seconds">,
): Promise<Round> {
  const histogram = new LatencyHistogram();
  const slots = clients.length * inFlight;
  let cpu = 0;
  const { calls, seconds } = await runClosedLoop(
    {
      clients,
      inFlight,
      path: workload.path,
      request: (slot) => workload.request(slot, slots),
      onReply: (slot, reply) => workload.onReply(slot, reply),
    },
    {
      warmUpSeconds,
      seconds: secondsMax,
      callsMax,
      histogram,
      onMeasuring: (begins) => {
        const total = target.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
        cpu = begins ? total : total - cpu;
      },
    },
  );
  return {
    callsPerSecond: calls / seconds,
    p50: histogram.quantile(0.5),
    p99: histogram.quantile(0.99),
    cpuMicroseconds: (cpu / calls) * 1e6,
  };
}
