/**
 * Reads sealed frames out of a log for another copy of it, which asks for them in order, as many as one answer takes. It
 * keeps the places where answers ended and no file, so that nobody's pause holds anything.
 */
import type { DiskFile } from "./disk.ts";
import type { FramePosition } from "./frame-scanner.ts";
import { FrameScanner, startOf } from "./frame-scanner.ts";
import { corrupt, ioError } from "../journal-errors.ts";
import { CURSOR_READ_BYTES } from "../limits.ts";
import { isUnreadable } from "./patient-file.ts";
import type { Segment } from "./segment.ts";

/** Copies that may catch up beside one another without each reading a segment from its beginning again and again. */
const PLACES_MAX = 8;

/** The log as far as it is read. */
export interface FrameSource {
  readonly segments: readonly Segment[];
  /** How often its end was taken back. */
  readonly cuts: number;
  openForReading(segment: Segment): Promise<DiskFile>;
  readonly onDamaged: (segment: Segment) => void;
}

interface Place {
  readonly segment: Segment;
  readonly position: FramePosition;
}

export class FrameReader {
  readonly #log: FrameSource;
  /** The one used last at the end. */
  #places: Place[] = [];

  constructor(log: FrameSource) {
    this.#log = log;
  }

  /**
   * Copies of the frames from `from` to `last` at most: `bytesMax` of them, or one. None when the first of them is not
   * kept, or not any more. Of frames that are cut meanwhile it gives none or all that it has read.
   *
   * @throws JournalError `ERR_JOURNAL_CORRUPT`, `ERR_JOURNAL_IO`
   */
  async read(from: number, last: number, bytesMax: number): Promise<Buffer[]> {
    const frames: Buffer[] = [];
    let left = bytesMax;
    for (let index = from; index <= last;) {
      const segment = this.#log.segments.findLast(({ firstIndex }) => firstIndex <= index);
      if (segment === undefined) break;
      const taken = await this.#readSegment(segment, index, last, left, frames.length === 0);
      frames.push(...taken);
      index += taken.length;
      for (const { length } of taken) left -= length;
      if (index <= segment.lastIndex) break;
    }
    return frames;
  }

  /** Forgets places behind a frame that is the last one now. */
  cutBehind(index: number): void {
    this.#places = this.#places.filter(({ position }) => position.lastIndex <= index);
  }

  /** Forgets all places. */
  clear(): void {
    this.#places = [];
  }

  async #readSegment(
    segment: Segment,
    from: number,
    last: number,
    bytesMax: number,
    isFirst: boolean,
  ): Promise<Buffer[]> {
    const frames: Buffer[] = [];
    const { cuts } = this.#log;
    const file = await this.#open(segment);
    if (file === null) return frames;
    try {
      const scanner = new FrameScanner(file, segment, segment.end, CURSOR_READ_BYTES, this.#takePlace(segment, from));
      let left = bytesMax;
      let position = scanner.position;
      while (await scanner.fill()) {
        while (scanner.next()) {
          const { frame, frameStart } = scanner;
          const { index, length } = frame;
          if (index < from) continue;
          if (length > left && !(isFirst && frames.length === 0)) {
            this.#keepPlace(segment, position);
            return frames;
          }
          frames.push(Buffer.from(scanner.bytes.subarray(frameStart, frameStart + length)));
          left -= length;
          position = scanner.position;
          if (index < last) continue;
          this.#keepPlace(segment, position);
          return frames;
        }
      }
      if (scanner.offset !== segment.end && cuts === this.#log.cuts) {
        this.#log.onDamaged(segment);
        // What comes before is given; who asks for the rest learns of it.
        if (frames.length > 0) return frames;
        throw corrupt(segment.path, scanner.offset, `intact frame ${scanner.lastIndex + 1} was here`);
      }
      return frames;
    } catch (error) {
      if (isUnreadable(error)) this.#log.onDamaged(segment);
      throw ioError(segment.path, "reading the segment", error);
    } finally {
      await file.close();
    }
  }

  /** Null when it was removed meanwhile. */
  async #open(segment: Segment): Promise<DiskFile | null> {
    try {
      return await this.#log.openForReading(segment);
    } catch (error) {
      if (!this.#log.segments.includes(segment)) return null;
      throw ioError(segment.path, "opening the segment", error);
    }
  }

  /** From where on the segment is read to come to the frame. */
  #takePlace(segment: Segment, index: number): FramePosition {
    const at = this.#places.findIndex((place) => place.segment === segment && place.position.lastIndex === index - 1);
    return at === -1 ? startOf(segment) : this.#places.splice(at, 1)[0].position;
  }

  #keepPlace(segment: Segment, position: FramePosition): void {
    // It was true when it was read.
    if (position.lastIndex > segment.lastIndex) return;
    if (this.#places.length === PLACES_MAX) this.#places.shift();
    this.#places.push({ segment, position });
  }
}
