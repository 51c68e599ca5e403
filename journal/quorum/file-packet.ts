/**
 * The messages of a connection for files, as bytes. Who connects asks, one thing at a time, and is answered before the next;
 * nothing else is ever sent. Integers are little-endian.
 *
 *   offset  size  field
 *        0     4  length    of the whole packet
 *        4     1  kind
 *        5     3  zeros
 *        8     8  epoch     of the reign that asks; 0 of who only reads
 *       16     8  position  of the snapshot
 *       24     8  offset    of the bytes in its file
 *       32     b  bytes
 *        …     4  crc       crc32 of all before
 *
 *   kind         bytes
 *    1 list      none; answered with the positions of those that are complete, u64 each
 *    2 mark      none; answered with the mark
 *    3 read      none; answered with the file's from the offset on: FILE_PIECE_BYTES, or what is left
 *    4 begin     the mark of a file that is to come
 *    5 write     the file's from the offset on, which is where the last ones have ended
 *    6 complete  none; answered when the file is durable and is what its mark says
 *    7 remove    none
 *   17 done      what was asked for
 *   18 refused   why, in UTF-8: another reign has been promised the replica
 *   19 failed    why, in UTF-8
 *   20 damaged   why, in UTF-8: a file is not what its mark says, or a mark is none
 *
 * In an answer epoch, position and offset are those of the question.
 */
import { crc32 } from "node:zlib";
import { readUint64, writeUint64 } from "../frame.ts";
import { FILE_PIECE_BYTES } from "../limits.ts";
import { PacketError } from "./message-codec.ts";

export const LIST = 1;
export const MARK = 2;
export const READ = 3;
export const BEGIN = 4;
export const WRITE = 5;
export const COMPLETE = 6;
export const REMOVE = 7;
export const DONE = 17;
export const REFUSED = 18;
export const FAILED = 19;
export const DAMAGED = 20;

const HEAD_BYTES = 32;
const CRC_BYTES = 4;
const LENGTH_BYTES = 4;
const POSITION_BYTES = 8;

/** A mark, or a list, is no longer than a piece of a file. */
export const FILE_PACKET_BYTES_MAX = HEAD_BYTES + FILE_PIECE_BYTES + CRC_BYTES;

export interface FilePacket {
  readonly kind: number;
  readonly epoch: number;
  readonly position: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

export function encodeFilePacket({ kind, epoch, position, offset, bytes }: FilePacket): Buffer {
  const packet = Buffer.allocUnsafeSlow(HEAD_BYTES + bytes.length + CRC_BYTES);
  if (packet.length > FILE_PACKET_BYTES_MAX)
    throw new RangeError("what is sent at once has at most the size of a piece");
  packet.fill(0, 0, HEAD_BYTES);
  packet.writeUInt32LE(packet.length, 0);
  packet[4] = kind;
  writeUint64(packet, epoch, 8);
  writeUint64(packet, position, 16);
  writeUint64(packet, offset, 24);
  bytes.copy(packet, HEAD_BYTES);
  packet.writeUInt32LE(crc32(packet.subarray(0, -CRC_BYTES)), packet.length - CRC_BYTES);
  return packet;
}

export function encodePositions(positions: readonly number[]): Buffer {
  const bytes = Buffer.alloc(positions.length * POSITION_BYTES);
  for (const [i, position] of positions.entries()) writeUint64(bytes, position, i * POSITION_BYTES);
  return bytes;
}

/** @throws PacketError */
export function decodePositions(bytes: Buffer): number[] {
  if (bytes.length % POSITION_BYTES !== 0) throw new PacketError("a list is cut off");
  return Array.from({ length: bytes.length / POSITION_BYTES }, (_, i) => wholeNumber(bytes, i * POSITION_BYTES));
}

/** Makes packets of the bytes that come, however they are cut. Behind one nothing comes before it was answered. */
export class FilePacketReader {
  #chunks: Buffer[] = [];
  #have = 0;

  /**
   * @returns null while the packet has not come whole
   * @throws PacketError
   */
  push(chunk: Buffer): FilePacket | null {
    this.#chunks.push(chunk);
    this.#have += chunk.length;
    if (this.#have < LENGTH_BYTES) return null;
    if (this.#chunks[0].length < LENGTH_BYTES) this.#chunks = [Buffer.concat(this.#chunks)];
    const length = this.#chunks[0].readUInt32LE(0);
    if (length < HEAD_BYTES + CRC_BYTES || length > FILE_PACKET_BYTES_MAX)
      throw new PacketError(`a packet of ${length} bytes is outside of the limits`);
    if (this.#have > length) throw new PacketError("something comes that was not waited for");
    if (this.#have < length) return null;
    const packet = decode(Buffer.concat(this.#chunks));
    this.#chunks = [];
    this.#have = 0;
    return packet;
  }
}

function decode(packet: Buffer): FilePacket {
  const crcOffset = packet.length - CRC_BYTES;
  if (crc32(packet.subarray(0, crcOffset)) !== packet.readUInt32LE(crcOffset))
    throw new PacketError("a packet is damaged");
  return {
    kind: packet[4],
    epoch: wholeNumber(packet, 8),
    position: wholeNumber(packet, 16),
    offset: wholeNumber(packet, 24),
    bytes: packet.subarray(HEAD_BYTES, crcOffset),
  };
}

function wholeNumber(bytes: Buffer, at: number): number {
  const value = readUint64(bytes, at);
  if (!Number.isSafeInteger(value)) throw new PacketError("a number is too large");
  return value;
}
