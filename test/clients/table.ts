/** What the runs have found, as the rows of a table in Markdown: one for each client, which begins with its name. */
import type { Outcome, Outcomes } from "./outcomes.ts";
import type { Suite } from "./suite.ts";

export type Result =
  | { readonly suite: Suite; readonly skipped: string }
  | { readonly suite: Suite; readonly etcd: Outcomes; readonly plinth: Outcomes };

export const TABLE_HEAD: readonly string[] = [
  "| Suite | Client | Tests | etcd 3.7.3: passed, failed, skipped | Plinth | Left out |",
  "| --- | --- | --- | --- | --- | --- |",
];

export function describeResult(result: Result): string {
  const { name, version, tests, leftOut } = result.suite;
  const out = leftOut.map((each) => `${each.tests.length}: ${each.why}`).join("; ");
  const counts = "skipped" in result ? [result.skipped, ""] : [result.etcd, result.plinth].map(describeOutcomes);
  return `| ${[name, version, tests, ...counts, out].join(" | ")} |`;
}

/** The tests that etcd passes and Plinth does not. */
export function faultsOf(etcd: Outcomes, plinth: Outcomes): string[] {
  const passed = [...etcd].filter(([, outcome]) => outcome === "passed").map(([name]) => name);
  const faults = passed.filter((name) => plinth.get(name) !== "passed");
  // What there is on Plinth alone is a failure of the run as a whole.
  const own = [...plinth].filter(([name, outcome]) => outcome === "failed" && !etcd.has(name)).map(([name]) => name);
  return [...faults, ...own];
}

/** The text with these rows in place of those of the same suites; a new one comes behind the last. */
export function replaceRows(text: string, rows: readonly string[]): string {
  const lines = text.split("\n");
  const head = lines.indexOf(TABLE_HEAD[0]);
  if (head === -1) throw new Error("the table is not there");
  for (const row of rows) {
    const firstCell = row.slice(0, row.indexOf("|", 1) + 1);
    let at = head + TABLE_HEAD.length;
    while (lines[at].startsWith("|") && !lines[at].startsWith(firstCell)) at++;
    lines.splice(at, lines[at].startsWith(firstCell) ? 1 : 0, row);
  }
  return lines.join("\n");
}

function describeOutcomes(outcomes: Outcomes): string {
  const count = (wanted: Outcome): number => [...outcomes.values()].filter((outcome) => outcome === wanted).length;
  return `${count("passed")}, ${count("failed")}, ${count("skipped")}`;
}
