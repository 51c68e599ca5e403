/**
 * The command `history`: each version of a key that the journal still has, and who has made it when.
 *
 *     plinth history KEY --from=DIR [--since=T] [--values] [-w json]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { KeyState } from "../../partitions/keyspace.ts";
import { textOfValue } from "./value-text.ts";
import { bytesText } from "../tools/texts.ts";
import { helped, refuseUse } from "../tools/usage.ts";
import { timeOf } from "./option-values.ts";
import { Past } from "./past.ts";
import { Progress } from "./progress.ts";
import { runRebuild } from "./run-rebuild.ts";

const USAGE = `Shows each version of a key that the journal still has: when, at which revision, by whom, what, and how large.

  plinth history KEY --from=DIR [--since=T]

  KEY            as it is, such as /registry/pods/default/web; with --hex in hexadecimal digits
  --from         the data directory of a server, or the directory of one zone of its journal; it is only read
  --since        nothing from before: 2026-11-30T12:00:00Z, or Unix seconds
  --values       the values as well
  -w json        one JSON object a line; values are in base64 there

Who is the user, where users are asked for their names. What was before the oldest snapshot shows as one line without a time.
`;

interface Asked {
  readonly key: Buffer;
  readonly from: string;
  readonly sinceMs: number;
  readonly hasValues: boolean;
  readonly isJson: boolean;
}

/** A version of the key, or its end. */
interface Entry {
  readonly time: string | null;
  readonly revision: number;
  readonly kind: string;
  readonly user: string | null;
  /** As it was in the journal; null for what a snapshot has. */
  readonly command: string | null;
  readonly version: number;
  readonly lease: string | null;
  readonly bytes: number;
  readonly value: Buffer;
}

/** Runs the command with the arguments behind its name, and sets the exit code. */
export async function historyCommand(args: readonly string[]): Promise<void> {
  const asked = parse(args);
  if (asked !== null) await runRebuild(() => history(asked));
}

async function history(asked: Asked): Promise<void> {
  const { key, from, sinceMs } = asked;
  const past = await Past.open(from);
  const progress = new Progress();
  past.onProgress = (executed, of) => progress.tell("records", executed, of);
  let found: KeyState | null = null;
  let count = 0;
  const tell = (entry: Entry, wallMs: number): void => {
    if (wallMs < sinceMs) return;
    progress.end();
    print(entry, asked);
    count++;
  };
  await past.build(
    // From the oldest on, as all of them are to be seen.
    (facts) => facts.keyspace.revision === past.firstRevision,
    () => true,
    (keyspace, { kind, identity, wallMs }) => {
      const now = keyspace.lookUp(key);
      if (now?.modRevision === found?.modRevision) return;
      const made = { time: timeText(wallMs), user: identity?.name ?? null, command: kind.name };
      const { revision } = keyspace;
      tell(now === null ? { ...made, ...deletion(revision) } : { ...made, ...versionOf(now) }, wallMs);
      found = now;
    },
    (keyspace) => {
      found = keyspace.lookUp(key);
      if (found !== null) tell({ time: null, user: null, command: null, ...versionOf(found) }, 0);
    },
  );
  progress.end();
  if (count === 0) process.stderr.write(`nothing of ${key.toString()} is in what there is\n`);
}

function versionOf({ modRevision, version, lease, value }: KeyState): Omit<Entry, "time" | "user" | "command"> {
  return {
    revision: modRevision,
    kind: version === 1 ? "create" : "update",
    version,
    lease: lease === 0n ? null : BigInt.asUintN(64, lease).toString(16),
    bytes: value.length,
    value,
  };
}

function deletion(revision: number): Omit<Entry, "time" | "user" | "command"> {
  return { revision, kind: "delete", version: 0, lease: null, bytes: 0, value: Buffer.alloc(0) };
}

function print(entry: Entry, { hasValues, isJson }: Asked): void {
  const { time, revision, kind, user, command, version, lease, bytes, value } = entry;
  if (isJson) {
    const shown = { time, revision, kind, version, user, command, lease, bytes };
    const line = hasValues ? { ...shown, value: value.toString("base64") } : shown;
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  const who = user === null ? "" : `, by ${user}`;
  const how = command === null ? "" : `, ${command}`;
  const what =
    kind === "delete" ? "" : `, version ${version}, ${bytesText(bytes)}${lease === null ? "" : `, lease ${lease}`}`;
  const when = time === null ? "before, " : `${time}  `;
  process.stdout.write(`${when}revision ${revision}  ${kind}${what}${how}${who}\n`);
  if (hasValues && kind !== "delete") process.stdout.write(`${textOfValue(value)}\n`);
}

function timeText(wallMs: number): string | null {
  return wallMs === 0 ? null : new Date(wallMs).toISOString();
}

function parse(args: readonly string[]): Asked | null {
  if (helped(args, USAGE)) return null;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        from: { type: "string" },
        since: { type: "string", default: "0" },
        values: { type: "boolean", default: false },
        hex: { type: "boolean", default: false },
        "write-out": { type: "string", short: "w", default: "simple" },
      },
    });
    const { from, hex: isHex, values: hasValues, "write-out": format } = values;
    const sinceMs = timeOf(values.since);
    if (positionals.length !== 1) return refuseUse("one key is to be given", USAGE);
    const [text] = positionals;
    if (isHex && !/^(?:[0-9a-fA-F]{2})+$/.test(text))
      return refuseUse("with --hex the key is hexadecimal digits", USAGE);
    if (from === undefined) return refuseUse("--from is missing", USAGE);
    if (Number.isNaN(sinceMs)) return refuseUse("--since must be such as 2026-11-30T12:00:00Z, or Unix seconds", USAGE);
    if (format !== "simple" && format !== "json") return refuseUse(`-w must be simple or json, not ${format}`, USAGE);
    return { key: Buffer.from(text, isHex ? "hex" : "utf8"), from, sinceMs, hasValues, isJson: format === "json" };
  } catch (error) {
    return refuseUse(error instanceof Error ? error.message : String(error), USAGE);
  }
}
