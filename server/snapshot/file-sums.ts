/**
 * Checksums of a file by plain reads. LMDB maps its file and believes it: one that is cut off, or another one, would end
 * the process. So nobody gives it a file that was not read and found to be what was written.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { SUM_BYTES } from "./limits.ts";
import { corrupt, ioError } from "./snapshot-error.ts";
import { sumsOf } from "./snapshot-mark.ts";
import type { SnapshotMark } from "./snapshot-mark.ts";

/** Told of each part that was read; it may wait, or throw to end it. */
export type OnRead = (bytes: number) => void;

export interface FileSums {
  readonly bytes: number;
  readonly sums: Uint32Array;
}

export function sumFile(path: string, onRead: OnRead): FileSums {
  return withFile(path, (fd) => {
    const bytes = fstatSync(fd).size;
    const sums = new Uint32Array(sumsOf(bytes));
    eachSum(fd, bytes, onRead, (index, sum) => {
      sums[index] = sum;
    });
    return { bytes, sums };
  });
}

/** @throws SnapshotError `ERR_SNAPSHOT_CORRUPT` where a byte is not what the mark says, with the place of the first */
export function checkFile(path: string, mark: SnapshotMark, onRead: OnRead): void {
  const { fileBytes } = mark.info;
  withFile(path, (fd) => {
    const { size } = fstatSync(fd);
    if (size !== fileBytes)
      throw corrupt(path, "as a whole", `it has ${size} bytes, and was completed with ${fileBytes}`);
    eachSum(fd, fileBytes, onRead, (index, sum) => {
      if (sum === mark.sums[index]) return;
      const from = index * SUM_BYTES;
      throw corrupt(
        path,
        `between offsets ${from} and ${Math.min(from + SUM_BYTES, fileBytes)}`,
        "its checksum is wrong",
      );
    });
  });
}

function eachSum(fd: number, bytes: number, onRead: OnRead, onSum: (index: number, sum: number) => void): void {
  const buffer = Buffer.allocUnsafeSlow(Math.min(SUM_BYTES, bytes));
  for (let index = 0; index < sumsOf(bytes); index++) {
    const from = index * SUM_BYTES;
    const length = Math.min(SUM_BYTES, bytes - from);
    let read = 0;
    while (read < length) {
      const count = readSync(fd, buffer, read, length - read, from + read);
      if (count === 0) break;
      read += count;
    }
    // Where it has become shorter meanwhile the sum is of less, and wrong.
    onSum(index, crc32(buffer.subarray(0, read)));
    onRead(read);
  }
}

function withFile<T>(path: string, use: (fd: number) => T): T {
  let fd: number | null = null;
  try {
    fd = openSync(path, "r");
    return use(fd);
  } catch (error) {
    throw ioError(path, "reading", error);
  } finally {
    if (fd !== null) closeSync(fd);
  }
}
