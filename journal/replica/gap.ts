/**
 * Frames that a log has had and that are not intact any more, in the midst of others or at its end; and how they are put
 * back, in their own place: frames are sealed once, so the very bytes that lack here are what others have at that index.
 */
import { FrameHeader, readFrame } from "../frame.ts";
import type { JournalError } from "../journal.ts";
import { corrupt } from "../journal-errors.ts";
import type { DiskFile } from "./disk.ts";
import { writeDurably } from "./disk.ts";
import type { LogEnd } from "./log-end.ts";
import { continues } from "./log-end.ts";

export interface Gap {
  readonly path: string;
  /** Where the first frame begins that is not intact. */
  readonly offset: number;
  /** The intact frame before it. */
  readonly before: LogEnd;
  /** Index of the last frame that may lack: one behind it is intact, or it is the last that there was. */
  readonly to: number;
  /** Nothing is written from here on. */
  readonly roomEnd: number;
  /** The intact frame that begins at `roomEnd`; null when none does. */
  readonly next: FrameHeader | null;
  /** With file and offset. */
  readonly reason: JournalError;
  /** A block there could not be read, as the disk said: it may be readable again, so frames are not waited for for ever. */
  readonly unreadable?: JournalError;
}

/** Resolves to frames that are committed, from the first that lacks on, at least one, sealed with the log's salt. */
export type AskForFrames = (gap: Gap) => Promise<readonly Buffer[]>;

/**
 * Writes the frames into the gap in one write, durably, as far as they lack there and are accepted.
 *
 * @returns how many were written
 * @throws JournalError `ERR_JOURNAL_CORRUPT` when they are not what was there
 */
export async function fillGap(
  file: DiskFile,
  salt: number,
  gap: Gap,
  frames: readonly Buffer[],
  isAccepted: (header: FrameHeader) => boolean = () => true,
): Promise<number> {
  const { path, offset, roomEnd, to, next } = gap;
  const header = new FrameHeader();
  let end = gap.before;
  let count = 0;
  let length = 0;
  for (const frame of frames) {
    if (end.lastIndex === to) break;
    if (!readFrame(frame, 0, frame.length, salt, header) || header.length !== frame.length) break;
    const isNext = continues(header, end) && offset + length + frame.length <= roomEnd && isAccepted(header);
    if (!isNext) break;
    end = { lastIndex: header.index, lastPosition: header.lastPosition, lastEpoch: header.epoch };
    length += frame.length;
    count++;
  }
  const isFull = end.lastIndex === to;
  const meetsNext = next === null || !isFull || (offset + length === roomEnd && continues(next, end));
  if (count === 0 || !meetsNext) {
    throw corrupt(path, offset, `frame ${gap.before.lastIndex + 1} as other replicas have it does not fit here`);
  }
  await writeDurably(file, Buffer.concat(frames.slice(0, count)), length, offset);
  return count;
}
