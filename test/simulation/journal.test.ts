import { describe, expect, test } from "vitest";
import { journalSystem } from "./journal/journal-system.ts";
import { randomFaults } from "./scenarios/random.ts";
import { SCENARIOS } from "./scenarios/scenarios.ts";
import { hasFailed, simulate } from "./simulation.ts";

const SEEDS = 15;
const SEEDS_MAX = 200;

describe("the journal on one directory breaks no promise", () => {
  for (const scenario of SCENARIOS) {
    test(`whatever befalls it: ${scenario.name}`, async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const { violations, error } = await simulate(journalSystem(), scenario, seed);
        expect([error, ...violations], `seed ${seed}`).toEqual([null]);
      }
    });
  }
});

test("a server that acknowledges what its journal has not committed is found out", async () => {
  const rules = new Set<string>();
  for (let seed = 1; seed <= SEEDS_MAX && !rules.has("lost"); seed++) {
    const { violations } = await simulate(journalSystem({ acksBeforeCommit: true }), randomFaults, seed);
    for (const { rule } of violations) rules.add(rule);
  }
  expect([...rules]).toContain("lost");
});

test("a seed goes the same way again, though the journal draws a salt of its own", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const [one, other] = [
      await simulate(journalSystem(), randomFaults, seed),
      await simulate(journalSystem(), randomFaults, seed),
    ];
    expect(hasFailed(one)).toBe(false);
    expect(one.world.events).toBeGreaterThan(100);
    expect(other.world.trace.hash).toBe(one.world.trace.hash);
  }
});
