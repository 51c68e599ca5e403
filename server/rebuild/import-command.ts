/**
 * The command `import`: makes a new data directory of what an etcd was, from a snapshot of it, or from the data directory of one that
 * has ended.
 *
 *     plinth import --from=SNAPSHOT|ETCD-DATA-DIR --data-dir=NEW [--bump-revision=N] [--mark-compacted] [--dry-run]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { Keyspace } from "../../partitions/keyspace.ts";
import type { KeyspaceFacts } from "../../partitions/state/keyspace-facts.ts";
import { Refusal } from "../../partitions/refusals.ts";
import { planImport } from "../etcd-backup/import-plan.ts";
import type { ImportPlan } from "../etcd-backup/import-plan.ts";
import type { EtcdDatabase } from "../etcd-backup/etcd-database.ts";
import { openEtcd } from "../etcd-backup/open-etcd.ts";
import type { OpenedEtcd } from "../etcd-backup/open-etcd.ts";
import { bytesText } from "../tools/texts.ts";
import { helped, refuseUse } from "../tools/usage.ts";
import { bumpRevision } from "./bump-revision.ts";
import { makeDataDir } from "./new-data-dir.ts";
import { wholeNumber } from "./option-values.ts";
import { Progress } from "./progress.ts";
import { RebuildError } from "./rebuild-error.ts";
import { runRebuild } from "./run-rebuild.ts";

const COMPACTION_ENTRIES = 100_000;

const USAGE = `Makes a new data directory of what an etcd was.

  plinth import --from=SNAPSHOT|ETCD-DATA-DIR --data-dir=NEW

  --from             a file of etcdctl snapshot save, or the data directory of an etcd that has ended; it is only read
  --data-dir         a directory that is missing or empty
  --bump-revision    revisions that are passed over, so that no client takes what comes for what it has seen
  --mark-compacted   no revision before that can be read or watched: who has seen later ones has to list again
  --dry-run          reads and checks all of it, says what there is, and makes nothing

Revisions, versions, leases, alarms, users and roles stay what they were; the cluster has an id of its own.
`;

interface Asked {
  readonly from: string;
  readonly dataDir: string;
  readonly bump: number;
  readonly isMarked: boolean;
  readonly isDry: boolean;
}

/** Runs the command with the arguments behind its name, and sets the exit code. */
export async function importCommand(args: readonly string[]): Promise<void> {
  const asked = parse(args);
  if (asked !== null) await runRebuild(() => importEtcd(asked));
}

async function importEtcd(asked: Asked): Promise<void> {
  const opened = openEtcd(asked.from);
  try {
    await importOpened(opened, asked);
  } finally {
    opened.close();
  }
}

async function importOpened(opened: OpenedEtcd, { from, dataDir, bump, isMarked, isDry }: Asked): Promise<void> {
  const progress = new Progress();
  const plan = planImport(opened, (versions) => progress.tell("versions checked", versions, null));
  progress.end();
  for (const line of planLines(opened, plan)) print(line);
  if (isDry) return print("nothing was made: --dry-run");
  const keyspace = load(opened.database, plan, progress);
  progress.end();
  verify(keyspace, plan);
  print(plan.isHashComparable ? `HashKV ${plan.hash}: the same on both sides` : "all versions are there");
  bumpRevision(keyspace, bump, isMarked);
  const { clusterId } = await makeDataDir(keyspace, {
    directory: dataDir,
    origin: `imported revision ${plan.revision} of ${from}`,
    onProgress: (versions) => progress.tell("versions written", versions, keyspace.versionCount),
  });
  progress.end();
  print(`made ${dataDir}: cluster ${clusterId.toString(16)}, revision ${keyspace.revision}`);
}

