/** How each test of a suite ended, read from what its runner prints. */

export type Outcome = "passed" | "failed" | "skipped";

/** By the names of the tests. */
export type Outcomes = ReadonlyMap<string, Outcome>;

/** Stands for a run that failed although none of its tests did, and for one that ran no test at all. */
const THE_RUN = "the run itself";

/**
 * @param succeeded what the runner's exit code says
 * @param found the tests in the order in which they ended; of a name that comes twice a failure counts
 */
export function outcomesOf(succeeded: boolean, found: Iterable<readonly [name: string, outcome: Outcome]>): Outcomes {
  const outcomes = new Map<string, Outcome>();
  for (const [name, outcome] of found) if (outcomes.get(name) !== "failed") outcomes.set(name, outcome);
  const failed = [...outcomes.values()].includes("failed");
  if (outcomes.size === 0 || (!succeeded && !failed)) outcomes.set(THE_RUN, "failed");
  return outcomes;
}

/** Of pytest's `--junit-xml`. */
export function* pytestOutcomes(xml: string): Generator<readonly [string, Outcome]> {
  for (const [, attributes, , body = ""] of xml.matchAll(/<testcase ([^>]*?)(\/>|>([^]*?)<\/testcase>)/g)) {
    const attribute = (name: string): string => new RegExp(` ?\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
    const failed = /<(failure|error)[ >]/.test(body);
    const skipped = /<skipped[ >]/.test(body);
    yield [`${attribute("classname")}.${attribute("name")}`, failed ? "failed" : skipped ? "skipped" : "passed"];
  }
}

/** Of `cargo test`. */
export function* cargoOutcomes(output: string): Generator<readonly [string, Outcome]> {
  // What a test prints may come between its name and how it ended, but for the end of the line.
  for (const [, name, word] of output.matchAll(/^test (\S+) \.\.\. (ok|FAILED|ignored)\b/gm)) {
    yield [name, word === "ok" ? "passed" : word === "FAILED" ? "failed" : "skipped"];
  }
}

/** Of a Go test's `-test.v`. */
export function* goOutcomes(output: string): Generator<readonly [string, Outcome]> {
  for (const [, word, name] of output.matchAll(/^ *--- (PASS|FAIL|SKIP): (\S+) /gm)) {
    yield [name, word === "PASS" ? "passed" : word === "FAIL" ? "failed" : "skipped"];
  }
}

/** Of our own programs: `ok NAME` or `not ok NAME`, and what went wrong on lines behind it. */
export function* tapOutcomes(output: string): Generator<readonly [string, Outcome]> {
  for (const [, not, name] of output.matchAll(/^(not )?ok (.+)$/gm)) yield [name, not ? "failed" : "passed"];
}
