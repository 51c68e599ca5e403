/**
 * Walks a whole journal directory that no process has open, and changes nothing. It goes its own way over the bytes, a
 * file at a time, so that tests can hold what an open finds against it.
 *
 * Damage, which is what a disk did, is an error with file and offset, as an open gives it. What lies in intact frames
 * was written by this program: where that contradicts the format, an invariant was broken before it was written, and the
 * walk asserts.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Disk } from "./disk.ts";
import { readFully } from "./disk.ts";
import { FrameHeader, KIND_BARRIER, readFrame } from "../frame.ts";
import type { JournalError } from "../journal.ts";
import { corrupt, ioError } from "../journal-errors.ts";
import { FRAME_BYTES_SOFT } from "../limits.ts";
import { laterFrame } from "./later-frame.ts";
import type { LogEnd } from "./log-end.ts";
import { continues } from "./log-end.ts";
import type { BegunAnew, Extent } from "./mark.ts";
import { readMark } from "./mark.ts";
import type { Segment } from "./segment.ts";
import { decodeSegmentHeader, emptySegment, isSegmentName, SEGMENT_HEADER_BYTES } from "./segment.ts";
import { checkPlace } from "./segment-place.ts";
import { missingBeginning, missingEnd, missingSegment, refuse } from "./wholeness.ts";

export interface DirectoryContents {
  /** Oldest first; empty in a new directory. */
  readonly segments: readonly Segment[];
  /** Position of the first record kept; 1 in a new directory. */
  readonly firstPosition: number;
  readonly lastIndex: number;
  readonly lastPosition: number;
  /** Of the last intact frame. */
  readonly lastEpoch: number;
  /** Highest committed index that a frame tells of, or the mark. */
  readonly committed: number;
  readonly frames: number;
  /** What the next open will cut: bytes from the last intact frame to the last that is not zero. */
  readonly tornBytes: number;
}

/**
 * @param onProgress told behind each segment how many of them have been looked at, and of how many
 * @throws JournalError `ERR_JOURNAL_CORRUPT`, `ERR_JOURNAL_FORMAT` and `ERR_JOURNAL_IO` as an open does
 * @throws AssertionError for intact frames that no correct writer leaves
 */
export async function verifyDirectory(
  disk: Disk,
  directory: string,
  onProgress: (verified: number, of: number) => void = () => undefined,
): Promise<DirectoryContents> {
  try {
    const names = (await disk.list(directory)).filter(isSegmentName).toSorted();
    const marked = await readMark(disk, directory);
    if (marked.begunAnew !== null) return begunContents(marked, marked.begunAnew);
    const walk = new Walk(directory, marked);
    if (names.length === 0) walk.takeNone();
    for (const [index, name] of names.entries()) {
      const path = join(directory, name);
      walk.takeSegment(path, await readFile(disk, path), name === names.at(-1));
      onProgress(index + 1, names.length);
    }
    return walk.contents;
  } catch (error) {
    throw ioError(directory, "verifying the journal", error);
  }
}

/** Whatever segments there are, the next open goes on with a log that has no frame. */
function begunContents(
  { lastIndex, lastPosition, committed }: Extent,
  { previousEpoch: lastEpoch }: BegunAnew,
): DirectoryContents {
  const end = { lastIndex, lastPosition, lastEpoch };
  return { segments: [], firstPosition: lastPosition + 1, ...end, committed, frames: 0, tornBytes: 0 };
}

async function readFile(disk: Disk, path: string): Promise<Buffer> {
  const file = await disk.openForReading(path);
  try {
    const { bytes: size } = await file.size();
    const bytes = Buffer.allocUnsafeSlow(size);
    return bytes.subarray(0, await readFully(file, bytes, size, 0));
  } finally {
    await file.close();
  }
}

/** What the segments taken so far hold. */
class Walk {
  readonly #directory: string;
  readonly #marked: Extent;
  readonly #segments: Segment[] = [];
  readonly #frame = new FrameHeader();
  #end: LogEnd = { lastIndex: 0, lastPosition: 0, lastEpoch: 0 };
  /** Of the current epoch. */
  #epochCommitted = 0;
  #epochHasEnded = false;
  #committed = 0;
  #frames = 0;
  #tornBytes = 0;
  /**
   * That the last segment has bytes behind its frames. Where the next one follows on these, nobody reads them: an end was taken
   * back, and its disk has kept what the page cache had not.
   */
  #damage: JournalError | null = null;

