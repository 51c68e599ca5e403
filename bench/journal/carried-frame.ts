/** Frames as far as their carriers know them, with a checksum that costs what a frame's does; and the journal they are of. */
import { crc32 } from "node:zlib";
import { FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "../../journal/frame.ts";
import type { JournalIdentity } from "../../journal/quorum/greeting.ts";

export const IDENTITY: JournalIdentity = { clusterId: Buffer.alloc(16, 1), salt: 1 };

export function makeFrame(records: number, recordBytes: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + records * (RECORD_HEADER_BYTES + recordBytes), 0x5a);
  frame.writeUInt32LE(frame.length, 0);
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4);
  return frame;
}

export function isIntact(frame: Buffer): boolean {
  return frame.readUInt32LE(4) === crc32(frame.subarray(8));
}
