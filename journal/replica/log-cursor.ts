/** A reader's place in a log. It checks every frame again, and has a file of its own: no writer or trim disturbs it. */
import assert from "node:assert/strict";
import type { DiskFile } from "./disk.ts";
import type { DirectoryLog } from "./directory-log.ts";
import { FrameScanner } from "./frame-scanner.ts";
import type { RecordRun } from "../journal.ts";
import { FrameRun } from "./frame-run.ts";
import { corrupt, ioError, trimmed } from "../journal-errors.ts";
import { CURSOR_READ_BYTES } from "../limits.ts";
import { isUnreadable } from "./patient-file.ts";
import { readAhead } from "./read-ahead-file.ts";
import type { Segment } from "./segment.ts";

export class LogCursor {
  readonly #log: DirectoryLog;
  /** Position of the record to be read next. */
  #position: number;

  #segment: Segment | null = null;
  #file: DiskFile | null = null;
  #scanner: FrameScanner | null = null;

  /** Whether the frame that the scanner is at may have records from `#position` on. */
  #hasFrame = false;
  readonly #run = new FrameRun();
  /** Of the log when the scanner read last: what it has in memory since an earlier cut may not be the log's any more. */
  #cuts: number;

  /** @throws JournalError `ERR_TRIMMED` when the log does not reach back to `position` */
  constructor(log: DirectoryLog, position: number) {
    if (position < log.firstPosition) throw trimmed(position, log.firstPosition);
    this.#log = log;
    this.#position = position;
    this.#cuts = log.cuts;
  }

  /** Of the record to be read next. */
  get position(): number {
    return this.#position;
  }

  /** Position of the last record that the log has durably. */
  get lastPosition(): number {
    return this.#log.lastPosition;
  }

  /** The next records when they lie in memory, as far as they are not behind `last`; null: call `load`. */
  take(last: number): RecordRun | null {
    if (this.#position > last) return null;
    if (this.#cuts !== this.#log.cuts) return null;
    while (!this.#hasFrame) if (!this.#advance()) return null;
    const scanner = this.#scanner as FrameScanner;
    const { frame } = scanner;
    const run = this.#run;
    run.set(scanner.bytes, scanner.frameStart, frame, this.#position, last);
    assert(run.first === this.#position, "each record is read once, in order");
    this.#pass(run, last);
    // A journal written at leisure has a frame for each record: those that were read together come together.
    while (!this.#hasFrame && this.#position <= last && this.#advance()) {
      if (!this.#hasFrame) continue;
      run.add(scanner.frameStart, frame, last);
      this.#pass(run, last);
    }
    return run;
  }

  /**
   * Reads on, so that `take` has records; `last` must be durable. False when the cursor is behind `last`.
   *
   * @throws JournalError `ERR_TRIMMED`, `ERR_JOURNAL_CORRUPT`, `ERR_JOURNAL_IO`
   */
  async load(last: number): Promise<boolean> {
    assert(last <= this.#log.lastPosition, "only what is durable is read");
    if (this.#position > last) return false;
    if (this.#cuts !== this.#log.cuts) await this.#beginAgain();
    while (!this.#hasFrame) if (!this.#advance()) await this.#readOn();
    return true;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  /** The run has the records before this place. */
  #pass(run: RecordRun, last: number): void {
    this.#position = run.first + run.count;
    assert(this.#position <= last + 1, "nothing is read behind the last that was asked for");
    this.#hasFrame = this.#position <= (this.#scanner as FrameScanner).frame.lastPosition;
  }

  /** Forgets what was read ahead. */
  async #beginAgain(): Promise<void> {
    this.#cuts = this.#log.cuts;
    this.#hasFrame = false;
    this.#scanner = null;
    this.#segment = null;
    await this.close();
  }

  /** Moves to the next frame as far as it lies in memory. Frames before the position are passed over. */
  #advance(): boolean {
    const scanner = this.#scanner;
    if (scanner === null || !scanner.next()) return false;
    this.#hasFrame = scanner.frame.lastPosition >= this.#position;
    return true;
  }

  /** Reads the next bytes, in whichever segment they are. */
  async #readOn(): Promise<void> {
    const { firstPosition } = this.#log;
    const segment = this.#segment ?? this.#segmentOf(this.#position);
    const scanner = this.#scanner ?? (await this.#open(segment));
    scanner.end = segment.end;
    if (await this.#fill(scanner, segment)) return;
    if (scanner.offset !== segment.end) {
      this.#log.onDamaged(segment);
      throw corrupt(segment.path, scanner.offset, `an intact frame with record ${scanner.lastPosition + 1} was here`);
    }
    const successor = this.#log.successor(segment);
    if (successor === null || successor.number !== segment.number + 1) throw trimmed(this.#position, firstPosition);
    assert(scanner.lastIndex === segment.lastIndex, "a segment's frames end with its last one");
    assert(successor.firstIndex === segment.lastIndex + 1, "a segment begins behind the frame before it");
    await this.close();
    this.#scanner = null;
    this.#segment = successor;
  }

  async #fill(scanner: FrameScanner, segment: Segment): Promise<boolean> {
    try {
      return await scanner.fill();
    } catch (error) {
      if (isUnreadable(error)) this.#log.onDamaged(segment);
      throw ioError(segment.path, "reading the segment", error);
    }
  }

  #segmentOf(position: number): Segment {
    const segment = this.#log.segments.findLast((candidate) => candidate.firstPosition <= position);
    if (segment === undefined) throw trimmed(position, this.#log.firstPosition);
    return segment;
  }

  async #open(segment: Segment): Promise<FrameScanner> {
    const { end } = segment;
    try {
      const file = await this.#log.openForReading(segment);
      this.#file = readAhead(file, CURSOR_READ_BYTES, end) ?? file;
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
