/** How fast something is done, in one turn of the event loop after the other. */

import { setImmediate as nextTurn } from "node:timers/promises";

import type { Rate } from "./figures.ts";

/** A turn of the event loop has so many calls, or as many items. */
const CALLS_PER_TURN = 1_000;

/** Calls `act` with each number below `count`, of which each makes `things` of what is counted. */
export async function timed(count: number, act: (step: number) => void, things = 1): Promise<Rate> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const perTurn = Math.ceil(CALLS_PER_TURN / things);
  for (let step = 0; step < count; step++) {
    act(step);
    if (step % perTurn === perTurn - 1) await nextTurn();
  }
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (count * things) / seconds, cpuMicroseconds: (user + system) / (count * things) };
}
