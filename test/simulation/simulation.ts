/** One seed: a world, a system in it, a scenario, and what came of it. */
import type { Violation } from "../sim/world/history-check.ts";
import { World } from "../sim/world/world.ts";
import { drawConditions } from "./conditions.ts";
import type { Scenario, Stage, System } from "./stage.ts";

export interface Outcome {
  readonly seed: number;
  readonly world: World;
  readonly violations: readonly Violation[];
  /** What was thrown; null when nothing was. */
  readonly error: unknown;
}

export async function simulate(system: System, scenario: Scenario, seed: number): Promise<Outcome> {
  const world = new World(seed);
  try {
    const stage = system.build(world, scenario.needs);
    drawConditions(stage);
    await scenario.play(stage);
    putRight(stage);
    return { seed, world, violations: await stage.settle(), error: null };
  } catch (error) {
    return { seed, world, violations: [], error };
  }
}

export function hasFailed({ violations, error }: Outcome): boolean {
  return violations.length > 0 || error !== null;
}

/** What a person needs of a seed that failed: the last of what happened, what is wrong, and how to have it again. */
export async function describe(system: System, scenario: Scenario, outcome: Outcome, lines: number): Promise<string[]> {
  const { seed, world, violations, error } = outcome;
  const again = await simulate(system, scenario, seed);
  const isSame = again.world.trace.hash === world.trace.hash;
  return [
    ...world.trace.lines(lines),
    `seed ${seed}: ${world.events} events, trace ${world.trace.hash}`,
    ...(error === null ? [] : [error instanceof Error ? (error.stack ?? error.message) : String(error)]),
    ...violations.map(({ rule, text }) => `${rule}: ${text}`),
    `seed ${seed} failed, and again it goes ${isSame ? "the same way" : "ANOTHER WAY: something is not of the world"}`,
    `repeat it: npm run sim -- --seed=${seed} --runs=1 --system=${system.name} --scenario=${scenario.name}`,
  ];
}

/** All faults are over: from now on somebody has to answer. */
export function putRight({ world, network, servers, replicas }: Stage): void {
  world.note("all faults are over");
  network.setWeather({ loss: 0, duplication: 0, slow: 0 });
  network.healAll();
  for (const machine of [...replicas, ...servers]) {
    machine.repair();
    machine.resume();
    if (machine.node === null) machine.start();
  }
}
