/** Reads a backup as etcd's tools would: its SHA-256, and every element of every bucket. It blocks: for a thread of its own. */
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { BoltFile } from "../bolt/bolt-file.ts";
import { FileBytes } from "../bolt/byte-source.ts";
import type { ByteSource } from "../bolt/byte-source.ts";

const SUM_BYTES = 32;
const PIECE_BYTES = 1024 * 1024;

/** @throws Error that says what is wrong with it */
export function verifyBackup(path: string): void {
  const file = new FileBytes(path);
  try {
    const length = file.length - SUM_BYTES;
    if (length <= 0) throw new Error(`${path} is shorter than a checksum`);
    const sum = Buffer.alloc(SUM_BYTES);
    file.read(sum, length);
    if (!sum.equals(sumOf(file, length))) throw new Error(`${path} has another checksum than what was written`);
    const bolt = new BoltFile({ length, read: (target, position) => file.read(target, position) });
    for (const name of bolt.bucketNames) {
      const cursor = bolt.cursor(name);
      while (cursor?.next() === true);
    }
  } finally {
    file.close();
  }
}

function sumOf(file: ByteSource, length: number): Buffer {
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (let at = 0; at < length; at += PIECE_BYTES) {
    const part = piece.subarray(0, Math.min(PIECE_BYTES, length - at));
    file.read(part, at);
    hash.update(part);
  }
  return hash.digest();
}
