/** The simulation finds mistakes: each of these in a copy of the tree, and seeds until one shows it. */
import process from "node:process";
import { describe, expect, test } from "vitest";
import { findMutation } from "./quorum/find-mutation.ts";
import { MUTATIONS } from "./quorum/mutations.ts";

/** The same each time: a mistake that needs many seeds must not fail a run by chance. What is right is tried on fresh ones. */
const FIRST = Number(process.env["SIMULATION_SEED"] ?? 1);

describe.concurrent(`from seed ${FIRST} on the simulation finds it, when`, () => {
  for (const mutation of MUTATIONS) {
    const { name, seedsMax } = mutation;
    if (seedsMax === undefined) continue;
    test(name, { timeout: 60_000 + seedsMax * 1_000 }, async () => {
      const found = await findMutation(mutation, { first: FIRST, count: seedsMax });
      expect(found, `seeds ${FIRST} to ${FIRST + seedsMax - 1}`).not.toBeNull();
    });
  }
});
