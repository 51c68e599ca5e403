/**
 * The command `journal`: looks at a replica's directory that no process has open, and changes nothing.
 *
 *     plinth journal verify DIR… [-w json]
 *     plinth journal dump DIR [--from=POSITION] [--to=POSITION] [-w json]
 */
import { basename, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { FRAME_HEADER_BYTES, KIND_BARRIER, KIND_CONFIGURATION, RECORD_HEADER_BYTES } from "../../journal/frame.ts";
import type { FrameHeader } from "../../journal/frame.ts";
import { JournalError } from "../../journal/journal.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { framesOf } from "../../journal/replica/frames-of-directory.ts";
import { MARK_NAME, readFacts } from "../../journal/replica/mark.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { decodeRecord } from "../engine/record.ts";
import { refuseUse } from "./usage.ts";

const EXIT_FAILED = 1;

const USAGE = `Looks at a replica of the journal that no process has open, and changes nothing.

  plinth journal verify DIR...      checks every frame, and that nothing is missing
  plinth journal dump DIR           shows the frames, and what their records ask for

  --from=POSITION, --to=POSITION    records to dump; all without them
  -w json                           one JSON object a line

DIR is a replica's directory, such as default.plinth/journal/zone-a.
`;

interface Options {
  readonly isJson: boolean;
  readonly from: number;
  readonly to: number;
}

/** Runs the command with the arguments behind its name, and sets the exit code. */
export async function journalCommand(args: readonly string[]): Promise<void> {
  const asked = parse(args);
  if (asked === null) return;
  const { act, directories, options } = asked;
  for (const each of directories) {
    const directory = resolve(each);
    try {
      await whileLocked(directory, () => act(directory, options));
    } catch (error) {
      if (!(error instanceof JournalError || isOfTheDisk(error))) throw error;
      process.stderr.write(`${error.message}\n`);
      process.exitCode = EXIT_FAILED;
    }
  }
}

type Act = (directory: string, options: Options) => Promise<void>;

function parse(args: readonly string[]): { act: Act; directories: string[]; options: Options } | null {
  const [name, ...rest] = args;
  if (name === undefined || /^--?h(elp)?$/.test(name)) {
    process.stdout.write(USAGE);
    return null;
  }
  try {
    const { values, positionals } = parseArgs({
      args: rest,
      allowPositionals: true,
      options: {
        "write-out": { type: "string", short: "w", default: "simple" },
        from: { type: "string", default: "1" },
        to: { type: "string", default: String(Number.MAX_SAFE_INTEGER) },
      },
    });
    const format = values["write-out"];
    const [from, to] = [Number(values.from), Number(values.to)];
    const isOne = name === "dump" && positionals.length === 1;
    const isUsable = (name === "verify" && positionals.length > 0) || isOne;
    if (!isUsable) return refuseUse(`"journal ${args.join(" ")}" is no command`, USAGE);
    if (format !== "simple" && format !== "json") return refuseUse(`-w must be simple or json, not ${format}`, USAGE);
    if (!(from >= 1 && to >= from)) return refuseUse("--from and --to must be positions, from 1 on", USAGE);
    const options = { isJson: format === "json", from, to };
    return { act: name === "verify" ? verify : dump, directories: positionals, options };
  } catch (error) {
    return refuseUse(error instanceof Error ? error.message : String(error), USAGE);
  }
}

/** While this looks nobody shall write. A directory that cannot be locked, as on a medium that is read-only, is looked at as it is. */
async function whileLocked(directory: string, act: () => Promise<void>): Promise<void> {
  const file = await nodeDisk.openLocked(resolve(directory, MARK_NAME)).catch((error: unknown) => {
    if (error instanceof JournalError && error.code === "ERR_JOURNAL_LOCKED") throw error;
    return null;
  });
  try {
    await act();
  } finally {
    await file?.close();
  }
}

async function verify(directory: string, { isJson }: Options): Promise<void> {
  const { segments, ...contents } = await verifyDirectory(nodeDisk, directory, (verified, of) => {
    if (process.stderr.isTTY)
      process.stderr.write(`\r${verified} of ${of} segments\u001b[K${verified === of ? "\r" : ""}`);
  }).catch(async (error: unknown) => {
    throw await withRemedy(error, directory);
  });
  const { firstPosition, lastPosition, lastIndex, lastEpoch, committed, frames, tornBytes } = contents;
  if (isJson) {
    print(JSON.stringify({ directory, segments: segments.length, ...contents }));
    return;
  }
  const torn = tornBytes === 0 ? "" : `, and ${tornBytes} bytes of a torn frame, which the next start cuts`;
  print(
    `${directory}: whole. Records ${firstPosition} to ${lastPosition} in ${frames} frames and ${segments.length} segments; ` +
      `the last frame is ${lastIndex} of epoch ${lastEpoch}, committed up to ${committed}${torn}`,
  );
}

/** Says of damage in one of several replicas that it need not be put right by hand. */
async function withRemedy(damage: unknown, directory: string): Promise<unknown> {
  if (!(damage instanceof JournalError && damage.code === "ERR_JOURNAL_CORRUPT")) return damage;
  const facts = await readFacts(nodeDisk, directory).catch(() => null);
  const others = facts?.members.filter(({ replicaId }) => replicaId !== facts.replicaId) ?? [];
  if (others.length === 0) return damage;
  const zones = others.map(({ zone }) => zone).join(" and ");
  const text = `${damage.message}; a running server puts damaged frames back from zone ${zones}, as far as they are whole there`;
  return new JournalError(damage.code, text, { cause: damage });
}

async function dump(directory: string, { isJson, from, to }: Options): Promise<void> {
  for await (const { header, bytes, start, path, offset } of framesOf(nodeDisk, directory)) {
    const { index, epoch, previousPosition, lastPosition, committed, wallMs, length } = header;
    // One without records lies behind the record before it.
    if (Math.max(lastPosition, previousPosition + 1) < from || previousPosition >= to) continue;
    const time = wallMs === 0 ? null : new Date(wallMs).toISOString();
    const what = {
      frame: index,
      kind: kindOf(header),
      epoch,
      time,
      committed,
      bytes: length,
      at: `${basename(path)}:${offset}`,
    };
    print(isJson ? JSON.stringify(what) : textOf(what));
    let at = start + FRAME_HEADER_BYTES;
    for (let position = previousPosition + 1; position <= lastPosition; position++) {
      const size = bytes.readUInt32LE(at);
      at += RECORD_HEADER_BYTES;
      if (position >= from && position <= to) printRecord(position, bytes.subarray(at, at + size), isJson);
      at += size;
    }
  }
}

function printRecord(position: number, bytes: Buffer, isJson: boolean): void {
  const { kind, request, identity } = decodeRecord(bytes);
  const key = kind.firstKey(request);
  const record = {
    record: position,
    command: kind.name,
    key: key === null ? null : Buffer.from(key).toString("utf8"),
    user: identity?.name ?? null,
    bytes: bytes.length,
  };
  print(isJson ? JSON.stringify(record) : `  ${textOf(record)}`);
}

/** `frame 7, kind records, epoch 2, …`: what is null is left out. */
function textOf(fields: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(fields).filter(([, value]) => value !== null);
  return parts.map(([name, value]) => `${name} ${String(value)}`).join(", ");
}

function kindOf({ kind }: FrameHeader): string {
  if (kind === KIND_BARRIER) return "barrier";
  return kind === KIND_CONFIGURATION ? "configuration" : "records";
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function isOfTheDisk(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}
