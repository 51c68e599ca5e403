/** Changes a mark of version 1, as a trim of programs that wrote it did. */
import { crc32 } from "node:zlib";

export function oldestNumberIs(mark: Buffer, number: number, position: number): void {
  for (const offset of [4096, 8192]) {
    const slot = mark.subarray(offset, offset + 80);
    if (slot.readUInt32LE(12) === 0) continue;
    slot.writeBigUInt64LE(BigInt(number), 24);
    slot.writeBigUInt64LE(BigInt(position), 32);
    slot.writeUInt32LE(crc32(slot.subarray(0, 76)), 76);
  }
}
