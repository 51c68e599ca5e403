/**
 * Reads what a log has on its disk, slowly and again and again, and checks it: frames that nobody reads rot unseen until
 * they are needed. What is not intact any more, also when it is read again, is put back from others, in its place.
 *
 * Only frames that are known to be committed are looked at: no cut takes them, and others have the same. A segment that is
 * trimmed meanwhile is left.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { bodyCrcOf, FrameHeader, FRAME_HEADER_BYTES, readFrame, readFrameHeader } from "../frame.ts";
import { JournalError } from "../journal.ts";
import { closed, corrupt, ioError } from "../journal-errors.ts";
import {
  SCRUB_BUSY_SHARE,
  SCRUB_BYTES_PER_SECOND,
  SCRUB_LOOK_MS,
  SCRUB_RECHECK_MS,
  SCRUB_REST_MS,
  SCRUB_SLICE_BYTES,
} from "../limits.ts";
import type { Clock, Timer } from "../time.ts";
import type { DirectoryLog } from "./directory-log.ts";
import type { DiskFile } from "./disk.ts";
import { readFully } from "./disk.ts";
import { findGap } from "./find-gap.ts";
import type { FramePosition } from "./frame-scanner.ts";
import { startOf } from "./frame-scanner.ts";
import type { Gap } from "./gap.ts";
import { fillGap } from "./gap.ts";
import { continues } from "./log-end.ts";
import { PatientFile } from "./patient-file.ts";
import { writeHeader } from "./header-again.ts";
import type { Segment } from "./segment.ts";
import { encodeSegmentHeader } from "./segment.ts";
import type { WantedFrames } from "./wanted-frames.ts";
import { zeroBackwards } from "./zeros.ts";

export interface ScrubPace {
  /** 0: nothing is looked at but what a reader has met. */
  readonly bytesPerSecond: number;
  /** Between two rounds, and before the first: an open has read all. */
  readonly restMs: number;
}

/** Of a server, unless it is told otherwise. */
export const SCRUB_PACE: ScrubPace = { bytesPerSecond: SCRUB_BYTES_PER_SECOND, restMs: SCRUB_REST_MS };

export interface ScrubberOptions {
  readonly log: DirectoryLog;
  readonly clock: Clock;
  readonly pace: ScrubPace;
  readonly wanted: WantedFrames;
  /** The disk has enough to do, or does not answer. */
  readonly isHeldUp: () => boolean;
  /** Frames were put back so often that were written. */
  readonly onRepaired: (frames: number) => void;
  /** What was written again is not there. */
  readonly onFailed: (error: JournalError) => void;
}

/** A frame that is written again and not intact then: so often, and the replica fails. */
const ATTEMPTS_MAX = 3;

const ZEROS = Buffer.alloc(SCRUB_SLICE_BYTES);

