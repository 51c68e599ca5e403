/**
 * Some of the faults of `npm run faults`, once each: what the fault is, that every acknowledged write is there in the end, that
 * nobody was told a lie, and how long nobody's write was acknowledged.
 *
 *     FAULTS_SEED=1234   repeats what was chosen in another run, though not the timing
 */
import process from "node:process";
import { afterAll, expect, test } from "vitest";
import { Random } from "../guarantees/traffic/random.ts";
import { FAULTS } from "./faults.ts";
import { suffer } from "./round.ts";
import { describeCosts } from "./table.ts";
import type { Row } from "./table.ts";

const SHOWN_MAX = 5;

const seed = Number(process.env["FAULTS_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const rows: Row[] = [];

for (const fault of FAULTS.filter(({ isShort }) => isShort)) {
  const why = fault.whyNot();
  const name = `${fault.name} (FAULTS_SEED=${seed})${why === null ? "" : `: ${why}`}`;
  test.skipIf(why !== null)(name, { concurrent: true, timeout: 300_000 }, async () => {
    const { violations, ...cost } = await suffer(fault, new Random(seed));
    rows.push({ name: fault.name, ...cost });
    expect(violations.slice(0, SHOWN_MAX).map(({ guarantee, text }) => `${guarantee}: ${text}`)).toEqual([]);
    expect(cost.acknowledged).toBeGreaterThan(0);
  });
}

afterAll(() => console.log(describeCosts(rows).join("\n")));