function planLines({ kind, database, isChecksummed }: OpenedEtcd, plan: ImportPlan): string[] {
  const { storageVersion, clusterVersion } = database;
  const { revision, compactRevision, resources, total, leases, users, roles, alarms, hash } = plan;
  const checked = isChecksummed ? "its checksum is right" : "it has no checksum";
  const byPrefix = [...resources].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const compacted = compactRevision > 0 ? `, compacted at ${compactRevision}` : "";
  return [
    `a ${kind} of etcd ${storageVersion ?? clusterVersion ?? "3.5"}; ${checked}`,
    `revision ${revision}${compacted}, HashKV ${hash}`,
    ...byPrefix.map(
      ([prefix, { keys, versions, bytes }]) =>
        `  ${prefix || "(rest)"}: ${keys} keys, ${versions} versions, ${bytesText(bytes)}`,
    ),
    `  in all ${total.keys} keys, ${total.versions} versions, ${bytesText(total.bytes)}, ${leases} leases, ${users} users, ${roles} roles, ${alarms} alarms`,
  ];
}

function load(database: EtcdDatabase, plan: ImportPlan, progress: Progress): Keyspace {
  const keyspace = new Keyspace();
  const loader = keyspace.openHistoryLoader(factsOf(database, plan));
  const cursor = database.versions();
  let loaded = 0;
  while (cursor.next()) {
    const { key, createRevision, main, sub, version, value, lease, isTombstone } = cursor;
    loader.add({
      key,
      createRevision,
      modRevision: main,
      subRevision: sub,
      version: isTombstone ? 0 : version,
      value,
      lease,
    });
    if (++loaded % COMPACTION_ENTRIES === 0) progress.tell("versions loaded", loaded, plan.total.versions);
  }
  while (!loader.finish(COMPACTION_ENTRIES));
  return keyspace;
}

function factsOf({ leases, alarms, auth }: EtcdDatabase, { revision, compactRevision }: ImportPlan): KeyspaceFacts {
  const { enabled, users, roles } = auth;
  return {
    revision,
    compactRevision,
    leaseIds: BigInt64Array.from(leases, ({ id }) => id),
    leaseTtls: Float64Array.from(leases, ({ ttl }) => ttl),
    alarms,
    quotas: [],
    reached: [],
    auth: { enabled, enabledAt: enabled ? auth.revision : 0, revision: auth.revision, users, roles },
  };
}

/** @throws RebuildError where the keyspace is not what was read: then nothing is made of it */
function verify(keyspace: Keyspace, plan: ImportPlan): void {
  const { total, revision, hash, isHashComparable, leases } = plan;
  const { keyCount, leaseCount } = keyspace;
  const own = keyspace.hash(0);
  if (own instanceof Refusal) throw new RebuildError(own.message);
  const differs = [
    ...(keyCount === total.keys ? [] : [`${keyCount} keys of ${total.keys}`]),
    ...(leaseCount === leases ? [] : [`${leaseCount} leases of ${leases}`]),
    ...(keyspace.revision === revision ? [] : [`revision ${keyspace.revision} for ${revision}`]),
    ...(!isHashComparable || own.hash === hash ? [] : [`HashKV ${own.hash} for ${hash}`]),
  ];
  if (differs.length > 0) throw new RebuildError(`what was read is not what was loaded: ${differs.join(", ")}`);
}

function parse(args: readonly string[]): Asked | null {
  if (helped(args, USAGE)) return null;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        from: { type: "string" },
        "data-dir": { type: "string" },
        "bump-revision": { type: "string", default: "0" },
        "mark-compacted": { type: "boolean", default: false },
        "dry-run": { type: "boolean", default: false },
      },
    });
    const { from, "data-dir": dataDir, "dry-run": isDry, "mark-compacted": isMarked } = values;
    if (from === undefined) return refuseUse("--from is missing", USAGE);
    if (dataDir === undefined && !isDry) return refuseUse("--data-dir is missing", USAGE);
    const bump = wholeNumber(values["bump-revision"], 0, 0);
    if (Number.isNaN(bump)) return refuseUse("--bump-revision must be a number of revisions", USAGE);
    return { from, dataDir: dataDir ?? "", bump, isMarked, isDry };
  } catch (error) {
    return refuseUse(error instanceof Error ? error.message : String(error), USAGE);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
