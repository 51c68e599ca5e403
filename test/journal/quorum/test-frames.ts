/** Frames as far as those who carry them look at them: their own length, and a checksum. What is behind that is anything. */
import { crc32 } from "node:zlib";
import { FRAME_HEADER_BYTES } from "../../../journal/frame.ts";

export function makeFrame(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + body.length);
  frame.set(body, FRAME_HEADER_BYTES);
  frame.writeUInt32LE(frame.length, 0);
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4);
  return frame;
}

export function isIntact(frame: Buffer): boolean {
  return frame.readUInt32LE(0) === frame.length && frame.readUInt32LE(4) === crc32(frame.subarray(8));
}
