/** What suites in Python share: an environment of their own, the sources of a package with its tests, and pytest. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { command, commandThatMust } from "../command.ts";
import { outcomesOf, pytestOutcomes } from "../outcomes.ts";
import type { Outcomes } from "../outcomes.ts";
import { leftOutTests } from "../suite.ts";
import type { Store, Suite } from "../suite.ts";

/** A folder's Python, with these packages in it: `name==version`. */
export async function makePython(folder: string, packages: readonly string[]): Promise<void> {
  await commandThatMust(["python3", "-m", "venv", "python"], { folder });
  await commandThatMust([pythonOf(folder), "-m", "pip", "install", "--quiet", ...packages], { folder });
}

export const pythonOf = (folder: string): string => path.join(folder, "python", "bin", "python");

/** The sources of a package, with its tests, in `source`. */
export async function fetchSource(folder: string, name: string, version: string): Promise<void> {
  const pip = [pythonOf(folder), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"];
  await commandThatMust([...pip, "--dest", "archive", `${name}==${version}`], { folder });
  const unpack = "mkdir source && tar -x -z -f archive/*.tar.gz -C source --strip-components=1";
  await commandThatMust(["sh", "-c", unpack], { folder });
}

/** Runs pytest on files or folders in `source`. */
export async function runPytest(
  suite: Suite,
  folder: string,
  store: Store,
  log: string,
  files: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Outcomes> {
  const report = `${log}.xml`;
  const leftOut = leftOutTests(suite).map((test) => `--deselect=${test}`);
  const args = ["-m", "pytest", "--import-mode=importlib", `--junit-xml=${report}`, ...leftOut, ...files];
  const { succeeded } = await command([pythonOf(folder), ...args], {
    folder: path.join(folder, "source"),
    env: { ...env, PATH: `${store.commands}:${process.env.PATH}` },
    log,
  });
  return outcomesOf(succeeded, pytestOutcomes(await readFile(report, "utf8").catch(() => "")));
}
