/** What lies in etcd's database: looked at when it is opened as far as it is small, and the versions of keys by a cursor. */
import { Buffer } from "node:buffer";
import { DecodeError } from "../../proto/decode-error.ts";
import type { Alarm } from "../../partitions/alarms.ts";
import { BoltFile } from "../bolt/bolt-file.ts";
import type { ByteSource } from "../bolt/byte-source.ts";
import { decodeAlarm, decodeLease, decodeRole, decodeUser } from "./decode.ts";
import type { EtcdLease, EtcdRole, EtcdUser } from "./decode.ts";
import { EtcdRefusal } from "./etcd-refusal.ts";
import {
  ALARM_BUCKET,
  AUTH_BUCKET,
  AUTH_ENABLED,
  AUTH_REVISION,
  CLUSTER_BUCKET,
  CLUSTER_VERSION,
  CONSISTENT_INDEX,
  FINISHED_COMPACTION,
  KEY_BUCKET,
  LEASE_BUCKET,
  MEMBERS_BUCKET,
  META_BUCKET,
  REMOVED_BUCKET,
  REVISION_BYTES,
  ROLES_BUCKET,
  SCHEDULED_COMPACTION,
  STORAGE_VERSION,
  USERS_BUCKET,
} from "./schema.ts";
import { VersionCursor } from "./version-cursor.ts";
import type { Compacted, Place } from "./version-cursor.ts";

const KNOWN_BUCKETS: readonly string[] = [
  ALARM_BUCKET,
  AUTH_BUCKET,
  ROLES_BUCKET,
  USERS_BUCKET,
  CLUSTER_BUCKET,
  KEY_BUCKET,
  LEASE_BUCKET,
  MEMBERS_BUCKET,
  REMOVED_BUCKET,
  META_BUCKET,
];

/** The newest version of etcd whose files are known. */
const NEWEST = [3, 7] as const;

export interface EtcdAuth {
  readonly enabled: boolean;
  readonly revision: number;
  readonly users: readonly EtcdUser[];
  readonly roles: readonly EtcdRole[];
}

export class EtcdDatabase {
  readonly bytes: number;
  /** What can be read no more, also where its removal has not been finished; -1 before the first compaction. */
  readonly compactRevision: number;
  /** Up to where removal has been finished; -1 for nowhere. */
  readonly finishedCompactRevision: number;
  /** The last Raft entry that is in it. */
  readonly consistentIndex: number;
  /** As it is written there, such as 3.6.0; null where etcd 3.5 wrote it. */
  readonly storageVersion: string | null;
  readonly clusterVersion: string | null;
  /** In the order of their ids' bytes. */
  readonly leases: readonly EtcdLease[];
  readonly alarms: readonly Alarm[];
  readonly auth: EtcdAuth;
  readonly #file: BoltFile;
  #compacted: Compacted | null = null;

  /** @throws EtcdRefusal, BoltError */
  constructor(source: ByteSource) {
    const file = new BoltFile(source);
    this.#file = file;
    this.bytes = file.bytes;
    const unknown = file.bucketNames.filter((name) => !KNOWN_BUCKETS.includes(name));
    const isEtcd = file.bucketNames.includes(KEY_BUCKET) && file.bucketNames.includes(META_BUCKET);
    if (!isEtcd) throw new EtcdRefusal(`it is a bbolt file, and none of etcd: it has ${bucketsText(file.bucketNames)}`);
    if (unknown.length > 0)
      throw new EtcdRefusal(`it has what no etcd up to ${NEWEST.join(".")} has: ${bucketsText(unknown)}`);
    const meta = new Map(
      this.#elements(META_BUCKET, (key, value) => [key.toString("latin1"), Buffer.from(value)] as const),
    );
    const cluster = new Map(
      this.#elements(CLUSTER_BUCKET, (key, value) => [key.toString("latin1"), String(value)] as const),
    );
    this.storageVersion = meta.get(STORAGE_VERSION)?.toString() ?? null;
    this.clusterVersion = cluster.get(CLUSTER_VERSION) ?? null;
    checkVersion("storage", this.storageVersion);
    checkVersion("cluster", this.clusterVersion);
    this.consistentIndex = uint64Of(meta.get(CONSISTENT_INDEX), CONSISTENT_INDEX) ?? 0;
    this.finishedCompactRevision = revisionOf(meta.get(FINISHED_COMPACTION), FINISHED_COMPACTION);
    this.compactRevision = Math.max(
      this.finishedCompactRevision,
      revisionOf(meta.get(SCHEDULED_COMPACTION), SCHEDULED_COMPACTION),
    );
    this.leases = this.#elements(LEASE_BUCKET, readLease);
    this.alarms = this.#elements(ALARM_BUCKET, (key) => decodeAlarm(key));
    this.auth = this.#readAuth();
    if (this.consistentIndex === 0 && file.cursor(KEY_BUCKET)?.next() === true) {
      throw new EtcdRefusal("it has keys and does not say up to which Raft entry: it is no whole database of etcd");
    }
  }