export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #bytes = Buffer.allocUnsafeSlow(SCRUB_SLICE_BYTES);
  readonly #header = new FrameHeader();
  /** What a reader has met damage in: looked at first, and at once. */
  readonly #suspects = new Set<Segment>();
  #isRotten = false;
  #isClosed = false;
  #timer: Timer | null = null;
  #wake: (() => void) | null = null;
  readonly #running: Promise<void>;

  constructor(options: ScrubberOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  suspect(segment: Segment): void {
    this.#suspects.add(segment);
    this.#wake?.();
  }

  /** Resolves when nothing of it is at the disk. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#options.wanted.giveUp(closed());
    this.#wake?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { bytesPerSecond, restMs } = this.#options.pace;
    while (!this.#isClosed) {
      if (this.#suspects.size === 0) await this.#pause(restMs);
      try {
        await this.#checkSuspects();
        if (bytesPerSecond > 0 && !this.#isClosed) await this.#round();
      } catch (error) {
        if (!(error instanceof JournalError)) throw error;
        if (!this.#isClosed) this.#options.onFailed(error);
        return;
      }
    }
  }

  async #round(): Promise<void> {
    const { segments } = this.#options.log;
    for (let number = 0; !this.#isClosed;) {
      const segment = segments.find((other) => other.number > number);
      if (segment === undefined) return;
      await this.#check(segment, true);
      ({ number } = segment);
    }
  }

  async #checkSuspects(): Promise<void> {
    for (const segment of this.#suspects) {
      this.#suspects.delete(segment);
      await this.#check(segment, false);
    }
  }

  /** Reads a segment from its first frame to the last that is known to be committed. */
  async #check(segment: Segment, isSlow: boolean): Promise<void> {
    const { log } = this.#options;
    // Who has no others has nobody to ask.
    if (log.facts.members.length <= 1 || !log.segments.includes(segment)) return;
    const file = await this.#open(segment);
    if (file === null) return;
    try {
      let position = startOf(segment);
      let attempts = 0;
      while (this.#isKept(segment)) {
        if (position.lastIndex >= Math.min(segment.lastIndex, log.committed)) break;
        if (isSlow) await this.#checkSuspects();
        const begunMs = this.#options.clock.nowMs();
        const next = await this.#slice(file, segment, position);
        const isAhead = next.offset > position.offset;
        if (isSlow) await this.#keepPace(next.offset - position.offset, this.#options.clock.nowMs() - begunMs);
        position = next;
        if (isAhead) {
          attempts = 0;
          continue;
        }
        if (++attempts > ATTEMPTS_MAX)
          throw corrupt(segment.path, position.offset, "written again, and still not intact");
        position = (await this.#meet(segment, position)) ?? position;
      }
      await this.#checkAround(file, segment, isSlow);
      this.#settle();
    } finally {
      await file.close().catch(() => undefined);
    }
  }

  /** Moves over intact frames, as far as a slice reaches; a large one is read on its own. Stays where it is at one that is not. */
  async #slice(file: DiskFile, segment: Segment, start: FramePosition): Promise<FramePosition> {
    const bytes = this.#bytes;
    const header = this.#header;
    const lastIndex = Math.min(segment.lastIndex, this.#options.log.committed);
    let position = start;
    try {
      const count = await readFully(file, bytes, Math.min(bytes.length, segment.end - start.offset), start.offset);
      for (let at = 0; position.lastIndex < lastIndex; at += header.length) {
        if (!readFrameHeader(bytes, at, count, segment.salt, header) || !continues(header, position)) break;
        const isThere = at + header.length <= count;
        if (!isThere && at > 0) break;
        const isIntact = isThere
          ? readFrame(bytes, at, count, segment.salt, header)
          : await this.#checkLarge(file, segment.salt, start.offset, header.length);
        if (!isIntact) break;
        const { index, lastPosition, epoch } = header;
        const offset = position.offset + header.length;
        position = { offset, lastIndex: index, lastPosition, lastEpoch: epoch };
      }
    } catch (error) {
      throw ioError(segment.path, "reading the segment", error);
    }
    return position;
  }

  /** In slices: neither the memory nor the turn of the event loop grows with the frame. */
  async #checkLarge(file: DiskFile, salt: number, offset: number, length: number): Promise<boolean> {
    const bytes = this.#bytes;
    const expected = bodyCrcOf(bytes, 0);
    let crc = salt;
    for (let at = FRAME_HEADER_BYTES; at < length && !this.#isClosed;) {
      const wanted = Math.min(bytes.length, length - at);
      const begunMs = this.#options.clock.nowMs();
      if ((await readFully(file, bytes, wanted, offset + at)) < wanted) return false;
      crc = crc32(bytes.subarray(0, wanted), crc);
      at += wanted;
      await this.#keepPace(wanted, this.#options.clock.nowMs() - begunMs);
    }
    return crc === expected;
  }

  /** What lies before and behind the frames is known without others. */
  async #checkAround(file: PatientFile, segment: Segment, isSlow: boolean): Promise<void> {
    const { log } = this.#options;
    const header = encodeSegmentHeader(segment);
    const bytes = this.#bytes;
    // One that a cut may remove comes again under its name, with another header.
    if (!this.#isKept(segment) || segment.firstIndex > log.committed) return;
    await this.#readAll(file, 0, header.length);
    if (!bytes.subarray(0, header.length).equals(header)) {
      await this.#rewrite(segment, 0, "the segment's header is damaged", (again) => writeHeader(again, segment));
    }
    // Behind the last one's frames the next ones are written, and a cut may make another the last one.
    const successor = log.successor(segment);
    if (successor === null || successor.firstIndex > log.committed) return;
    const { bytes: size } = await file.size();
    const { end } = segment;
    for (let at = end; at < size && this.#isKept(segment);) {
      const count = Math.min(bytes.length, size - at);
      const hasFailed = await this.#readAll(file, at, count);
      if (hasFailed || bytes.compare(ZEROS, 0, count, 0, count) !== 0) {
        const text = "the bytes behind the segment's frames are not zeros";
        return this.#rewrite(segment, end, text, (again) => zeroBackwards(again, end, size));
      }
      at += count;
      if (isSlow) await this.#keepPace(count, 0);
    }
  }

  #isKept(segment: Segment): boolean {
    return !this.#isClosed && this.#options.log.segments.includes(segment);
  }

  /** @returns whether some of it could not be read */
  async #readAll(file: PatientFile, at: number, length: number): Promise<boolean> {
    file.failure = null;
    const count = await readFully(file, this.#bytes, length, at).catch((error: unknown) => {
      throw ioError(file.path, "reading the segment", error);
    });
    this.#bytes.fill(0, count, length);
    return file.failure !== null;
  }

  async #rewrite(
    segment: Segment,
    offset: number,
    text: string,
    write: (file: DiskFile) => Promise<void>,
  ): Promise<void> {
    this.#isRotten = true;
    this.#options.wanted.mention(corrupt(segment.path, offset, text));
    const file = await this.#openForWriting(segment);
    if (file === null) return;
    try {
      if (this.#isKept(segment)) await write(file);
    } finally {
      await file.close().catch(() => undefined);
    }
  }

  /** Null when it was trimmed. */
  #openForWriting(segment: Segment): Promise<DiskFile | null> {
    return this.#options.log.openForWriting(segment).catch((error: unknown) => {
      if (!this.#isKept(segment)) return null;
      throw ioError(segment.path, "opening the segment", error);
    });
  }

  /**
   * What lies at the position was not intact: it is read again, later and through another descriptor, and when it is not then
   * either it is put back.
   *
   * @returns where to go on when it cannot be put back; null to look again
   */
  async #meet(segment: Segment, position: FramePosition): Promise<FramePosition | null> {
    await this.#pause(SCRUB_RECHECK_MS);
    const file = this.#isClosed ? null : await this.#open(segment);
    if (file === null) return null;
    let gap: Gap | null = null;
    try {
      const again = await this.#slice(file, segment, position);
      if (again.offset > position.offset || !this.#isKept(segment)) return null;
      const { end, lastIndex } = segment;
      gap = await findGap({ file, segment, end, lastIndex, mayHoldMore: false }, position);
    } finally {
      await file.close().catch(() => undefined);
    }
    assert(gap !== null, "a frame that is not intact lacks");
    return this.#repair(segment, gap);
  }

  async #repair(segment: Segment, gap: Gap): Promise<FramePosition | null> {
    const { log, wanted, onRepaired } = this.#options;
    this.#isRotten = true;
    const frames = await this.#ask(segment, gap);
    if (frames === null) return null;
    const file = await this.#openForWriting(segment);
    if (file === null) return null;
    try {
      const isOurs = ({ index, epoch }: FrameHeader): boolean => index <= log.committed && log.epochOf(index) === epoch;
      onRepaired(await fillGap(file, segment.salt, gap, frames, isOurs));
      return null;
    } catch (error) {
      wanted.forget();
      if (!(error instanceof JournalError && error.code === "ERR_JOURNAL_CORRUPT")) throw error;
      return behind(segment, gap);
    } finally {
      await file.close().catch(() => undefined);
    }
  }

  /** Null when nobody has given them before they were not wanted any more. */
  async #ask(segment: Segment, gap: Gap): Promise<readonly Buffer[] | null> {
    const { log, clock, wanted } = this.#options;
    let timer: Timer | null = null;
    const look = (): void => {
      if (log.segments.includes(segment)) timer = clock.after(SCRUB_LOOK_MS, look);
      else wanted.giveUp(closed());
    };
    look();
    try {
      const frames = await wanted.ask(gap);
      return this.#isKept(segment) ? frames : null;
    } catch (error) {
      if (error instanceof JournalError && error.code === "ERR_JOURNAL_CLOSED") return null;
      throw error;
    } finally {
      (timer as Timer | null)?.cancel();
    }
  }

  #settle(): void {
    if (!this.#isRotten) return;
    this.#isRotten = false;
    this.#options.wanted.settle();
  }

  /** Null when it was trimmed. */
  async #open(segment: Segment): Promise<PatientFile | null> {
    const { log } = this.#options;
    try {
      return new PatientFile(await log.openForReading(segment));
    } catch (error) {
      if (!log.segments.includes(segment)) return null;
      const failure = ioError(segment.path, "opening the segment", error);
      // The next round looks again.
      if (failure.isPassing || log.isBeginning) return null;
      throw failure;
    }
  }

  /** A disk that is slow is read for a share of the time only. */
  async #keepPace(bytes: number, tookMs: number): Promise<void> {
    const { pace, isHeldUp } = this.#options;
    const paceMs = pace.bytesPerSecond === 0 ? 0 : (bytes / pace.bytesPerSecond) * 1000;
    await this.#pause(Math.max(paceMs, tookMs / SCRUB_BUSY_SHARE - tookMs));
    while (isHeldUp() && !this.#isClosed) await this.#pause(SCRUB_LOOK_MS);
  }

  #pause(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = (): void => {
        this.#wake = null;
        this.#timer?.cancel();
        resolve();
      };
      this.#timer = this.#options.clock.after(ms, this.#wake);
    });
  }
}

/** Where the next intact frame lies, or the end. */
function behind({ end, lastIndex, lastPosition }: Segment, { next, roomEnd, before }: Gap): FramePosition {
  if (next === null) return { offset: end, lastIndex, lastPosition, lastEpoch: before.lastEpoch };
  const { index, previousPosition, previousEpoch } = next;
  return { offset: roomEnd, lastIndex: index - 1, lastPosition: previousPosition, lastEpoch: previousEpoch };
}
