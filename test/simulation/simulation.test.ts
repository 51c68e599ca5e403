import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import { describe as group, expect, test } from "vitest";
import { registerSystem } from "./register/register-system.ts";
import type { RegisterOptions } from "./register/register-system.ts";
import { SCENARIOS } from "./scenarios/scenarios.ts";
import { calm } from "./scenarios/calm.ts";
import { randomFaults } from "./scenarios/random.ts";
import { rollingPower } from "./scenarios/rolling-power.ts";
import { describe, hasFailed, simulate } from "./simulation.ts";
import type { Outcome } from "./simulation.ts";
import type { Scenario } from "./stage.ts";

const execute = promisify(execFile);
const SEEDS = 10;
const SEEDS_MAX = 200;

async function findFailure(scenario: Scenario, options: RegisterOptions): Promise<Outcome> {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    const outcome = await simulate(registerSystem(options), scenario, seed);
    if (hasFailed(outcome)) return outcome;
  }
  throw new Error(`nothing is found in ${SEEDS_MAX} seeds`);
}

group("a register that is right breaks no promise", () => {
  for (const scenario of SCENARIOS) {
    test(`whatever befalls it: ${scenario.name}`, async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        for (const replicas of [1, 3, 5]) {
          const { violations, error } = await simulate(registerSystem({ replicas }), scenario, seed);
          expect([error, ...violations], `seed ${seed}, ${replicas} replicas`).toEqual([null]);
        }
      }
    });
  }
});

group("a register with a mistake is found out", () => {
  test("when it acknowledges before its disk does, and the power goes", async () => {
    const { violations } = await findFailure(rollingPower, { acksBeforeSync: true });
    expect(violations.length).toBeGreaterThan(0);
  });

  test("when less than a majority decides, even without a fault", async () => {
    const { violations } = await findFailure(calm, { quorumTooSmall: true });
    expect(violations.length).toBeGreaterThan(0);
  });

  test("when what one reader was shown the next one need not find", async () => {
    const { violations } = await findFailure(randomFaults, { getsStoreNothing: true });
    expect(violations.length).toBeGreaterThan(0);
  });
});

test("a seed that fails goes the same way again, and says how to have it", async () => {
  const mistakes = { quorumTooSmall: true };
  const outcome = await findFailure(randomFaults, mistakes);
  const lines = await describe(registerSystem(mistakes), randomFaults, outcome, 40);
  expect(lines.length).toBeGreaterThan(40);
  expect(lines).toContain(`seed ${outcome.seed} failed, and again it goes the same way`);
  expect(lines.at(-1)).toBe(
    `repeat it: npm run sim -- --seed=${outcome.seed} --runs=1 --system=register --scenario=random`,
  );
});

test("what a system draws elsewhere than from the world is noticed", async () => {
  const system = registerSystem();
  let built = 0;
  const outside = {
    name: "outside",
    build: (world: Outcome["world"]) => {
      world.note("drawn", null);
      if (built++ > 0) world.random();
      return system.build(world);
    },
  };
  const outcome = await simulate(outside, calm, 1);
  expect(await describe(outside, calm, outcome, 1)).toContainEqual(expect.stringContaining("ANOTHER WAY"));
});

test("the command runs seeds in turn through all scenarios, and says how fast", async () => {
  const main = `${import.meta.dirname}/main.ts`;
  const { stdout } = await execute(process.execPath, [main, "--seed=10", "--runs=5"]);
  expect(stdout).toContain("seeds 10 to 14");
  for (const { name } of SCENARIOS) expect(stdout).toContain(name);
  expect(stdout).toMatch(/5 seeds in .* seeds\/s/);
  const refused = execute(process.execPath, [main, "--scenario=none"]);
  await expect(refused).rejects.toThrow("no scenario is called none: random");
});
