/** Which journal a directory is of that cannot be opened, as it is damaged: each of its segments tells. */
import { join } from "node:path";
import { JournalError } from "../journal.ts";
import type { Disk } from "./disk.ts";
import { readFully } from "./disk.ts";
import { readMark } from "./mark.ts";
import type { SegmentHeader } from "./segment.ts";
import { decodeSegmentHeader, isSegmentName, SEGMENT_HEADER_BYTES } from "./segment.ts";

/** As the first segment says that can be read, or the mark of a log that is being begun anew; null when neither does. */
export async function identityOf(
  disk: Disk,
  directory: string,
): Promise<Pick<SegmentHeader, "clusterId" | "salt"> | null> {
  const block = Buffer.alloc(SEGMENT_HEADER_BYTES);
  for (const name of (await disk.list(directory)).filter(isSegmentName).toSorted()) {
    const path = join(directory, name);
    const file = await disk.openForReading(path);
    try {
      const count = await readFully(file, block, SEGMENT_HEADER_BYTES, 0);
      return decodeSegmentHeader(block.subarray(0, count), path);
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
    } finally {
      await file.close();
    }
  }
  const { salt, begunAnew } = await readMark(disk, directory);
  return begunAnew === null ? null : { salt, clusterId: begunAnew.clusterId };
}
