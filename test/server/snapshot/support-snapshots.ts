/** Snapshots for the tests of server/snapshot/: written in this thread, of records that a seed tells. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHUNK_HEADER_BYTES, recordsOf } from "../../../server/snapshot/chunk.ts";
import { SnapshotFile } from "../../../server/snapshot/snapshot-file.ts";
import type { SnapshotInfo } from "../../../server/snapshot/snapshot-mark.ts";
import { SnapshotWriter } from "../../../server/snapshot/snapshot-writer.ts";

export const CLUSTER = "0123456789abcdef0123456789abcdef";

export interface TestDirectory extends Disposable {
  readonly path: string;
}

export function testDirectory(): TestDirectory {
  const path = mkdtempSync(join(tmpdir(), "snapshot-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Records of one chunk, behind room for its header. */
export function chunkOf(records: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [Buffer.alloc(CHUNK_HEADER_BYTES)];
  for (const record of records) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(record.length);
    parts.push(length, record);
  }
  return Buffer.concat(parts);
}

export function writer(directory: string, position: number): SnapshotWriter {
  const nothing = (): void => {};
  return new SnapshotWriter({
    directory,
    position,
    clusterId: CLUSTER,
    wallMs: () => 1_764_498_000_000,
    onWritten: nothing,
    onRead: nothing,
  });
}

export function writeSnapshot(
  directory: string,
  position: number,
  chunks: readonly (readonly Uint8Array[])[],
  meta: unknown = null,
): SnapshotInfo {
  const snapshot = writer(directory, position);
  for (const records of chunks) snapshot.write(chunkOf(records), records.length, records[0]);
  return snapshot.complete(meta);
}

export function openSnapshot(directory: string, position: number, clusterId = CLUSTER): SnapshotFile {
  return SnapshotFile.open({ directory, position, clusterId, onChecked: () => {} });
}

/** All its records, copied. */
export function readAll(snapshot: SnapshotFile): Buffer[] {
  const records: Buffer[] = [];
  for (const chunk of snapshot.chunks()) for (const record of recordsOf(chunk.body)) records.push(Buffer.from(record));
  return records;
}

/** Bytes that a seed tells, the same each time; as of random values, so that they do not compress. */
export function seededBytes(random: () => number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = random() * 256;
  return bytes;
}
