import fc from "fast-check";
import { describe, test } from "vitest";
import { kvSteps, readSteps, watchSteps } from "./arbitraries.ts";
import type { Step } from "./arbitraries.ts";
import { Run } from "./run.ts";

/** More runs are asked for with an environment variable, where there is time. */
const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 300);
const timeout = 60_000 + 100 * numRuns;

function check(steps: fc.Arbitrary<Step[]>): void {
  fc.assert(
    fc.property(steps, (taken) => {
      const run = new Run();
      for (const step of taken) run.take(step);
      run.finish();
    }),
    { numRuns },
  );
}

describe("keyspace and model", () => {
  test(
    "agree on every answer to random requests, whatever the partitions and the pace of compaction",
    () => {
      check(kvSteps);
    },
    timeout,
  );

  test(
    "agree on what is read a few keys at a time, whatever is written, compacted and removed meanwhile",
    () => {
      check(readSteps);
    },
    timeout,
  );

  test(
    "agree on what watchers are told, whatever is compacted and whenever their sinks are full",
    () => {
      check(watchSteps);
    },
    timeout,
  );
});
