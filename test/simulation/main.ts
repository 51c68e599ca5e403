/**
 * Seeds, one after the other, each a world of its own in which everything goes wrong that can, until one breaks a promise.
 *
 *     npm run sim -- --seed=1 --runs=1000 --scenario=random
 *
 * Without a seed it begins with a fresh one and prints it. Exits with 1 when a promise was broken, with the last lines of
 * what happened and how to have it again.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { SCENARIOS } from "./scenarios/scenarios.ts";
import { describe, hasFailed, simulate } from "./simulation.ts";
import { SYSTEMS } from "./systems.ts";

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    runs: { type: "string", default: "1000" },
    system: { type: "string", default: SYSTEMS[0].name },
    /** All of them in turn without one. */
    scenario: { type: "string" },
    /** Of the trace of a seed that fails. */
    lines: { type: "string", default: "60" },
    /** Shows the trace of every seed. */
    trace: { type: "boolean", default: false },
  },
});

const REPORT_MS = 10_000;

const system = named(SYSTEMS, "system", options.system)[0];
const scenarios = options.scenario === undefined ? SCENARIOS : named(SCENARIOS, "scenario", options.scenario);
const first = wholeNumber("seed");
const runs = wholeNumber("runs");
const lines = wholeNumber("lines");

const startedMs = performance.now();
let reportedMs = startedMs;
let events = 0;
let worldMs = 0;
let count = 0;
console.log(`seeds ${first} to ${first + runs - 1}, ${system.name}, ${scenarios.map(({ name }) => name).join(", ")}`);
while (count < runs) {
  const seed = first + count;
  count += 1;
  const scenario = scenarios[seed % scenarios.length];
  const outcome = await simulate(system, scenario, seed);
  events += outcome.world.events;
  worldMs += outcome.world.nowMs;
  if (hasFailed(outcome)) {
    for (const line of await describe(system, scenario, outcome, lines)) console.error(line);
    process.exitCode = 1;
    break;
  }
  if (options.trace) {
    for (const line of outcome.world.trace.lines(lines)) console.log(line);
    console.log(`seed ${seed}: trace ${outcome.world.trace.hash}`);
  }
  if (performance.now() - reportedMs > REPORT_MS) {
    reportedMs = performance.now();
    report();
  }
}
report();

function report(): void {
  const seconds = (performance.now() - startedMs) / 1_000;
  const { user, system: kernel } = process.cpuUsage();
  console.log(
    `${count} seeds in ${seconds.toFixed(1)} s: ${(count / seconds).toFixed(1)} seeds/s, ` +
      `${Math.round(events / ((user + kernel) / 1e6))} events a second of the processor, ${Math.round(worldMs / 1_000)} s of world`,
  );
}

function wholeNumber(name: "seed" | "runs" | "lines"): number {
  const number = Number(options[name]);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name} is not a whole number: ${options[name]}`);
  return process.exit(2);
}

function named<T extends { readonly name: string }>(all: readonly T[], what: string, name: string): T[] {
  const found = all.filter((each) => each.name === name);
  if (found.length > 0) return found;
  console.error(`no ${what} is called ${name}: ${all.map((each) => each.name).join(", ")}`);
  return process.exit(2);
}
