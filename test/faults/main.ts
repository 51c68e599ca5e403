/**
 * Real faults against real processes: each in a store of its own, under writes shaped like kube-apiserver's, in random order
 * and over and over until the time is over.
 *
 *     npm run faults -- --minutes=30 --seed=1
 *     npm run faults -- --only=disk --rounds=1
 *
 * Prints what each fault cost, and in the end a table. Exits with 1 when a promise was broken.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Random } from "../guarantees/traffic/random.ts";
import { FAULTS } from "./faults.ts";
import type { Fault } from "./fault.ts";
import { suffer } from "./round.ts";
import type { TestedStore } from "./tested-store.ts";
import { describeCosts } from "./table.ts";
import type { Row } from "./table.ts";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    /** How often each fault comes at most. */
    rounds: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    /** Only faults whose names have this in them. */
    only: { type: "string", default: "" },
    /** A folder for what the processes print, of each fault's last round. */
    logs: { type: "string" },
  },
});

const VIOLATIONS_SHOWN = 5;

const random = new Random(Number(options.seed));
let endMs = performance.now() + Number(options.minutes) * 60_000;
const rows: Row[] = [];
let isBroken = false;

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // What is mounted and made is taken away behind the fault, so a second signal is needed to end at once.
  process.once(signal, () => {
    endMs = 0;
    console.log("ends behind the present fault");
  });
}

console.log(`seed ${options.seed}`);
const possible = FAULTS.filter(({ name }) => name.includes(options.only)).filter(({ name, whyNot }) => {
  const why = whyNot();
  if (why !== null) console.log(`skipped: ${name}: ${why}`);
  return why === null;
});
for (let round = 0; round < Number(options.rounds) && performance.now() < endMs; round++) {
  for (const fault of shuffled(possible)) {
    if (performance.now() > endMs) break;
    await strike(fault);
  }
}
for (const line of describeCosts(rows)) console.log(line);
process.exit(isBroken ? 1 : 0);

async function strike(fault: Fault): Promise<void> {
  const seed = random.integer(0, 2 ** 32);
  try {
    const { violations, ...cost } = await suffer(fault, new Random(seed), (store) => keepLogs(fault, store));
    rows.push({ name: fault.name, ...cost });
    const { pauseMs, resumedMs, peacePauseMs, acknowledged, lost } = cost;
    console.log(
      `${fault.name}: longest pause ${Math.round(pauseMs)} ms, ${resumedMs === null ? "" : `${Math.round(resumedMs)} ms of it after the cure, `}in peace ${Math.round(peacePauseMs)} ms; ` +
        `${acknowledged} writes acknowledged, ${lost} calls lost, ${violations.length} violations`,
    );
    for (const { guarantee, text } of violations.slice(0, VIOLATIONS_SHOWN)) console.log(`  ${guarantee}: ${text}`);
    if (violations.length > 0) isBroken = true;
  } catch (error) {
    isBroken = true;
    console.log(`${fault.name}: ${(error as Error).stack}`);
  }
}

function keepLogs({ name }: Fault, store: TestedStore): void {
  if (options.logs === undefined) return;
  mkdirSync(options.logs, { recursive: true });
  for (const log of store.logs()) {
    const file = `${name} ${log.name}.log`.replaceAll(/[^a-z0-9.]+/gi, "-");
    writeFileSync(path.join(options.logs, file), log.lines.join("\n"));
  }
}

function shuffled(faults: readonly Fault[]): Fault[] {
  const left = [...faults];
  return faults.map(() => left.splice(random.integer(0, left.length), 1)[0]);
}
