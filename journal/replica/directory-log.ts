/**
 * One replica: the frames in one directory, in order. It knows what is durable here, and nothing of commits, batches
 * or other replicas.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { join } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";
import { writeDurably, writeFailure } from "./disk.ts";
import type { FrameHeader } from "../frame.ts";
import { writeFrameHeader } from "../frame.ts";
import type { JournalError } from "../journal.ts";
import type { Clock } from "../time.ts";
import { ioError } from "../journal-errors.ts";
import { recoverLog } from "./recovery.ts";
import type { Segment, SegmentHeader } from "./segment.ts";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from "./segment.ts";
import { SegmentPreparer } from "./segment-preparer.ts";

export interface DirectoryLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly segmentBytes: number;
  /** The cluster the log must belong to, or null to take it as it is found. */
  readonly clusterId: string | null;
  /** The cluster a new log is made for. */
  readonly newClusterId: string;
}

export class DirectoryLog {
  /** Oldest first, at least one; the last is the one written to. */
  readonly segments: Segment[];
  readonly salt: number;
  readonly clusterId: string;
  /** Of the last durable frame. */
  lastPosition: number;
  lastEpoch: number;

  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #preparer: SegmentPreparer;
  /** The last segment's file and size. */
  #file: DiskFile;
  #fileBytes: number;

  /** The frame at the disk. */
  #onDurable: ((error: JournalError | null) => void) | null = null;
  #frameLength = 0;
  #frameLastPosition = 0;
  #frameEpoch = 0;

  constructor(options: DirectoryLogOptions, segments: Segment[], file: DiskFile, fileBytes: number, lastEpoch: number) {
    const last = segments.at(-1);
    assert(last !== undefined, "a log has a segment to write to");
    this.segments = segments;
    this.salt = last.salt;
    this.clusterId = last.clusterId;
    this.lastPosition = last.lastPosition;
    this.lastEpoch = lastEpoch;
    this.#disk = options.disk;
    this.#directory = options.directory;
    this.#segmentBytes = options.segmentBytes;
    this.#preparer = new SegmentPreparer(options.disk, options.clock, options.directory, options.segmentBytes);
    this.#file = file;
    this.#fileBytes = fileBytes;
  }

  get firstPosition(): number {
    return this.segments[0].firstPosition;
  }

  /**
   * Writes the frame whose records lie in `bytes` behind the header's place; `header` must continue the log. One frame
   * at a time: recovery relies on it. After a failure the log takes no more; its end is unknown until it is opened again.
   *
   * @param onDurable - called in a later turn: null when the frame is durable
   */
  append(bytes: Buffer, header: FrameHeader, onDurable: (error: JournalError | null) => void): void {
    assert(this.#onDurable === null, "one frame at the disk at a time");
    assert(header.previousPosition === this.lastPosition, "a frame continues the log");
    assert(header.previousEpoch === this.lastEpoch, "a frame names the epoch before it");
    writeFrameHeader(bytes, header, this.salt);
    this.#onDurable = onDurable;
    this.#frameLength = header.length;
    this.#frameLastPosition = header.lastPosition;
    this.#frameEpoch = header.epoch;
    const active = this.#active;
    // A segment's name is its first record, so one that holds no record cannot have a successor: it grows instead.
    const holdsRecords = active.lastPosition >= active.firstPosition;
    if (active.end + header.length > this.#fileBytes && holdsRecords) {
      this.#roll().then(
        () => this.#write(bytes),
        (error: unknown) => this.#end(ioError(this.#directory, "making the next segment", error)),
      );
    } else {
      this.#write(bytes);
    }
  }

  /**
   * Removes the segments whose records all lie before `position`, oldest first; never the one written to. Each name is
   * gone durably before the next goes, so a crash cannot leave a hole.
   */
  async trim(position: number): Promise<void> {
    const { segments } = this;
    while (segments.length > 1 && segments[1].firstPosition <= position) {
      const [oldest] = segments.splice(0, 1);
      try {
        await this.#disk.remove(oldest.path).catch(ignoreMissing);
        await this.#disk.syncDirectory(this.#directory);
      } catch (error) {
        // It may still be there, or be there again after a crash: the next trim begins with it.
        segments.unshift(oldest);
        throw ioError(oldest.path, "removing the segment", error);
      }
    }
  }

