/**
 * Hashes of the keyspace: a function of what is retained, so that two keyspaces which executed the same requests agree.
 * Whether the removal that a compaction allows has already been done makes no difference (HK-02).
 */
import { crc32 } from "node:zlib";
import type { Auth } from "./auth.ts";
import { END_OF_KEYS } from "./interval.ts";
import type { Change, KeyHistory } from "./key-history.ts";
import type { KeyspaceState } from "./keyspace-state.ts";

/** CRC-32 over the records of all changes that are retained and not above `revision`, in key order. */
export function hashOfHistory(state: KeyspaceState, revision: number): number {
  let hash = 0;
  for (const { start, end, partition } of state.partitionMap.segments({ start: "", end: END_OF_KEYS })) {
    const cursor = partition.seek(start);
    for (let history = cursor.next(); history !== null && history.key < end; history = cursor.next()) {
      hash = hashOfKey(history, revision, state.compactRevision, hash);
    }
  }
  return hash;
}

/** The hash of the history up to now, of the compact revision, the leases, the alarms, the users and the roles. */
export function hashOfAll(state: KeyspaceState): number {
  const leases = [...state.leases.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const text = [
    `compacted ${state.compactRevision} revision ${state.revision}`,
    ...leases.map(({ id, ttl }) => `lease ${id} ${ttl}`),
    ...state.alarms.list().map(({ memberId, alarm }) => `alarm ${memberId} ${alarm}`),
    ...authLines(state.auth),
  ].join("\n");
  return crc32(text, hashOfHistory(state, state.revision));
}

function authLines(auth: Auth): string[] {
  return [
    `auth ${auth.enabled} ${auth.revision}`,
    ...auth.userNames().map((name) => `user ${JSON.stringify(auth.user(name))}`),
    ...auth.roleNames().map((name) => `role ${JSON.stringify([name, auth.role(name)])}`),
  ];
}

/**
 * Retained are the changes above the compact revision and the newest one not above it, unless that is a tombstone below
 * the compact revision (CO-04).
 */
function hashOfKey(history: KeyHistory, revision: number, compactRevision: number, hash: number): number {
  let next = hash;
  for (let change: Change | null = history.newest; change !== null; change = change.previous) {
    if (change.modRevision > compactRevision) {
      if (change.modRevision <= revision) next = crc32(change.record, next);
      continue;
    }
    const isForgotten = change.isTombstone && change.modRevision < compactRevision;
    if (!isForgotten) next = crc32(change.record, next);
    break;
  }
  return next;
}
