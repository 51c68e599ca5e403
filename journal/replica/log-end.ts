/** Where the intact frames of a log end, and whether a frame is the one that must follow. */
import type { FrameHeader } from "../frame.ts";

/** Of the last frame; zeros where there is none. */
export interface LogEnd {
  readonly lastIndex: number;
  readonly lastPosition: number;
  readonly lastEpoch: number;
}

export function continues(frame: FrameHeader, { lastIndex, lastPosition, lastEpoch }: LogEnd): boolean {
  return frame.index === lastIndex + 1 && frame.previousPosition === lastPosition && frame.previousEpoch === lastEpoch;
}
