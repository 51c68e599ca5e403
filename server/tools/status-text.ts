/** A server's status as a person reads it: a few lines, and a table of the journal's zones. */
import type { ReplicaStatus } from "../../journal/journal-status.ts";
import { bytesText, durationText } from "./texts.ts";
import type { BackupStatus, PartitionStatus, ServerStatus, SnapshotZoneStatus } from "../http/server-status.ts";

/** What a replica in a process of its own says of itself. */
export interface ReplicaOwnStatus {
  readonly role: "replica";
  readonly zone: string;
  readonly state: "blank" | "made" | "formed";
  readonly clusterId: string;
  readonly lastIndex: number;
  readonly lastPosition: number;
  /** Index of the last frame that it knows to be committed. */
  readonly committed: number;
  readonly epoch: number;
  /** How many lie beside it, and the position of the newest, 0 for none. A replica of a former version tells of none. */
  readonly snapshots?: { readonly count: number; readonly newest: number };
  readonly trouble: string | null;
}

/** Ends in a newline. */
export function replicaText(url: string, status: ReplicaOwnStatus): string {
  const { zone, state, clusterId, epoch, lastIndex, lastPosition, committed, snapshots, trouble } = status;
  const facts: [string, string][] = [
    ["cluster", clusterId],
    ["state", REPLICA_STATES[state] ?? state],
    ["epoch", `${epoch} promised`],
    ["position", `${lastPosition}, in frame ${lastIndex}; frames up to ${committed} are known to be committed`],
  ];
  if (snapshots !== undefined) {
    const { count, newest } = snapshots;
    facts.push(["snapshots", count === 0 ? "none" : `${count}, the newest of position ${newest}`]);
  }
  if (trouble !== null) facts.push(["trouble", trouble]);
  return linesOf([`${url}  the replica in zone ${zone}`, ...table(facts).map((line) => `  ${line}`)]);
}

const REPLICA_STATES: Readonly<Record<string, string>> = {
  blank: "blank: it waits for a server to make it",
  made: "made: it waits for the list of the journal's replicas",
  formed: "one of the journal's replicas",
};

/** Ends in a newline. What a server says is shown, and moves no cursor. */
export function statusText(url: string, status: ServerStatus): string {
  const { plinth, etcd, name, clusterId, memberId, revision, trouble, warnings, journal, partitions } = status;
  const facts: [string, string][] = [
    ["cluster", clusterId],
    ["member", `${name} (${memberId})`],
    ["role", roleText(status)],
    ["epoch", epochText(status)],
    ["revision", String(revision)],
    ["committed", committedText(status)],
    ["zones", zonesText(status)],
    ["snapshot", snapshotText(status)],
  ];
  // A server of a former version tells of none.
  const far = status.snapshots?.zones ?? [];
  if (far.length > 0) facts.push(["elsewhere", far.map(farZoneText).join("; ")]);
  if (status.backup !== undefined && status.backup !== null)
    facts.push(["backup", backupText(status.backup, status.nowMs)]);
  if (trouble !== null) facts.push(["trouble", trouble]);
  const lines = [
    `${url}  Plinth ${plinth}, etcd ${etcd}`,
    ...table(facts).map((line) => `  ${line}`),
    "",
    ...table([HEAD, ...journal.replicas.map(rowOf)], NUMBERS).map((line) => `  ${line}`),
  ];
  if (partitions.length > 0) {
    lines.push(
      "",
      ...table([PARTITIONS_HEAD, ...partitions.map(partitionRow)], PARTITION_NUMBERS).map((l) => `  ${l}`),
    );
  }
  const errors = journal.replicas.flatMap((replica) => errorText(replica, status.nowMs));
  const notes = [...warnings.map((warning) => `warning: ${warning}`), ...errors];
  if (notes.length > 0) lines.push("", ...notes.map((note) => `  ${note}`));
  return linesOf(lines);
}

function backupText({ name, bytes, atMs }: BackupStatus, nowMs: number): string {
  return `${name}, ${bytesText(bytes)}, ${durationText(Math.max(0, nowMs - atMs))} old`;
}

function farZoneText({ zone, position, copying }: SnapshotZoneStatus): string {
  const has = position === null ? "no snapshot" : `position ${position}`;
  if (copying === null) return `${zone}: ${has}`;
  return `${zone}: ${has}, the next is ${Math.floor((copying.bytes / copying.of) * 100)} % there`;
}

