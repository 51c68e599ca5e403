/**
 * Which replicas a journal has: lists, and the body of the frames that change them. Integers are little-endian.
 *
 *   offset  size  field
 *        0     4  count      of members, 1 to 5
 *        4     4  zero
 *        8    40  a member: zone (32 bytes, filled up with zeros), replicaId (8); so many times
 */
import assert from "node:assert/strict";
import type { FrameHeader } from "../frame.ts";
import { FRAME_HEADER_BYTES, KIND_CONFIGURATION, readUint64, writeUint64 } from "../frame.ts";
import type { Member } from "./facts.ts";
import { MEMBERS_MAX } from "./facts.ts";

/** A list of replicas. */
export interface Configuration {
  /** Of the frame that it comes from; 0 of the one that the journal was formed with. */
  readonly index: number;
  readonly members: readonly Member[];
}

/** What the log of a replica tells of who counts. */
export interface Membership {
  /** The newest list that is known to be committed; without members where none is. */
  readonly known: Configuration;
  /** One behind it, of which that is not known. */
  readonly next: Configuration | null;
}

export const MEMBER_BYTES = 40;
const ZONE_BYTES = 32;
const ZONE_PATTERN = /^[a-z0-9-]{1,32}$/;
const MEMBERS_OFFSET = 8;

export function encodeConfiguration(members: readonly Member[]): Buffer {
  assert(members.length >= 1 && members.length <= MEMBERS_MAX, "a journal has a replica, and not too many");
  const body = Buffer.alloc(MEMBERS_OFFSET + members.length * MEMBER_BYTES);
  body.writeUInt32LE(members.length, 0);
  encodeMembers(body, MEMBERS_OFFSET, members);
  return body;
}

/** Of an intact frame that begins at `start`; null when it is none of this kind. */
export function configurationIn(bytes: Buffer, start: number, { kind, index }: FrameHeader): Configuration | null {
  if (kind !== KIND_CONFIGURATION) return null;
  const body = start + FRAME_HEADER_BYTES;
  const count = bytes.readUInt32LE(body);
  assert(count >= 1 && count <= MEMBERS_MAX, "a list that was sealed has members");
  return { index, members: decodeMembers(bytes, body + MEMBERS_OFFSET, count) };
}

export function encodeMembers(bytes: Buffer, start: number, members: readonly Member[]): void {
  for (const [i, { zone, replicaId }] of members.entries()) {
    assert(ZONE_PATTERN.test(zone), "a zone's name is short and plain");
    const offset = start + i * MEMBER_BYTES;
    bytes.write(zone, offset, "latin1");
    writeUint64(bytes, replicaId, offset + ZONE_BYTES);
  }
}

export function decodeMembers(bytes: Buffer, start: number, count: number): Member[] {
  return Array.from({ length: count }, (_, i) => {
    const offset = start + i * MEMBER_BYTES;
    const zone = bytes.toString("latin1", offset, offset + ZONE_BYTES).replace(/\0+$/, "");
    return { zone, replicaId: readUint64(bytes, offset + ZONE_BYTES) };
  });
}

/** Whether a list has this replica, wherever it is. */
export function lists({ members }: Configuration, replicaId: number): boolean {
  return members.some((member) => member.replicaId === replicaId);
}
