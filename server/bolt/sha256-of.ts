/** The SHA-256 of what a file begins with, as etcd has it behind a backup. It blocks: for what has a process or a thread of its own. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { ByteSource } from "./byte-source.ts";

export const SHA256_BYTES = 32;

const READ_BYTES = 1024 * 1024;

/** @param bytes how many of it count */
export function sha256Of(source: ByteSource, bytes: number): Buffer {
  const hash = createHash("sha256");
  const memory = Buffer.allocUnsafe(READ_BYTES);
  for (let at = 0; at < bytes; at += READ_BYTES) {
    const piece = memory.subarray(0, Math.min(READ_BYTES, bytes - at));
    source.read(piece, at);
    hash.update(piece);
  }
  return hash.digest();
}
