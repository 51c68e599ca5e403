/** A suite's outcome as text: what was asked, on which machine, how, and the figures. */

import { execFileSync } from "node:child_process";
import { cpus, loadavg, totalmem } from "node:os";

import type { BenchOptions } from "./options.ts";

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface SuiteReport extends Table {
  readonly name: string;
  /** What the suite asks, in a sentence or two. */
  readonly question: string;
  /** Versions of the peers, as `etcd 3.7.0`. */
  readonly versions: readonly string[];
  /** Tables behind the first, by the question that each answers. */
  readonly more?: ReadonlyMap<string, Table>;
  /** Whether goals were met, and what to know when reading the table. */
  readonly notes: readonly string[];
}

/** @param command what was typed to get the report */
export function renderReport(report: SuiteReport, options: BenchOptions, command: string): string {
  const processors = cpus();
  const facts = [
    `- machine: ${processors[0]?.model ?? "unknown processor"}, ${processors.length} cores, ` +
      `${Math.round(totalmem() / 2 ** 30)} GiB; servers and load generator share it`,
    `- load average at the end: ${formatNumber(loadavg()[0], 1)}, the bench itself included`,
    `- versions: ${[`node ${process.version.slice(1)}`, ...report.versions].join(", ")}`,
    `- date: ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
    `- commit: ${commit()}`,
    `- command: \`${command}\``,
    `- rounds: ${options.rounds} of ${options.seconds} s each, after ${options.warmUpSeconds} s of warm-up, the servers ` +
      "taking turns; figures are medians, ± is half of the range from the lowest round to the highest",
  ];
  if (options.small) facts.push("- **small run: it shows that the bench works; its figures say nothing**");
  const notes = report.notes.length === 0 ? [] : ["", ...report.notes.map((note) => `- ${note}`)];
  const more = [...(report.more ?? [])].flatMap(([question, table]) => ["", question, "", ...renderTable(table)]);
  return [
    `# ${report.name}`,
    "",
    report.question,
    "",
    ...facts,
    "",
    ...renderTable(report),
    ...more,
    ...notes,
    "",
  ].join("\n");
}

/** A Markdown table that also reads well as plain text. */
function renderTable({ columns, rows }: Table): string[] {
  const widths = columns.map((column, i) => Math.max(column.length, 3, ...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])));
    return `| ${padded.join(" | ")} |`;
  };
  const rule = widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(columns), line(rule), ...rows.map(line)];
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const changed = git("status", "--porcelain", "--untracked-files=no").trim() !== "";
    return git("rev-parse", "--short=12", "HEAD").trim() + (changed ? ", with changes" : "");
  } catch {
    return "none";
  }
}

/** 1234567 as `1,234,567`. */
export function formatCount(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : "n/a";
}

/** `decimals` digits after the point. */
export function formatNumber(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : "n/a";
}

/** Half of a spread, as `± 4 %`. */
export function formatSpread(share: number): string {
  return `± ${formatNumber(share * 50, 0)} %`;
}
