/** What faults cost, one line for each. */
import type { Cost } from "./round.ts";

export interface Row extends Omit<Cost, "violations"> {
  readonly name: string;
}

/** A table in Markdown: of each fault the longest pauses of its rounds, shortest, middle and longest. */
export function describeCosts(rows: readonly Row[]): string[] {
  const names = [...new Set(rows.map(({ name }) => name))].toSorted();
  return [
    "| Fault | Rounds | Longest pause, ms: least, median, most | Of it after the cure, median | In peace, median | Calls lost, median |",
    "| --- | --- | --- | --- | --- | --- |",
    ...names.map((name) =>
      describe(
        name,
        rows.filter((row) => row.name === name),
      ),
    ),
  ];
}

function describe(name: string, rows: readonly Row[]): string {
  const pauses = sorted(rows.map(({ pauseMs }) => pauseMs));
  const peace = median(rows.map(({ peacePauseMs }) => peacePauseMs));
  const lost = median(rows.map((row) => row.lost));
  const resumed = rows.flatMap(({ resumedMs }) => resumedMs ?? []);
  const cured = resumed.length === 0 ? "–" : Math.round(median(resumed));
  const spread = [pauses[0], median(pauses), pauses[pauses.length - 1]].map(Math.round).join(", ");
  return `| ${name} | ${rows.length} | ${spread} | ${cured} | ${Math.round(peace)} | ${lost} |`;
}

function median(values: readonly number[]): number {
  return sorted(values)[Math.floor(values.length / 2)];
}

function sorted(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}
