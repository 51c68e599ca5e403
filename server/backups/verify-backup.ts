/** Reads a backup as etcd's tools would: its SHA-256, and every element of every bucket. It blocks: for a thread of its own. */
import { Buffer } from "node:buffer";
import { BoltFile } from "../bolt/bolt-file.ts";
import { FileBytes } from "../bolt/byte-source.ts";
import { SHA256_BYTES, sha256Of } from "../bolt/sha256-of.ts";

/** @throws Error that says what is wrong with it */
export function verifyBackup(path: string): void {
  const file = new FileBytes(path);
  try {
    const length = file.length - SHA256_BYTES;
    if (length <= 0) throw new Error(`${path} is shorter than a checksum`);
    const sum = Buffer.alloc(SHA256_BYTES);
    file.read(sum, length);
    if (!sum.equals(sha256Of(file, length))) throw new Error(`${path} has another checksum than what was written`);
    const bolt = new BoltFile({ length, read: (target, position) => file.read(target, position) });
    for (const name of bolt.bucketNames) {
      const cursor = bolt.cursor(name);
      while (cursor?.next() === true);
    }
  } finally {
    file.close();
  }
}
