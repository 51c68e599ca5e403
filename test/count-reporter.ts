/**
 * Ends a test run with its counts on a line of their own: `12 passed, 0 failed, 3 skipped`. With `PLINTH_COUNTS_FILE` in
 * the environment the same line is written to that file, for a script to repeat.
 *
 * A file that could not be loaded, a suite whose hook failed and an error outside of tests count as one failure each:
 * nothing may look passed that did not run.
 */
import { writeFileSync } from "node:fs";

import type { SerializedError } from "vitest";
import type { Reporter, TestModule } from "vitest/node";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const line = countsLine(countTests(modules, errors.length));
    const file = process.env["PLINTH_COUNTS_FILE"];
    if (file !== undefined && file !== "") {
      writeFileSync(file, `${line}\n`);
    }
    // Last, after the other reporters have printed theirs: reporters run one after the other in the order configured.
    process.stdout.write(`${line}\n`);
  }
}

/** What a reporter needs of a test module. */
export type CountedModule = Pick<TestModule, "errors"> & {
  readonly children: {
    allTests(): Iterable<{ result(): { readonly state: string } }>;
    allSuites(): Iterable<{ errors(): readonly unknown[] }>;
  };
};

export function countTests(modules: readonly CountedModule[], unhandledErrors: number): Counts {
  let passed = 0;
  let failed = unhandledErrors;
  let skipped = 0;
  for (const module of modules) {
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      switch (test.result().state) {
        case "passed":
          passed += 1;
          break;
        case "skipped":
          skipped += 1;
          break;
        default:
          // Failed, or still pending at the end of the run.
          failed += 1;
      }
    }
  }
  return { passed, failed, skipped };
}

export function countsLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