  openForReading(segment: Segment): Promise<DiskFile> {
    return this.#disk.openForReading(segment.path);
  }

  /** The segment after `segment`, or null when it is the last. Trimmed segments have the first kept one after them. */
  successor(segment: Segment): Segment | null {
    return this.segments.find((other) => other.number > segment.number) ?? null;
  }

  /** Releases the files. Nothing may be at the disk. */
  async close(): Promise<void> {
    assert(this.#onDurable === null, "the last append has ended");
    try {
      await this.#preparer.close();
    } finally {
      await this.#file.close();
    }
  }

  get #active(): Segment {
    return this.segments[this.segments.length - 1];
  }

  #write(bytes: Buffer): void {
    this.#file.write(bytes, this.#frameLength, this.#active.end, this.#onWritten);
  }

  readonly #onWritten = (error: Error | null, count: number): void => {
    const active = this.#active;
    const failure = writeFailure(this.#file, this.#frameLength, active.end, error, count);
    if (failure === null) {
      active.end += this.#frameLength;
      active.lastPosition = this.#frameLastPosition;
      this.lastPosition = this.#frameLastPosition;
      this.lastEpoch = this.#frameEpoch;
      this.#preparer.advance(active.end);
    }
    this.#end(failure);
  };

  #end(error: JournalError | null): void {
    const onDurable = this.#onDurable;
    this.#onDurable = null;
    onDurable?.(error);
  }

  async #roll(): Promise<void> {
    const { number, clusterId } = this.#active;
    const header = {
      salt: this.salt,
      clusterId,
      number: number + 1,
      firstPosition: this.lastPosition + 1,
      previousEpoch: this.lastEpoch,
    };
    const prepared = await this.#preparer.take();
    let segment: Segment;
    try {
      segment = await nameSegment(this.#disk, this.#directory, prepared, header);
    } catch (error) {
      await prepared.close();
      throw error;
    }
    const full = this.#file;
    this.#file = prepared;
    this.#fileBytes = this.#segmentBytes;
    this.segments.push(segment);
    await full.close();
  }
}

/** Opens the log in a directory, which is made when it is missing, and brings its end in order. */
export async function openDirectoryLog(options: DirectoryLogOptions): Promise<DirectoryLog> {
  const { disk, directory, segmentBytes } = options;
  await disk.makeDirectory(directory);
  const { segments, lastEpoch } = await recoverLog(disk, directory, options.clusterId);
  const last = segments.at(-1);
  if (last === undefined) {
    const preparer = new SegmentPreparer(disk, options.clock, directory, segmentBytes);
    const file = await preparer.take();
    const header = {
      salt: randomInt(1, 0x1_0000_0000),
      clusterId: options.newClusterId,
      number: 1,
      firstPosition: 1,
      previousEpoch: 0,
    };
    try {
      segments.push(await nameSegment(disk, directory, file, header));
      return new DirectoryLog(options, segments, file, segmentBytes, lastEpoch);
    } catch (error) {
      await file.close();
      throw error;
    }
  }
  const file = await disk.openForWriting(last.path);
  try {
    const { bytes } = await file.size();
    if (bytes < segmentBytes) await file.resize(segmentBytes);
    return new DirectoryLog(options, segments, file, Math.max(bytes, segmentBytes), lastEpoch);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Gives a prepared file its header, then its name, then makes the name durable: in that order, each before the next. */
async function nameSegment(disk: Disk, directory: string, file: DiskFile, header: SegmentHeader): Promise<Segment> {
  await writeDurably(file, encodeSegmentHeader(header), SEGMENT_HEADER_BYTES, 0);
  const path = join(directory, segmentName(header.firstPosition));
  await disk.rename(file.path, path);
  file.path = path;
  await disk.syncDirectory(directory);
  return { ...header, path, lastPosition: header.firstPosition - 1, end: SEGMENT_HEADER_BYTES };
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
