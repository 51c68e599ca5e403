/** A reader's place in a log. It checks every frame again, and has a file of its own: no writer or trim disturbs it. */
import type { DiskFile } from "./disk.ts";
import type { DirectoryLog } from "./directory-log.ts";
import { FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "../frame.ts";
import { FrameScanner } from "./frame-scanner.ts";
import type { JournalRecord } from "../journal.ts";
import { corrupt, ioError, trimmed } from "../journal-errors.ts";
import { CURSOR_READ_BYTES } from "../limits.ts";
import type { Segment } from "./segment.ts";

export class LogCursor {
  readonly #log: DirectoryLog;
  /** Position of the record to be read next. */
  #position: number;

  #segment: Segment | null = null;
  #file: DiskFile | null = null;
  #scanner: FrameScanner | null = null;

  /** What is left of the frame the scanner is at: the next record's offset in its bytes, and its position. */
  #recordStart = 0;
  #recordPosition = 1;
  #recordsEnd = 0;

  /** @throws JournalError `ERR_TRIMMED` when the log does not reach back to `position` */
  constructor(log: DirectoryLog, position: number) {
    if (position < log.firstPosition) throw trimmed(position, log.firstPosition);
    this.#log = log;
    this.#position = position;
  }

  /** The next record when it lies at hand and not behind `last`; null: call `load`. */
  take(last: number): JournalRecord | null {
    while (this.#recordStart < this.#recordsEnd && this.#position <= last) {
      const { bytes } = this.#scanner as FrameScanner;
      const start = this.#recordStart + RECORD_HEADER_BYTES;
      const end = start + bytes.readUInt32LE(this.#recordStart);
      const position = this.#recordPosition;
      this.#recordStart = end;
      this.#recordPosition++;
      if (position < this.#position) continue;
      this.#position = position + 1;
      return { position, bytes: bytes.subarray(start, end) };
    }
    return null;
  }

  /**
   * Reads on, so that `take` has records; `last` must be durable. False when the cursor is behind `last`.
   *
   * @throws JournalError `ERR_TRIMMED`, `ERR_JOURNAL_CORRUPT`, `ERR_JOURNAL_IO`
   */
  async load(last: number): Promise<boolean> {
    if (this.#position > last) return false;
    do await this.#nextFrame();
    while (this.#recordStart === this.#recordsEnd);
    return true;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  /** Moves to the next frame that has records, in whichever segment it is. */
  async #nextFrame(): Promise<void> {
    const { firstPosition } = this.#log;
    const segment = this.#segment ?? this.#segmentOf(this.#position);
    const scanner = this.#scanner ?? (await this.#open(segment));
    scanner.end = segment.end;
    while (!scanner.next()) {
      if (await scanner.fill()) continue;
      if (scanner.offset !== segment.end) {
        throw corrupt(segment.path, scanner.offset, `an intact frame with record ${scanner.lastPosition + 1} was here`);
      }
      const successor = this.#log.successor(segment);
      if (successor === null || successor.number !== segment.number + 1) throw trimmed(this.#position, firstPosition);
      await this.close();
      this.#scanner = null;
      this.#segment = successor;
      return;
    }
    this.#recordStart = scanner.frameStart + FRAME_HEADER_BYTES;
    this.#recordsEnd = scanner.frameStart + scanner.frame.length;
    this.#recordPosition = scanner.frame.previousPosition + 1;
  }

  #segmentOf(position: number): Segment {
    const segment = this.#log.segments.findLast((candidate) => candidate.firstPosition <= position);
    if (segment === undefined) throw trimmed(position, this.#log.firstPosition);
    return segment;
  }

  async #open(segment: Segment): Promise<FrameScanner> {
    try {
      this.#file = await this.#log.openForReading(segment);
    } catch (error) {
      // Trimmed between the look at the list and the open.
      if (!this.#log.segments.includes(segment)) throw trimmed(this.#position, this.#log.firstPosition);
      throw ioError(segment.path, "opening the segment", error);
    }
    this.#segment = segment;
    this.#scanner = new FrameScanner(this.#file, segment, segment.end, CURSOR_READ_BYTES);
    return this.#scanner;
  }
}
