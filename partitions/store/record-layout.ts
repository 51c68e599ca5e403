/**
 * A record is one version of a key: its encoded kv with a header in front. Little endian:
 *
 *     offset  bytes
 *        0      4    ref of the version before this one, 0 when there is none
 *        4      4    ref of the version after it, 0 for the newest
 *        8      4    slot of the key
 *       12      4    index in the change log of its partition, mod 2^32
 *       16      8    mod revision, a float
 *       24      4    length of the encoded kv
 *       28      4    sub-revision
 *       32      4    length of the key
 *       36      2    partition
 *       38      1    where the key begins in the encoded kv
 *       39      1    flags: 1 tombstone, 2 creation, 4 has a lease, 8 dead
 *       40           the encoded kv, then up to 15 bytes of anything
 *
 * Records begin at multiples of 16 and follow one another in their block without gaps. All else of a version is read from its
 * encoded kv, which is never altered.
 */

/**
 * What of a header is the version's own and the same wherever it lies: from MOD_REVISION on, but the partition, and of the flags
 * whether it is dead. That and the encoded kv are the version's image, which snapshots keep (docs/snapshot-format.md).
 */
export const IMAGE_HEADER_BYTES = 24;

export const PREVIOUS = 0;
export const NEXT = 4;
export const SLOT = 8;
export const SEQ = 12;
export const MOD_REVISION = 16;
export const KV_BYTES = 24;
export const SUB_REVISION = 28;
export const KEY_BYTES = 32;
export const PARTITION = 36;
export const KEY_OFFSET = 38;
export const FLAGS = 39;
export const HEADER_BYTES = 40;

export const TOMBSTONE = 1;
export const CREATION = 2;
export const LEASED = 4;
export const DEAD = 8;

export const UNIT_BITS = 4;
export const UNIT_BYTES = 1 << UNIT_BITS;

/** A header's partition is below it. */
export const PARTITIONS_MAX = 2 ** 16;

/** Of an image: another version of the key of the one before it, next older. */
export const OLDER = 128;

/** How far it is to the next record. */
export function recordBytes(kvBytes: number): number {
  return (HEADER_BYTES + kvBytes + UNIT_BYTES - 1) & -UNIT_BYTES;
}
