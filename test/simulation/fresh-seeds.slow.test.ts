/** Seeds that nobody has run before; `npm run sim` runs more of them. */
import process from "node:process";
import { describe, expect, test } from "vitest";
import { SCENARIOS } from "./scenarios/scenarios.ts";
import { describe as describeFailure, hasFailed, simulate } from "./simulation.ts";
import { SYSTEMS } from "./systems.ts";

const RUNS = Number(process.env["SIMULATION_RUNS"] ?? 200);
const FIRST = Number(process.env["SIMULATION_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

describe.each(SYSTEMS)("the system $name", (system) => {
  test(`breaks no promise, with seeds ${FIRST} to ${FIRST + RUNS - 1}`, { timeout: RUNS * 1_000 }, async () => {
    let failure: string[] = [];
    for (let seed = FIRST; seed < FIRST + RUNS && failure.length === 0; seed++) {
      const scenario = SCENARIOS[seed % SCENARIOS.length];
      const outcome = await simulate(system, scenario, seed);
      if (hasFailed(outcome)) failure = await describeFailure(system, scenario, outcome, 60);
    }
    expect(failure.join("\n")).toBe("");
  });
});