  /** Begins to read the versions of keys. Each cursor finds the same. */
  versions(): VersionCursor {
    this.#compacted ??= this.#findCompacted();
    return this.#cursor(this.#compacted);
  }

  /** Where a compaction has begun and not finished, the last change up to it of each key that was changed since the one before. */
  #findCompacted(): Compacted {
    const last = new Map<string, Place>();
    const compacted: Compacted = { revision: this.compactRevision, last };
    if (this.finishedCompactRevision === this.compactRevision) return compacted;
    const cursor = this.#cursor(compacted);
    while (cursor.nextStored() && cursor.main <= this.compactRevision) {
      const { main, sub, key } = cursor;
      if (main > this.finishedCompactRevision && !cursor.isMarker) last.set(key.toString("latin1"), { main, sub });
    }
    return compacted;
  }

  #cursor(compacted: Compacted): VersionCursor {
    const cursor = this.#file.cursor(KEY_BUCKET);
    // The constructor has looked for it.
    if (cursor === null) throw new EtcdRefusal("it has no keys");
    return new VersionCursor(cursor, compacted);
  }

  #readAuth(): EtcdAuth {
    const auth = new Map(
      this.#elements(AUTH_BUCKET, (key, value) => [key.toString("latin1"), Buffer.from(value)] as const),
    );
    return {
      enabled: auth.get(AUTH_ENABLED)?.equals(TRUE) ?? false,
      revision: uint64Of(auth.get(AUTH_REVISION), AUTH_REVISION) ?? 1,
      users: this.#elements(USERS_BUCKET, (key, value) => sameName(key, decodeUser(value))),
      roles: this.#elements(ROLES_BUCKET, (key, value) => sameName(key, decodeRole(value))),
    };
  }

  /** All elements of a bucket that is small, or none. */
  #elements<Element>(bucket: string, read: (key: Buffer, value: Buffer) => Element): Element[] {
    const cursor = this.#file.cursor(bucket);
    const elements: Element[] = [];
    while (cursor?.next() === true) {
      try {
        elements.push(read(cursor.key, cursor.value));
      } catch (error) {
        if (error instanceof DecodeError) throw new EtcdRefusal(`${cursor.place}: ${error.message}`, { cause: error });
        throw error;
      }
    }
    return elements;
  }
}

const TRUE = Buffer.from([1]);

function readLease(key: Buffer, value: Buffer): EtcdLease {
  const lease = decodeLease(value);
  const isOwn = key.length === 8 && key.readBigInt64BE(0) === lease.id && lease.id !== 0n;
  if (!isOwn) throw new DecodeError(`it is not the lease ${lease.id}`);
  if (!(lease.ttl > 0 && Number.isSafeInteger(lease.ttl))) throw new DecodeError(`its TTL is ${lease.ttl}`);
  return lease;
}

function sameName<Named extends { readonly name: string }>(key: Buffer, named: Named): Named {
  if (key.toString() !== named.name) throw new DecodeError(`it calls itself ${JSON.stringify(named.name)}`);
  return named;
}

function checkVersion(what: string, version: string | null): void {
  if (version === null) return;
  const match = /^(\d+)\.(\d+)\.\d+/.exec(version);
  if (match === null) throw new EtcdRefusal(`its ${what} version is ${JSON.stringify(version)}, which is none`);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  const isNewer = major > NEWEST[0] || (major === NEWEST[0] && minor > NEWEST[1]);
  if (isNewer)
    throw new EtcdRefusal(`its ${what} version ${version} is newer than ${NEWEST.join(".")}, the newest that is known`);
}

function uint64Of(bytes: Buffer | undefined, what: string): number | null {
  if (bytes === undefined) return null;
  if (bytes.length !== 8) throw new EtcdRefusal(`its ${what} has ${bytes.length} bytes, and not 8`);
  return Number(bytes.readBigUInt64BE(0));
}

/** -1 for none. */
function revisionOf(bytes: Buffer | undefined, what: string): number {
  if (bytes === undefined) return -1;
  if (bytes.length !== REVISION_BYTES) throw new EtcdRefusal(`its ${what} is no revision`);
  const revision = Number(bytes.readBigUInt64BE(0));
  if (!Number.isSafeInteger(revision)) throw new EtcdRefusal(`its ${what} is ${revision}, which is too large`);
  return revision;
}

function bucketsText(names: readonly string[]): string {
  return `the bucket${names.length === 1 ? "" : "s"} ${names.map((name) => JSON.stringify(name)).join(", ")}`;
}
