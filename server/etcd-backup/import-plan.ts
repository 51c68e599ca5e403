/**
 * What an import would bring, found by reading all of it: revisions, counts, sizes, and etcd's own HashKV, which has to be that of
 * the new keyspace. Whoever has a plan knows that all of it can be read.
 */
import { Buffer } from "node:buffer";
import { resourcePrefix } from "../../partitions/state/partition-map.ts";
import { Crc32c } from "../../partitions/walk/crc32c.ts";
import { refusalOf } from "./open-etcd.ts";
import type { OpenedEtcd } from "./open-etcd.ts";
import type { EtcdDatabase } from "./etcd-database.ts";
import type { Place, VersionCursor } from "./version-cursor.ts";

const ROOT = "/registry/";

/** Resources that are told one by one; what others have counts for that of keys which are of none. */
const RESOURCES_MAX = 10_000;

/** After so many versions it is told how far the plan has come. */
const PROGRESS_VERSIONS = 10_000;

const BUCKET = Buffer.from("key");

/** Of the keys of one resource, or of those of none. */
export interface ResourceCount {
  /** That exist. */
  keys: number;
  versions: number;
  /** Of all these versions. */
  bytes: number;
}

export interface ImportPlan {
  readonly revision: number;
  /** -1 before the first compaction. */
  readonly compactRevision: number;
  /** By the prefixes of resources, "" for keys of none. */
  readonly resources: ReadonlyMap<string, ResourceCount>;
  readonly total: Readonly<ResourceCount>;
  /** Deletions that are still history. */
  readonly tombstones: number;
  /** Elements of the database that compaction has given up, or that are nothing but a revision. */
  readonly leftOut: number;
  /** etcd's HashKV at the revision, as `etcdctl endpoint hashkv` tells it. */
  readonly hash: number;
  /**
   * Whether a Plinth gives the same number. An element that is nothing but a revision, as `etcdutl snapshot restore
   * --bump-revision` leaves one, is a part of etcd's for ever.
   */
  readonly isHashComparable: boolean;
  readonly leases: number;
  readonly users: number;
  readonly roles: number;
  readonly alarms: number;
}

/**
 * Reads everything, twice.
 *
 * @param onProgress is told from time to time how many versions have been read
 * @throws EtcdRefusal
 */
export function planImport(from: OpenedEtcd, onProgress: (versions: number) => void = () => {}): ImportPlan {
  try {
    return plan(from.database, onProgress);
  } catch (error) {
    throw refusalOf(from.path, error);
  }
}

function plan(database: EtcdDatabase, onProgress: (versions: number) => void): ImportPlan {
  const { compactRevision, finishedCompactRevision, leases, auth, alarms } = database;
  const total: ResourceCount = { keys: 0, versions: 0, bytes: 0 };
  const resources = new Map<string, ResourceCount>();
  const last = new Map<string, Place>();
  let [tombstones, leftOut, markers] = [0, 0, 0];
  let revision = Math.max(1, compactRevision);
  let read = 0;
  const noteRead = (): void => {
    if (++read % PROGRESS_VERSIONS === 0) onProgress(read);
  };
  const cursor = database.versions();
  while (cursor.nextStored()) {
    noteRead();
    const { main, sub, key } = cursor;
    revision = Math.max(revision, main);
    if (compactRevision > 0 && main > finishedCompactRevision) last.set(key.toString("latin1"), { main, sub });
    if (cursor.isMarker) markers++;
    if (!cursor.counts) {
      leftOut++;
      continue;
    }
    if (cursor.isTombstone) tombstones++;
    count(total, cursor, compactRevision);
    count(resourceOf(resources, key), cursor, compactRevision);
  }
  // A revision without anything is to etcd a key without a name.
  const isAnyAlive = total.keys + markers > 0;
  return {
    revision,
    compactRevision,
    resources,
    total,
    tombstones,
    leftOut,
    hash: hashOf(database, last, isAnyAlive, noteRead),
    isHashComparable: markers === 0,
    leases: leases.length,
    users: auth.users.length,
    roles: auth.roles.length,
    alarms: alarms.length,
  };
}

/** What exists is told by what came and went: up to the compact revision there is one version of each key. */
function count(target: ResourceCount, cursor: VersionCursor, compactRevision: number): void {
  const { main, isTombstone, version, key, value } = cursor;
  target.versions++;
  target.bytes += key.length + value.length;
  if (isTombstone) target.keys--;
  else if (main <= compactRevision || version === 1) target.keys++;
}

function resourceOf(resources: Map<string, ResourceCount>, key: Buffer): ResourceCount {
  const prefix = resourcePrefix(ROOT, key.toString("latin1")) ?? "";
  const known = resources.get(prefix) ?? (resources.size >= RESOURCES_MAX ? resources.get("") : undefined);
  if (known !== undefined) return known;
  const counts: ResourceCount = { keys: 0, versions: 0, bytes: 0 };
  resources.set(resources.size >= RESOURCES_MAX ? "" : prefix, counts);
  return counts;
}

/**
 * etcd's HashKV at the revision. What keys were at the compact revision counts as far as they still are so, unless no key exists:
 * then all of it does. A deletion at the compact revision does not.
 *
 * @param last the last change of each key that was changed since the last compaction that has finished
 */
function hashOf(
  database: EtcdDatabase,
  last: ReadonlyMap<string, Place>,
  isAnyAlive: boolean,
  onVersion: () => void,
): number {
  const { compactRevision } = database;
  const crc = new Crc32c();
  crc.update(BUCKET);
  const cursor = database.versions();
  while (cursor.nextStored()) {
    onVersion();
    const { main, isTombstone, stored } = cursor;
    if (main <= compactRevision) {
      if (isTombstone && (main === compactRevision || isAnyAlive)) continue;
      if (isAnyAlive && !isLast(cursor, last)) continue;
    }
    crc.update(stored.key);
    crc.update(stored.value);
  }
  return crc.value;
}

function isLast({ key, main, sub }: VersionCursor, last: ReadonlyMap<string, Place>): boolean {
  if (last.size === 0) return true;
  const other = last.get(key.toString("latin1"));
  return other === undefined || (other.main === main && other.sub === sub);
}
