import { describe, expect, test } from "vitest";
import { cargoOutcomes, goOutcomes, outcomesOf, pytestOutcomes, tapOutcomes } from "./outcomes.ts";
import { faultsOf, replaceRows, TABLE_HEAD } from "./table.ts";

describe("what runners print is read:", () => {
  test("pytest's report", () => {
    const xml = `<testsuite><testcase classname="a.B" name="one" time="0.1" /><testcase classname="a.B" name="two[x/y]" time="1">
<failure message="assert 1 == 2 /&gt;">def two():
</failure></testcase><testcase classname="a" name="three"><skipped type="pytest.skip" message="no" /></testcase>
<testcase classname="a" name="four"><error message="in setup">x</error></testcase></testsuite>`;
    expect([...pytestOutcomes(xml)]).toEqual([
      ["a.B.one", "passed"],
      ["a.B.two[x/y]", "failed"],
      ["a.three", "skipped"],
      ["a.four", "failed"],
    ]);
  });

  test("cargo's lines", () => {
    const output =
      "running 3 tests\ntest a::b ... ok\ntest c ... FAILED\ntest d ... ignored, why\ntest result: FAILED.\n";
    expect([...cargoOutcomes(output)]).toEqual([
      ["a::b", "passed"],
      ["c", "failed"],
      ["d", "skipped"],
    ]);
  });

  test("Go's lines, of tests within tests too", () => {
    const output =
      "=== RUN   TestA\n    --- FAIL: TestA/b (0.00s)\n--- FAIL: TestA (0.01s)\n--- SKIP: TestC (0.00s)\n--- PASS: ExampleD (1s)\n";
    expect([...goOutcomes(output)]).toEqual([
      ["TestA/b", "failed"],
      ["TestA", "failed"],
      ["TestC", "skipped"],
      ["ExampleD", "passed"],
    ]);
  });

  test("our own programs' lines", () => {
    expect([...tapOutcomes("ok a b\nnot ok c\n  why\n")]).toEqual([
      ["a b", "passed"],
      ["c", "failed"],
    ]);
  });
});

test("a run that failed has a failure, also when no test says so, and one without tests has failed", () => {
  expect([...outcomesOf(false, [["a", "passed"]])]).toContainEqual(["the run itself", "failed"]);
  expect([...outcomesOf(true, [])]).toEqual([["the run itself", "failed"]]);
  expect([
    ...outcomesOf(false, [
      ["a", "failed"],
      ["a", "passed"],
    ]),
  ]).toEqual([["a", "failed"]]);
});

test("a fault is what etcd passes and Plinth does not: fails, skips or never comes to", () => {
  const etcd = outcomesOf(
    true,
    ["a", "b", "c", "d"].map((name) => [name, "passed"] as const),
  );
  const plinth = outcomesOf(true, [
    ["a", "passed"],
    ["b", "failed"],
    ["c", "skipped"],
  ]);
  expect(faultsOf(etcd, plinth)).toEqual(["b", "c", "d"]);
  expect(faultsOf(plinth, etcd)).toEqual([]);
});

test("rows take the place of those of the same suites, and new ones come last", () => {
  const page = ["# Page", ...TABLE_HEAD, "| a | 1 |", "| ab | 1 |", "", "more"].join("\n");
  expect(replaceRows(page, ["| ab | 2 |", "| c | 2 |"])).toBe(
    ["# Page", ...TABLE_HEAD, "| a | 1 |", "| ab | 2 |", "| c | 2 |", "", "more"].join("\n"),
  );
  expect(() => replaceRows("# Page", ["| a | 1 |"])).toThrow("the table is not there");
});
