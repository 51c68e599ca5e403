/**
 * The command `restore`: makes a new data directory of what a cluster was at a revision, or at a moment.
 *
 *     plinth restore --from=DIR --data-dir=NEW [--to-revision=R | --to-time=T] [--bump-revision=N] [--mark-compacted] [--dry-run]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { helped, refuseUse } from "../tools/usage.ts";
import { bumpRevision } from "./bump-revision.ts";
import { makeDataDir } from "./new-data-dir.ts";
import { timeOf, wholeNumber } from "./option-values.ts";
import { Past } from "./past.ts";
import { Progress } from "./progress.ts";
import { RebuildError } from "./rebuild-error.ts";
import { resourceLines } from "./resources.ts";
import { runRebuild } from "./run-rebuild.ts";

const USAGE = `Makes a new data directory of what a cluster was at a revision, or at a moment.

  plinth restore --from=DIR --data-dir=NEW [--to-revision=R | --to-time=T]

  --from             the data directory of a server, or the directory of one zone of its journal; it is only read
  --data-dir         a directory that is missing or empty
  --to-revision      the last revision that is to be there
  --to-time          what was committed until then: 2026-11-30T12:00:00Z, or Unix seconds; without either: all there is
  --bump-revision    revisions that are passed over, so that no client takes what comes for what it has seen
  --mark-compacted   no revision before that can be read or watched: who has seen later ones has to list again
  --dry-run          says what there is, and what would be made, and makes nothing

The new cluster has an id of its own and no alarms; its leases have their whole TTL before them.
`;

interface Asked {
  readonly from: string;
  readonly dataDir: string;
  readonly toRevision: number;
  readonly toMs: number;
  readonly bump: number;
  readonly isMarked: boolean;
  readonly isDry: boolean;
}

/** Runs the command with the arguments behind its name, and sets the exit code. */
export async function restoreCommand(args: readonly string[]): Promise<void> {
  const asked = parse(args);
  if (asked !== null) await runRebuild(() => restore(asked));
}

async function restore({ from, dataDir, toRevision, toMs, bump, isMarked, isDry }: Asked): Promise<void> {
  const past = await Past.open(from);
  const { fromMs, toMs: untilMs } = past.times;
  print(`there is ${timeText(fromMs)} to ${timeText(untilMs)}, from revision ${past.firstRevision} on`);
  if (toRevision < past.firstRevision) {
    throw new RebuildError(`revision ${toRevision} is not there any more: it begins with ${past.firstRevision}`);
  }
  if (toMs < fromMs) throw new RebuildError(`${timeText(toMs)} is before all that is there`);
  const progress = new Progress();
  past.onProgress = (executed, of) => progress.tell("records", executed, of);
  let endMs = 0;
  const keyspace = await past.build(
    (facts) => facts.keyspace.revision <= toRevision && facts.takenAtMs <= toMs,
    ({ revision }, wallMs) => revision < toRevision && wallMs <= toMs,
    (_, { wallMs }) => (endMs = Math.max(endMs, wallMs)),
    (_, facts) => (endMs = facts?.takenAtMs ?? 0),
  );
  progress.end();
  if (Number.isFinite(toRevision) && keyspace.revision < toRevision) {
    throw new RebuildError(`revision ${toRevision} is not there: it ends with ${keyspace.revision}`);
  }
  print(`revision ${keyspace.revision}${endMs === 0 ? "" : `, as it was at ${timeText(endMs)}`}`);
  for (const line of resourceLines(keyspace)) print(`  ${line}`);
  for (const { memberId, alarm } of keyspace.alarms()) keyspace.deactivateAlarm(memberId, alarm);
  bumpRevision(keyspace, bump, isMarked);
  if (isDry) return print("nothing was made: --dry-run");
  const origin = `restored from revision ${keyspace.revision - bump} of ${from}`;
  const { clusterId } = await makeDataDir(keyspace, {
    directory: dataDir,
    origin,
    onProgress: (versions) => progress.tell("versions written", versions, keyspace.versionCount),
  });
  progress.end();
  print(`made ${dataDir}: cluster ${clusterId.toString(16)}, revision ${keyspace.revision}`);
}

function parse(args: readonly string[]): Asked | null {
  if (helped(args, USAGE)) return null;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        from: { type: "string" },
        "data-dir": { type: "string" },
        "to-revision": { type: "string" },
        "to-time": { type: "string" },
        "bump-revision": { type: "string", default: "0" },
        "mark-compacted": { type: "boolean", default: false },
        "dry-run": { type: "boolean", default: false },
      },
    });
    const { from, "data-dir": dataDir, "dry-run": isDry } = values;
    if (from === undefined) return refuseUse("--from is missing", USAGE);
    if (dataDir === undefined && !isDry) return refuseUse("--data-dir is missing", USAGE);
    if (values["to-revision"] !== undefined && values["to-time"] !== undefined) {
      return refuseUse("--to-revision and --to-time cannot both be given", USAGE);
    }
    const toRevision = wholeNumber(values["to-revision"], 1, Infinity);
    const bump = wholeNumber(values["bump-revision"], 0, 0);
    const toMs = timeOf(values["to-time"]);
    if (Number.isNaN(toRevision)) return refuseUse("--to-revision must be a revision, from 1 on", USAGE);
    if (Number.isNaN(bump)) return refuseUse("--bump-revision must be a number of revisions", USAGE);
    if (Number.isNaN(toMs)) return refuseUse("--to-time must be such as 2026-11-30T12:00:00Z, or Unix seconds", USAGE);
    const isMarked = values["mark-compacted"];
    return { from, dataDir: dataDir ?? "", toRevision, toMs, bump, isMarked, isDry };
  } catch (error) {
    return refuseUse(error instanceof Error ? error.message : String(error), USAGE);
  }
}

function timeText(ms: number): string {
  return ms > 0 && Number.isFinite(ms) ? new Date(ms).toISOString() : "a time that is not known";
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
