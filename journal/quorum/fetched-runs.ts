/** Records read from replicas over their links, frame by frame, from one that has them to the next. */
import assert from "node:assert/strict";
import { FrameHeader, parseFrameHeader } from "../frame.ts";
import type { RecordRun } from "../journal.ts";
import { noQuorum, trimmed } from "../journal-errors.ts";
import { FrameRun } from "../replica/frame-run.ts";
import type { FetchedAnswer } from "../replica/messages.ts";

/** Frames from that index on, as many as one answer takes, of whoever has them; null when nobody answers. */
export type FetchFrames = (from: number) => Promise<FetchedAnswer | null>;

/** A frame and the last record up to it: where a reader may begin. */
export interface ReadPlace {
  readonly index: number;
  readonly position: number;
}

/**
 * @param after a frame before the one with the first record that is asked for; the further back, the more is passed over
 * @throws JournalError `ERR_JOURNAL_NO_QUORUM`, `ERR_TRIMMED`
 */
export async function* fetchRuns(
  fetch: FetchFrames,
  after: ReadPlace,
  position: number,
  last: number,
  onPlace: (place: ReadPlace) => void,
): AsyncGenerator<RecordRun, void, undefined> {
  const header = new FrameHeader();
  const run = new FrameRun();
  let index = after.index + 1;
  let next = position;
  while (next <= last) {
    const answer = await fetch(index);
    if (answer === null) throw noQuorum("the records cannot be read");
    // What lies before the first record that is asked for may have been trimmed since.
    if (answer.first > index) {
      index = answer.first;
      continue;
    }
    assert(answer.frames.length > 0, "who has a frame has those before it");
    for (const frame of answer.frames) {
      parseFrameHeader(frame, header);
      assert(header.index === index, "frames are read one behind the other");
      if (header.previousPosition >= next) throw trimmed(next, header.previousPosition + 1);
      index++;
      const { lastPosition } = header;
      if (lastPosition >= next && header.previousPosition < last) {
        run.set(frame, 0, header, next, last);
        next += run.count;
        yield run;
      }
      if (lastPosition <= last) onPlace({ index: header.index, position: lastPosition });
      if (next > last) break;
    }
  }
}
