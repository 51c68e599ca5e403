/**
 * A segment's header that is damaged, made again of what is known without it: its name, what lies before it, and of the
 * first segment the mark and its first frame. Nobody else has it: segments of other replicas begin elsewhere.
 */
import { FrameHeader, FRAME_HEADER_BYTES, readFrameHeader } from "../frame.ts";
import type { DiskFile } from "./disk.ts";
import { readFully, writeDurably } from "./disk.ts";
import type { LogEnd } from "./log-end.ts";
import type { Extent } from "./mark.ts";
import type { Segment, SegmentHeader } from "./segment.ts";
import { encodeSegmentHeader, firstIndexOf, SEGMENT_HEADER_BYTES } from "./segment.ts";

/** @returns null when not enough is known */
export async function headerAgain(
  file: DiskFile,
  before: Segment | undefined,
  { lastPosition, lastEpoch }: LogEnd,
  marked: Extent,
  clusterId: string | null,
): Promise<SegmentHeader | null> {
  const firstIndex = firstIndexOf(file.path);
  if (before !== undefined) {
    const { salt, number } = before;
    const place = { firstIndex, firstPosition: lastPosition + 1, previousEpoch: lastEpoch };
    return { salt, clusterId: before.clusterId, number: number + 1, ...place };
  }
  const { salt, oldestNumber: number, oldestFirst } = marked;
  const first = await firstFrame(file, salt);
  if (first === null || first.index !== firstIndex || firstIndex !== oldestFirst || clusterId === null) return null;
  const { previousPosition, previousEpoch } = first;
  return { salt, clusterId, number, firstIndex, firstPosition: previousPosition + 1, previousEpoch };
}

export function writeHeader(file: DiskFile, header: SegmentHeader): Promise<void> {
  return writeDurably(file, encodeSegmentHeader(header), SEGMENT_HEADER_BYTES, 0);
}

async function firstFrame(file: DiskFile, salt: number): Promise<FrameHeader | null> {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
  const count = await readFully(file, bytes, bytes.length, SEGMENT_HEADER_BYTES);
  const header = new FrameHeader();
  return readFrameHeader(bytes, 0, count, salt, header) ? header : null;
}
