/** What suites in Go share: the sources of a module, which the go command keeps read-only, and how their tests run. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { command, commandThatMust } from "../command.ts";
import { goOutcomes, outcomesOf } from "../outcomes.ts";
import type { Outcomes } from "../outcomes.ts";
import { leftOutTests } from "../suite.ts";
import type { Store, Suite } from "../suite.ts";

const GO = { GOWORK: "off", CGO_ENABLED: "0" } as const;

/** The sources of a module in `source`, to be changed and built. */
export async function fetchModule(folder: string, module: string, version: string): Promise<void> {
  const output = await commandThatMust(["go", "mod", "download", "-json", `${module}@${version}`], { folder, env: GO });
  const { Dir: from } = JSON.parse(output.slice(output.indexOf("{"))) as { Dir: string }; // As `go help mod download` says.
  await commandThatMust(["cp", "-r", from, "source"], { folder });
  await commandThatMust(["chmod", "-R", "u+w", "source"], { folder });
}

/** Runs the go command in `source`. */
export async function go(folder: string, ...args: readonly string[]): Promise<void> {
  await commandThatMust(["go", ...args], { folder: path.join(folder, "source"), env: GO });
}

/** The tests of a package of `source`, as a program that `runGoTests` runs. */
export async function buildGoTests(folder: string, goPackage: string): Promise<void> {
  await mkdir(path.join(folder, "tests"), { recursive: true });
  await go(folder, "test", "-mod=mod", "-c", "-o", testsOf(folder, goPackage), `./${goPackage}`);
}

/** Runs all tests and examples of a package, or one of them, where its sources are. */
export async function runGoTests(
  suite: Suite,
  folder: string,
  goPackage: string,
  store: Store,
  log: string,
  env: Readonly<Record<string, string>>,
  only: string | null = null,
): Promise<Outcomes> {
  const leftOut = leftOutTests(suite);
  const skip = leftOut.length === 0 ? [] : [`-test.skip=^(${leftOut.join("|")})$`];
  const run = only === null ? [] : [`-test.run=^${only}$`];
  const { succeeded, output } = await command([testsOf(folder, goPackage), "-test.v", ...run, ...skip], {
    folder: path.join(folder, "source", goPackage),
    env: { ...env, PATH: `${store.commands}:${path.join(folder, "tests")}:${process.env.PATH}` },
    log,
  });
  return outcomesOf(succeeded, goOutcomes(output));
}

const testsOf = (folder: string, goPackage: string): string =>
  path.join(folder, "tests", `${path.basename(goPackage)}.test`);
