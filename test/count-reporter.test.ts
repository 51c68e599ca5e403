import { expect, test } from "vitest";

import { type CountedModule, countsLine, countTests } from "./count-reporter.ts";

function moduleOf(states: readonly string[], errors = 0, suiteErrors = 0): CountedModule {
  const suites = Array.from({ length: suiteErrors }, () => ({ errors: () => ["its hook failed"] }));
  return {
    errors: () => Array.from({ length: errors }, () => ({ message: "it does not load" })),
    children: {
      allTests: () => states.map((state) => ({ result: () => ({ state }) })),
      allSuites: () => suites,
    },
  };
}

test("the closing line counts the tests of all files by their results", () => {
  const modules = [moduleOf(["passed", "passed", "failed"]), moduleOf(["skipped", "passed"]), moduleOf([])];
  expect(countsLine(countTests(modules, 0))).toBe("3 passed, 1 failed, 1 skipped");
});

test("a file that does not load, an error outside of tests and a test that did not end are failures", () => {
  expect(countTests([moduleOf([], 1), moduleOf(["pending", "passed"])], 2)).toEqual({
    passed: 1,
    failed: 4,
    skipped: 0,
  });
});

test("a suite whose hook failed is a failure, although its tests are only skipped", () => {
  const counts = countTests([moduleOf(["skipped", "skipped"], 0, 1)], 0);
  expect(countsLine(counts)).toBe("0 passed, 1 failed, 2 skipped");
});

test("a run without tests counts nothing", () => {
  expect(countsLine(countTests([], 0))).toBe("0 passed, 0 failed, 0 skipped");
});
