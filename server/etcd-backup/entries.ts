/** What a backup has beside keys, as elements of its buckets. */
import { Buffer } from "node:buffer";
import type { Permission } from "../../proto/auth.ts";
import { Writer } from "../../proto/writer.ts";
import { ROOT } from "../../partitions/auth/auth.ts";
import type { Auth, User } from "../../partitions/auth/auth.ts";
import {
  AUTH_ENABLED,
  AUTH_REVISION,
  BACKUP_VERSION,
  CLUSTER_VERSION,
  CONF_STATE,
  CONSISTENT_INDEX,
  FINISHED_COMPACTION,
  revisionBytes,
  SCHEDULED_COMPACTION,
  STORAGE_VERSION,
  TERM,
  uint64,
} from "./schema.ts";

export type Entry = readonly [key: Buffer, value: Buffer];

/** Of whom a backup is. */
export interface BackupMember {
  readonly memberId: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** What stands for Raft's term and index. */
  readonly term: number;
  readonly index: number;
}

export function authEntries({ enabled, revision }: Auth): Entry[] {
  return [entry(AUTH_ENABLED, Buffer.from([enabled ? 1 : 0])), entry(AUTH_REVISION, uint64(revision))];
}

export function roleEntries(auth: Auth): Entry[] {
  return auth.roleNames().map((name) => {
    // The root role permits everything, whatever it has been granted.
    const permissions = name === ROOT ? [] : (auth.role(name) ?? []);
    return entry(name, encodeRole(name, permissions));
  });
}

export function userEntries(auth: Auth): Entry[] {
  return auth.userNames().flatMap((name) => {
    const user = auth.user(name);
    return user === null ? [] : [entry(name, encodeUser(user))];
  });
}

export function clusterEntries(): Entry[] {
  return [entry(CLUSTER_VERSION, Buffer.from(BACKUP_VERSION))];
}

export function memberEntries({ memberId, name, peerUrls, clientUrls }: BackupMember): Entry[] {
  const rest = JSON.stringify({ peerURLs: peerUrls, name, clientURLs: clientUrls }).slice(1);
  // The id may be beyond what JSON.stringify writes exactly.
  return [entry(memberId.toString(16).padStart(16, "0"), Buffer.from(`{"id":${memberId},${rest}`))];
}

export function metaEntries({ memberId, term, index }: BackupMember, compactRevision: number): Entry[] {
  const compaction = revisionBytes(Math.max(0, compactRevision));
  const isCompacted = compactRevision > 0;
  return [
    entry(CONF_STATE, Buffer.from(`{"voters":[${memberId}],"auto_leave":false}`)),
    entry(CONSISTENT_INDEX, uint64(index)),
    ...(isCompacted ? [entry(FINISHED_COMPACTION, compaction), entry(SCHEDULED_COMPACTION, compaction)] : []),
    entry(STORAGE_VERSION, Buffer.from(BACKUP_VERSION)),
    entry(TERM, uint64(term)),
  ];
}

/**
 * It has its whole TTL again after a restore, as in etcd's own backups. etcd could be told what is left of it, but as long as
 * lease checkpoints are switched off, which they are by default, it would then renew it for that long and no longer, for ever.
 */
export function leaseEntry(id: bigint, ttl: number): Entry {
  const key = Buffer.alloc(8);
  key.writeBigInt64BE(id);
  writer.reset();
  writer.int64Field(0x10, ttl);
  writer.idField(0x08, id);
  return [key, writer.copy()];
}

/**
 * A password goes as it is kept. Those of versions before bcrypt begin as none of its texts does: etcd refuses whoever comes with
 * a password for such a user until it is given another one, and an import here knows it again.
 */
function encodeUser({ name, passwordHash, roles }: User): Buffer {
  writer.reset();
  const mark = writer.length;
  writer.boolField(0x08, passwordHash === null);
  // The options are there even when they are empty.
  writer.nested(0x22, mark);
  for (const role of roles.toReversed()) writer.presentBytesField(0x1a, Buffer.from(role));
  writer.stringField(0x12, passwordHash ?? "");
  writer.stringField(0x0a, name);
  return writer.copy();
}

function encodeRole(name: string, permissions: readonly Permission[]): Buffer {
  writer.reset();
  for (const { permType, key, rangeEnd } of permissions.toReversed()) {
    const mark = writer.length;
    writer.bytesField(0x1a, rangeEnd);
    writer.bytesField(0x12, key);
    writer.int64Field(0x08, permType);
    writer.nested(0x12, mark);
  }
  writer.stringField(0x0a, name);
  return writer.copy();
}

function entry(key: string, value: Buffer): Entry {
  return [Buffer.from(key), value];
}

const writer = new Writer();
