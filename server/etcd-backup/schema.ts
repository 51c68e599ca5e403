/**
 * What etcd has in its database, bucket by bucket:
 *
 *     alarm            AlarmMember                          nothing
 *     auth             authEnabled, authRevision            a byte; u64 big endian
 *     authRoles        name                                 Role
 *     authUsers        name                                 User
 *     cluster          clusterVersion                       text
 *     key              revision                             KeyValue
 *     lease            id, 8 bytes big endian               Lease
 *     members          id, 16 digits                        JSON
 *     members_removed  id, 16 digits                        "removed"
 *     meta             consistent_index, term               u64 big endian
 *                      confState                            JSON
 *                      scheduledCompactRev, finishedCompactRev   a revision; absent before the first compaction
 *                      storageVersion                       text
 *
 * A revision is 17 bytes: main, u64 big endian | "_" | sub, u64 big endian; "t" behind it where a key was deleted.
 */
import { Buffer } from "node:buffer";

export const ALARM_BUCKET = "alarm";
export const AUTH_BUCKET = "auth";
export const ROLES_BUCKET = "authRoles";
export const USERS_BUCKET = "authUsers";
export const CLUSTER_BUCKET = "cluster";
export const KEY_BUCKET = "key";
export const LEASE_BUCKET = "lease";
export const MEMBERS_BUCKET = "members";
export const REMOVED_BUCKET = "members_removed";
export const META_BUCKET = "meta";

export const AUTH_ENABLED = "authEnabled";
export const AUTH_REVISION = "authRevision";
export const CLUSTER_VERSION = "clusterVersion";
export const CONF_STATE = "confState";
export const CONSISTENT_INDEX = "consistent_index";
export const FINISHED_COMPACTION = "finishedCompactRev";
export const SCHEDULED_COMPACTION = "scheduledCompactRev";
export const STORAGE_VERSION = "storageVersion";
export const TERM = "term";

/** The versions that a backup says it is of: etcd 3.5, 3.6 and 3.7 start from it, and of 3.7.0 3.7 alone would. */
export const BACKUP_VERSION = "3.6.0";

export const REVISION_BYTES = 17;
export const TOMBSTONE_BYTES = 18;

const UNDERSCORE = 0x5f;

export function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** The revision as a whole: its first change. */
export function revisionBytes(revision: number): Buffer {
  const bytes = Buffer.alloc(REVISION_BYTES);
  bytes.writeBigUInt64BE(BigInt(revision));
  bytes[8] = UNDERSCORE;
  return bytes;
}
