/** Whether a directory is that of a replica that was made. */
import type { Disk } from "./disk.ts";
import { namesIn } from "./disk.ts";
import { MARK_NAME, readMark } from "./mark.ts";
import { isSegmentName } from "./segment.ts";

/** Nothing was ever kept there: it is missing, empty, or its making was cut short before its log had a name. */
export async function isBlank(disk: Disk, directory: string): Promise<boolean> {
  const names = await namesIn(disk, directory);
  if (names.some(isSegmentName)) return false;
  return !names.includes(MARK_NAME) || (await readMark(disk, directory)).salt === 0;
}
