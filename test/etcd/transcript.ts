/** What was asked and answered, for people who want to know why two servers are said to differ. */
import { inspect, isDeepStrictEqual } from "node:util";
import type { Command } from "./command.ts";
import { text } from "./plain.ts";
import { symbolText } from "./symbols.ts";

const LINE_CHARACTERS_MAX = 240;
const LINES_MAX = 300;

interface Entry {
  readonly what: string;
  readonly plinth: unknown;
  readonly etcd: unknown;
}

export class Transcript {
  readonly #entries: Entry[] = [];

  clear(): void {
    this.#entries.length = 0;
  }

  add(what: string, plinth: unknown, etcd: unknown): void {
    this.#entries.push({ what, plinth, etcd });
  }

  /** All entries, the last one in full: that is where the servers differ. */
  toString(): string {
    const lines = this.#entries.slice(0, -1).flatMap((entry, i) => shortLines(entry, i + 1));
    const left = lines.slice(-LINES_MAX);
    const omitted = lines.length - left.length;
    if (omitted > 0) left.unshift(`(${omitted} lines before)`);
    const last = this.#entries.at(-1);
    if (last === undefined) return left.join("\n");
    return [
      ...left,
      `${this.#entries.length}. ${last.what}`,
      `   plinth: ${inspect(last.plinth, FULL)}`,
      `   etcd:   ${inspect(last.etcd, FULL)}`,
      `   first difference: ${firstDifference(last.plinth, last.etcd, "answer")}`,
    ].join("\n");
  }
}

/** A command as a line: its name and the fields that are not at their zero value. */
export function commandText(command: Command): string {
  const { name, ...fields } = command;
  return `${name} ${shown(readable(fields))}`;
}

const FULL = { depth: null, breakLength: 140, maxArrayLength: null, maxStringLength: null } as const;

function shortLines({ what, plinth, etcd }: Entry, number: number): string[] {
  const head = `${number}. ${what}`;
  if (isDeepStrictEqual(plinth, etcd)) return [head, `   both:   ${cut(shown(etcd))}`];
  return [head, `   plinth: ${cut(shown(plinth))}`, `   etcd:   ${cut(shown(etcd))}`];
}

function shown(value: unknown): string {
  return inspect(value, { depth: null, compact: true, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: null });
}

function cut(line: string): string {
  return line.length <= LINE_CHARACTERS_MAX ? line : `${line.slice(0, LINE_CHARACTERS_MAX)} …`;
}

/** Where two plain values begin to differ, with both. Levelled by no freedom, so it may be one that is allowed. */
function firstDifference(plinth: unknown, etcd: unknown, path: string): string | null {
  if (isDeepStrictEqual(plinth, etcd)) return null;
  if (isFields(plinth) && isFields(etcd)) {
    for (const name of new Set([...Object.keys(plinth), ...Object.keys(etcd)])) {
      const found = firstDifference(plinth[name], etcd[name], `${path}.${name}`);
      if (found !== null) return found;
    }
  }
  return `${path} is ${cut(shown(plinth))} at plinth and ${cut(shown(etcd))} at etcd`;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function readable(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return text(value);
  if (typeof value === "number" || typeof value === "bigint") return symbolText(value);
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => !isZero(field))
      .map(([name, field]) => [name, readable(field)]),
  );
}

function isZero(value: unknown): boolean {
  if (Buffer.isBuffer(value) || Array.isArray(value)) return value.length === 0;
  return value === 0 || value === 0n || value === false || value === "";
}
