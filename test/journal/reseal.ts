/** Changes fields of a frame and makes its checksums right again: what no writer does, and every checker must notice. */
import { crc32 } from "node:zlib";
import type { FrameHeader } from "../../journal/frame.ts";
import { FRAME_HEADER_BYTES } from "../../journal/frame.ts";

const OFFSETS = {
  epoch: 8,
  index: 16,
  previousEpoch: 24,
  previousPosition: 32,
  lastPosition: 40,
  committed: 48,
  wallMs: 56,
};

export function reseal(frame: Buffer, changed: Partial<Omit<FrameHeader, "length" | "kind">>, salt: number): void {
  for (const [name, value] of Object.entries(changed)) {
    frame.writeBigUInt64LE(BigInt(value), OFFSETS[name as keyof typeof OFFSETS]);
  }
  frame.writeUInt32LE(crc32(frame.subarray(FRAME_HEADER_BYTES, frame.readUInt32LE(0)), salt), 64);
  frame.writeUInt32LE(crc32(frame.subarray(0, 68), salt), 68);
}