/** A server of a former version tells of none. */
function snapshotText({
  snapshots,
  nowMs,
}: Partial<Pick<ServerStatus, "snapshots">> & Pick<ServerStatus, "nowMs">): string {
  if (snapshots === undefined || snapshots === null) return "none is kept";
  const { last, isRunning, tailRecords } = snapshots;
  const behind = `${tailRecords} records behind it${isRunning ? ", the next is being taken" : ""}`;
  if (last === null) return isRunning ? "the first is being taken" : "none yet";
  return `revision ${last.revision}, ${bytesText(last.bytes)}, ${durationText(Math.max(0, nowMs - last.takenAtMs))} old; ${behind}`;
}

function linesOf(lines: readonly string[]): string {
  return lines.map((line) => `${line.replace(CONTROLS, "?").trimEnd()}\n`).join("");
}

// eslint-disable-next-line no-control-regex -- They are what is looked for.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

const HEAD = ["ZONE", "STATE", "POSITION", "LAG", "QUEUE", "REBUILDS", "DAMAGES", "PLACE"];
/** Columns whose cells end at the right. */
const NUMBERS: ReadonlySet<number> = new Set([2, 5, 6]);
const UNKNOWN = "?";

const PARTITIONS_HEAD = "PARTITION,KEYS,LIVE,RETAINED,QUOTA,WRITES,READS,WATCHERS,WAITING,REFUSED".split(",");
const PARTITION_NUMBERS: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9]);

function partitionRow(partition: PartitionStatus): string[] {
  const { name, keys, liveBytes, retainedBytes, quotaBytes, isQuotaReached } = partition;
  const { writes, reads, watchers, waiting, refused } = partition;
  const quota = quotaBytes === null ? "-" : bytesText(quotaBytes);
  return [
    name,
    String(keys),
    bytesText(liveBytes),
    bytesText(retainedBytes),
    isQuotaReached ? `${quota} reached` : quota,
    String(writes),
    String(reads),
    watchers === null ? UNKNOWN : String(watchers),
    String(waiting),
    String(refused),
  ];
}

function roleText({ role, start }: ServerStatus): string {
  if (role === "none") return "none: it has no reign over the journal for now";
  if (start === null) return role;
  return start.text.startsWith(`${role}:`) ? start.text : `${role}: ${start.text}`;
}

function epochText({ journal: { epoch, writer } }: ServerStatus): string {
  return writer === "" ? String(epoch) : `${epoch}, the reign of ${writer}`;
}

function committedText({ applied, journal: { committed } }: ServerStatus): string {
  return applied >= committed ? String(committed) : `${committed}, executed up to ${applied}`;
}

/** What an operator wants to know before taking a machine away. */
function zonesText({ journal: { role, replicas } }: ServerStatus): string {
  const count = replicas.length;
  if (role !== "writer" || count === 1) return String(count);
  const well = replicas.filter(({ state }) => state === "up" || state === "rebuilding").length;
  const spare = well - (Math.floor(count / 2) + 1);
  if (spare < 0) return `${well} of ${count} answer, too few to write`;
  return `${well} of ${count} answer, ${spare === 0 ? "and none of them may fail" : `and ${spare} of them may fail`}`;
}

function rowOf({
  zone,
  state,
  position,
  lagRecords,
  lagMs,
  queueFrames,
  queueBytes,
  rebuilds,
  damages,
  place,
}: ReplicaStatus): string[] {
  return [
    zone,
    state,
    position === null ? UNKNOWN : String(position),
    lagText(lagRecords, lagMs),
    queueFrames === 0 ? "-" : `${queueFrames} in ${bytesText(queueBytes)}`,
    String(rebuilds),
    String(damages),
    place,
  ];
}

function lagText(records: number | null, ms: number | null): string {
  if (records === 0) return "-";
  const count = records === null ? UNKNOWN : `${records} records`;
  return ms === null ? count : `${count}, ${durationText(ms)}`;
}

function errorText({ zone, state, damage, lastError, lastErrorAtMs }: ReplicaStatus, nowMs: number): string[] {
  if (lastError === null || lastErrorAtMs === null) return [];
  const age = `zone ${zone}: its last error, ${durationText(Math.max(0, nowMs - lastErrorAtMs))} ago`;
  // The warning of one that is not well has the text.
  const isWarned = state === "down" || state === "stalled" || damage !== null;
  return [isWarned ? age : `${age}: ${lastError}`];
}

/** Each row as a line, cells under one another. */
function table(rows: readonly (readonly string[])[], right: ReadonlySet<number> = new Set()): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, i) => (right.has(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  "),
  );
}
