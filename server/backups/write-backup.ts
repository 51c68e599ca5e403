/**
 * Writes a backup into a file, in slices with other work between them: the database of an etcd, and behind it the SHA-256 of all of
 * that, as `etcdctl snapshot save` leaves it.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { ChunkWriter } from "../bolt/chunk-writer.ts";
import type { Turns } from "../clock.ts";
import type { Backup } from "../etcd-backup/backup.ts";
import { SNAPSHOT_SLICE_BYTES, SNAPSHOT_SLICE_LOOKS } from "../limits.ts";

const CHUNK_BYTES = 256 * 1024;

/**
 * Resolves to the length of the file when it is durable.
 *
 * @param mayGoOn throws to end it
 */
export async function writeBackup(backup: Backup, path: string, turns: Turns, mayGoOn: () => void): Promise<number> {
  const turn = (): Promise<void> => {
    mayGoOn();
    return new Promise((resolve) => turns.later(resolve));
  };
  while (!backup.planStep(SNAPSHOT_SLICE_LOOKS, SNAPSHOT_SLICE_BYTES)) await turn();
  await using file = await open(path, "wx", 0o600);
  const hash = createHash("sha256");
  const free: Buffer[] = [];
  let made: Buffer[] = [];
  backup.begin(
    new ChunkWriter({
      next: () => free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES),
      take: (memory, bytes) => void made.push(memory.subarray(0, bytes)),
    }),
  );
  for (let isMade = false; !isMade;) {
    isMade = backup.writeStep(SNAPSHOT_SLICE_LOOKS, SNAPSHOT_SLICE_BYTES);
    for (const chunk of made) {
      hash.update(chunk);
      await file.appendFile(chunk);
      if (chunk.length === CHUNK_BYTES) free.push(chunk);
    }
    made = [];
    await turn();
  }
  backup.release();
  const sum = hash.digest();
  await file.appendFile(sum);
  await file.sync();
  return backup.bytes + sum.length;
}
