/** One run of the mix against one server: both halves of the load, and what the server costs meanwhile. */

import { availableParallelism } from "node:os";
import { setTimeout as pause } from "node:timers/promises";

import type { Target } from "../kv/targets.ts";
import type { BenchOptions } from "../options.ts";
import { cpuSeconds, machineCpuSeconds, residentBytes } from "../server-process.ts";
import type { CallersFigures, Run, Stored } from "./callers.ts";
import type { CallersCommands } from "./callers-process.ts";
import { monotonicMs } from "./clock.ts";
import { compareEvents } from "./compare-events.ts";
import type { CommandedProcess } from "./commands.ts";
import type { Verdict } from "./saturation-search.ts";
import type { WatchersCommands } from "./watchers-process.ts";
import type { WatchFigures } from "./watchers.ts";

/** From the command to the first arrival: both processes must have heard of it. */
const BEGIN_MILLISECONDS = 100;

const REACHED_SHARE_MIN = 0.98;
const WRITE_P99_MS_MAX = 50;
const LAG_P99_MS_MAX = 1_000;
/** A process of the load that takes that much of a core has no time left to ask when it is meant to. */
const LOAD_CPU_MAX = 0.9;
/** Others may take that much, and more only when server and load have nearly all cores all the same. */
const OTHERS_CPU_MAX = 0.25;
const NEARLY_ALL_CORES = 0.9;

export interface Contender {
  readonly target: Target;
  readonly callers: CommandedProcess<CallersCommands>;
  readonly watchers: CommandedProcess<WatchersCommands>;
}

/** Cores in use. */
export interface Cpu {
  readonly server: number;
  readonly callers: number;
  readonly watchers: number;
  /** All else that runs on the machine. */
  readonly others: number;
}

export interface Round {
  readonly nodes: number;
  readonly stored: Stored;
  readonly seconds: number;
  readonly calls: CallersFigures;
  readonly watch: WatchFigures;
  readonly cpu: Cpu;
  readonly residentBytes: number;
  /** What is not as it should be with the events. */
  readonly wrong: readonly string[];
}

export async function runRound(
  contender: Contender,
  nodes: number,
  preload: number,
  options: BenchOptions,
): Promise<Round> {
  const { target, callers, watchers } = contender;
  const stored = await callers.tell("store", { nodes, preload });
  await watchers.tell("open", stored.revision);
  const beginMs = monotonicMs() + BEGIN_MILLISECONDS;
  const fromMs = beginMs + options.warmUpSeconds * 1_000;
  const run: Run = { nodes, beginMs, window: { fromMs, untilMs: fromMs + options.seconds * 1_000 } };
  const [calls, , cpu] = await Promise.all([
    callers.tell("run", run),
    watchers.tell("run", run),
    measureCpu(contender, run),
  ]);
  const resident = target.pids.reduce((sum, pid) => sum + residentBytes(pid), 0);
  const watch = await watchers.tell("finish", calls.revision);
  const wrong = [...watch.wrong, ...compareEvents(calls.written, watch.seen)];
  return { nodes, stored, seconds: options.seconds, calls, watch, cpu, residentBytes: resident, wrong };
}

/** What the machine makes of a round. */
export function judge({ calls, watch, cpu }: Round): Verdict {
  const { asked, reached } = totals(calls);
  const holds =
    !calls.gaveUp &&
    watch.lost === 0 &&
    reached >= asked * REACHED_SHARE_MIN &&
    calls.writes.p99 <= WRITE_P99_MS_MAX &&
    // Without events there is no lag.
    !(watch.lag.p99 > LAG_P99_MS_MAX);
  if (holds) return "bears";
  if (Math.max(cpu.callers, cpu.watchers) > LOAD_CPU_MAX) return "load";
  const isNearlyAll = cpu.server + cpu.callers + cpu.watchers > availableParallelism() * NEARLY_ALL_CORES;
  return cpu.others > OTHERS_CPU_MAX && !isNearlyAll ? "others" : "saturated";
}

/** Of all writes. */
export function totals({ kinds }: CallersFigures): { asked: number; reached: number; errors: number } {
  const writes = kinds.filter((kind) => kind.isWrite);
  const sum = (of: (kind: (typeof kinds)[number]) => number): number =>
    writes.reduce((total, kind) => total + of(kind), 0);
  return { asked: sum((kind) => kind.asked), reached: sum((kind) => kind.reached), errors: sum((kind) => kind.errors) };
}

async function measureCpu({ target, callers, watchers }: Contender, { window }: Run): Promise<Cpu> {
  const used = (): Cpu => {
    const server = target.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
    const load = { callers: cpuSeconds(callers.pid), watchers: cpuSeconds(watchers.pid) };
    return { server, ...load, others: machineCpuSeconds() - server - load.callers - load.watchers };
  };
  await pause(window.fromMs - monotonicMs());
  const begunMs = monotonicMs();
  const before = used();
  await pause(window.untilMs - begunMs);
  const after = used();
  const seconds = (monotonicMs() - begunMs) / 1_000;
  return {
    server: (after.server - before.server) / seconds,
    callers: (after.callers - before.callers) / seconds,
    watchers: (after.watchers - before.watchers) / seconds,
    others: (after.others - before.others) / seconds,
  };
}
