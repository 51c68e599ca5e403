/**
 * What the simulation is worth: the protocol with one mistake in it, for each rule that it has, and the first seed that
 * finds it.
 *
 *     node test/simulation/mutate.ts [--seeds=N] [--first=SEED] [--only=TEXT]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { findMutation } from "./quorum/find-mutation.ts";
import { MUTATIONS } from "./quorum/mutations.ts";

const { values: options } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" },
    first: { type: "string", default: "1" },
    only: { type: "string", default: "" },
  },
});
const seeds = { first: Number(options.first), count: Number(options.seeds) };

const chosen = MUTATIONS.filter(({ name }) => name.includes(options.only));
let missed = 0;
for (const mutation of chosen) {
  const found = await findMutation(mutation, seeds);
  if (found === null) missed++;
  const { name, scenario } = mutation;
  const where = `${name} (${scenario?.name ?? "all scenarios"})`;
  console.log(found === null ? `   -  ${where}` : `${String(found.seeds).padStart(4)}  ${where}: ${found.violation}`);
}
console.log(`${missed} of ${chosen.length} not found in ${seeds.count} seeds`);
if (missed > 0) process.exitCode = 1;