  constructor(directory: string, marked: Extent) {
    this.#directory = directory;
    this.#marked = marked;
  }

  get contents(): DirectoryContents {
    const segments = this.#segments;
    const firstPosition = segments.length === 0 ? 1 : segments[0].firstPosition;
    const { lastIndex, lastPosition } = this.#end;
    assert(firstPosition <= lastPosition + 1, "the first record kept is one that there is, or the next");
    assert(this.#committed <= lastIndex, "frames carry the commits of earlier frames only");
    return {
      segments,
      firstPosition,
      ...this.#end,
      committed: Math.max(this.#committed, this.#marked.committed),
      frames: this.#frames,
      tornBytes: this.#tornBytes,
    };
  }

  takeNone(): void {
    refuse(missingBeginning(this.#directory, undefined, this.#marked));
  }

  takeSegment(path: string, bytes: Buffer, isLast: boolean): void {
    const segment = emptySegment(decodeSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES), path), path);
    const before = this.#segments.at(-1);
    try {
      checkPlace(segment, before, this.#end, null);
    } catch (error) {
      throw this.#damage ?? error;
    }
    if (before === undefined) refuse(missingBeginning(this.#directory, segment, this.#marked));
    if (isLast) refuse(missingSegment(this.#directory, segment, this.#marked));
    if (before === undefined) this.#end = { ...endOf(segment), lastEpoch: segment.previousEpoch };
    this.#segments.push(segment);
    while (this.#takeFrame(bytes, segment));
    this.#checkRest(bytes.subarray(segment.end), segment, isLast);
    if (isLast) refuse(missingEnd(segment, this.#marked));
  }

  /** Moves behind the next frame; false when the bytes there are not the frame that must follow. */
  #takeFrame(bytes: Buffer, segment: Segment): boolean {
    const frame = this.#frame;
    if (!readFrame(bytes, segment.end, bytes.length, segment.salt, frame)) return false;
    if (!continues(frame, this.#end)) return false;
    this.#checkReign(frame);
    segment.end += frame.length;
    segment.lastIndex = frame.index;
    segment.lastPosition = frame.lastPosition;
    this.#end = { ...endOf(segment), lastEpoch: frame.epoch };
    this.#frames++;
    return true;
  }

  /** A reign begins with a barrier; the only other one it has is its last frame. */
  #checkReign(frame: FrameHeader): void {
    const recordCount = frame.lastPosition - frame.previousPosition;
    if (frame.length > FRAME_BYTES_SOFT) assert(recordCount === 1, "only a single record makes a large frame");
    if (frame.epoch > this.#end.lastEpoch) {
      assert(frame.kind === KIND_BARRIER, "an epoch begins with a barrier");
      this.#epochHasEnded = false;
    } else {
      assert(!this.#epochHasEnded, "no frame follows the barrier that ends its epoch");
      assert(frame.committed >= this.#epochCommitted, "the committed index does not go back");
      this.#epochHasEnded = frame.kind === KIND_BARRIER;
    }
    this.#epochCommitted = frame.committed;
    this.#committed = Math.max(this.#committed, frame.committed);
  }

  #checkRest(rest: Buffer, segment: Segment, isLast: boolean): void {
    this.#damage = null;
    let length = rest.length;
    while (length > 0 && rest[length - 1] === 0) length--;
    if (length === 0) return;
    if (!isLast) {
      this.#damage = corrupt(
        segment.path,
        segment.end,
        "these bytes are no frame, and the next segment does not follow",
      );
      return;
    }
    const refusal = laterFrame(rest, segment, this.#end);
    if (refusal !== null) throw refusal;
    this.#tornBytes = length;
  }
}

function endOf({ lastIndex, lastPosition }: Segment): { readonly lastIndex: number; readonly lastPosition: number } {
  return { lastIndex, lastPosition };
}
