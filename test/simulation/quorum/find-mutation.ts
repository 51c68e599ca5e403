/** Seeds of the simulation on a copy of the tree with a mistake in it, until one finds it. */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import type { Mutation } from "./mutations.ts";

export interface Found {
  /** How many it took. */
  readonly seeds: number;
  readonly violation: string;
}

export interface Seeds {
  readonly first: number;
  readonly count: number;
}

const ROOT = path.join(import.meta.dirname, "..", "..", "..");
/** What the simulation runs. */
const PARTS = ["journal", "test/sim", "test/simulation", "server/clock.ts", "package.json"];
const TEXT_MAX = 110;

/** Null when none of the seeds found it. */
export async function findMutation(
  { name, also = [], scenario, ...change }: Mutation,
  seeds: Seeds,
): Promise<Found | null> {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-mutation-"));
  try {
    for (const part of PARTS) cpSync(path.join(ROOT, part), path.join(folder, part), { recursive: true });
    for (const { file, from, to } of [change, ...also]) {
      const changed = path.join(folder, "journal", file);
      const text = readFileSync(changed, "utf8");
      if (!text.includes(from)) throw new Error(`"${name}": its text is not in ${file}`);
      writeFileSync(
        changed,
        text.replaceAll(from, () => to),
      );
    }
    const main = path.join(folder, "test/simulation/main.ts");
    const options = [`--seed=${seeds.first}`, `--runs=${seeds.count}`, "--lines=0"];
    if (scenario !== undefined) options.push(`--scenario=${scenario.name}`);
    return await run([main, ...options]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(args: readonly string[]): Promise<Found | null> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) return resolve(null);
      // A change that does not run is no mistake found.
      if (/SyntaxError|ReferenceError|ERR_MODULE_NOT_FOUND/.test(stderr)) return reject(new Error(stderr));
      const seeds = Number([...stdout.matchAll(/^(\d+) seeds in/gm)].at(-1)?.[1]);
      const pattern = /^(?:(?:revision|order|stale|lost|failed|fork|watch): .*|.*Error.*)$/m;
      resolve({ seeds, violation: (pattern.exec(stderr)?.[0] ?? stderr).slice(0, TEXT_MAX) });
    });
  });
}
