/**
 * What the simulation is worth: the protocol with one mistake in it, for each rule that it has, and the first seed that
 * finds it.
 *
 *     node test/simulation/mutate.ts [--seeds=N] [--only=TEXT]
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Mutation } from "./quorum/mutations.ts";
import { MUTATIONS } from "./quorum/mutations.ts";

const { values: options } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" },
    first: { type: "string", default: "1" },
    only: { type: "string", default: "" },
  },
});
const root = path.join(import.meta.dirname, "..", "..");

let missed = 0;
for (const mutation of MUTATIONS) {
  if (!mutation.name.includes(options.only)) continue;
  const found = findMutation(mutation);
  if (found === null) missed++;
  console.log(
    found === null
      ? `   -  ${mutation.name}`
      : `${String(found.seeds).padStart(4)}  ${mutation.name}: ${found.violation}`,
  );
}
console.log(`${missed} of ${MUTATIONS.length} not found in ${options.seeds} seeds`);

/** Runs seeds on a copy of the tree with the mistake in it. Null when none found it. */
function findMutation({
  file,
  from,
  to,
  name,
}: Mutation): { readonly seeds: number; readonly violation: string } | null {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-mutation-"));
  try {
    for (const part of ["journal", "test/sim", "test/simulation", "server/clock.ts", "package.json"]) {
      cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
    }
    const changed = path.join(folder, "journal", file);
    const text = readFileSync(changed, "utf8");
    if (!text.includes(from)) throw new Error(`"${name}": its text is not in ${file}`);
    writeFileSync(changed, text.replaceAll(from, to));
    const args = [
      path.join(folder, "test/simulation/main.ts"),
      `--seed=${options.first}`,
      `--runs=${options.seeds}`,
      "--lines=0",
    ];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status === 0) return null;
    const seeds = Number(
      /^(\d+) seeds in/m.exec(
        stdout
          .split("\n")
          .filter((line) => line.includes("seeds in"))
          .at(-1) ?? "",
      )?.[1],
    );
    const violation =
      /^(?:(?:revision|order|stale|lost|failed|fork|watch): .*|.*Error.*)$/m.exec(stderr)?.[0] ?? stderr;
    return { seeds, violation: violation.slice(0, 110) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
