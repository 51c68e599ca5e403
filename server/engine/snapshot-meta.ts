/**
 * The facts of a snapshot as plain values that can be packed and handed to another thread, and back. What was read is looked at
 * before it is used: it has its checksums, but may be of another version of this code.
 */
import { Buffer } from "node:buffer";
import type { KeyspaceFacts } from "../../partitions/state/keyspace-facts.ts";
import type { SnapshotFacts } from "./snapshots.ts";

/** Of what is written here. Another one is refused by name. */
export const SNAPSHOT_META_FORMAT = 1;

interface PackedKeyspace extends Omit<KeyspaceFacts, "leaseIds" | "leaseTtls"> {
  /** Bytes of numbers of 8 bytes each, little endian. */
  readonly leaseIds: Uint8Array;
  readonly leaseTtls: Uint8Array;
}

export interface SnapshotMeta {
  readonly format: number;
  readonly takenAtMs: number;
  readonly keyspace: PackedKeyspace;
}

export function packMeta({ takenAtMs, keyspace }: SnapshotFacts): SnapshotMeta {
  const { leaseIds, leaseTtls } = keyspace;
  return {
    format: SNAPSHOT_META_FORMAT,
    takenAtMs,
    keyspace: { ...keyspace, leaseIds: bytesOf(leaseIds), leaseTtls: bytesOf(leaseTtls) },
  };
}

/** Null where it is of another format. */
export function unpackMeta(position: number, meta: unknown): SnapshotFacts | null {
  // Cast: what has the format has these fields.
  const { format, takenAtMs, keyspace } = meta as SnapshotMeta;
  if (format !== SNAPSHOT_META_FORMAT) return null;
  const { auth, leaseIds, leaseTtls } = keyspace;
  const roles = auth.roles.map(({ name, permissions }) => ({
    name,
    permissions: permissions.map((permission) => ({
      ...permission,
      key: Buffer.from(permission.key),
      rangeEnd: Buffer.from(permission.rangeEnd),
    })),
  }));
  return {
    position,
    takenAtMs,
    keyspace: {
      ...keyspace,
      auth: { ...auth, roles },
      leaseIds: new BigInt64Array(memoryOf(leaseIds)),
      leaseTtls: new Float64Array(memoryOf(leaseTtls)),
    },
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: BigInt64Array | Float64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Of its own: numbers begin at multiples of their length. */
function memoryOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
