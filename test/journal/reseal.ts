/** Changes fields of a frame and makes its checksum right again: what no writer does, and every checker must notice. */
import { crc32 } from "node:zlib";
import type { FrameHeader } from "../../journal/frame.ts";

const OFFSETS = { epoch: 8, previousPosition: 16, previousEpoch: 24, lastPosition: 32, committed: 40 };

export function reseal(frame: Buffer, changed: Partial<Omit<FrameHeader, "length">>, salt: number): void {
  for (const [name, value] of Object.entries(changed)) {
    frame.writeBigUInt64LE(BigInt(value), OFFSETS[name as keyof typeof OFFSETS]);
  }
  frame.writeUInt32LE(crc32(frame.subarray(8, frame.readUInt32LE(0)), salt), 4);
}
