/**
 * One replica: the frames in one directory, in order. It knows what is durable here, and nothing of commits, batches
 * or other replicas.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";
import { firstKept } from "./kept-segments.ts";
import type { Beginning } from "./messages.ts";
import { isMissing, writeDurably, writeFailure } from "./disk.ts";
import type { Configuration } from "./configuration.ts";
import { configurationIn } from "./configuration.ts";
import type { FrameHeader } from "../frame.ts";
import { FRAME_HEADER_BYTES, KIND_BARRIER, RECORD_HEADER_BYTES } from "../frame.ts";
import type { AcceptLoss, JournalError } from "../journal.ts";
import type { Clock } from "../time.ts";
import { corrupt, ioError, ofCluster } from "../journal-errors.ts";
import type { ReplicaFacts } from "./facts.ts";
import { Epochs } from "./epochs.ts";
import type { AskForFrames } from "./gap.ts";
import { FrameReader } from "./frame-reader.ts";
import type { FramePosition } from "./frame-scanner.ts";
import { FrameScanner, startOf } from "./frame-scanner.ts";
import { RECOVERY_READ_BYTES } from "../limits.ts";
import { zeroBackwards } from "./zeros.ts";
import type { LogEnd } from "./log-end.ts";
import { continues } from "./log-end.ts";
import type { BegunAnew, Extent, Mark, MarkedLog } from "./mark.ts";
import { openMark } from "./mark.ts";
import type { LogRepair, RecoveredLog } from "./recovery.ts";
import { recoverLog } from "./recovery.ts";
import type { Segment, SegmentHeader } from "./segment.ts";
import { emptySegment, encodeSegmentHeader, isSegmentName, SEGMENT_HEADER_BYTES, segmentName } from "./segment.ts";
import type { RoomReserve } from "./room-reserve.ts";
import { SegmentPreparer } from "./segment-preparer.ts";
import { Stall } from "./stall.ts";

export interface DirectoryLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly segmentBytes: number;
  /** The cluster the log must belong to, or null to take it as it is found. */
  readonly clusterId: string | null;
  /** The cluster a new log is made for. */
  readonly newClusterId: string;
  /** Random numbers of a new log: its frames' salt, which is not 0, and its replica's name. */
  readonly newSalt: number;
  readonly newReplicaId: number;
  readonly reserve: RoomReserve;
  /** Of a log that is made: where it begins, when that is not the journal's first frame. */
  readonly beginning?: LogBeginning;
  /** A log was made here once: an empty or missing directory is refused. */
  readonly mustExist: boolean;
  /** Null to refuse a loss. */
  readonly acceptLoss: AcceptLoss | null;
  /** Of a log that others have as well: gives frames that are damaged here. Unless given, they are refused. */
  readonly askForFrames?: AskForFrames;
  /** So many of them were put back. */
  readonly onRepaired?: (frames: number) => void;
}

/** What a log begins with that has nothing of what was before. */
export type LogBeginning = Omit<SegmentHeader, "salt" | "clusterId">;

const FIRST: LogBeginning = { number: 1, firstIndex: 1, firstPosition: 1, previousEpoch: 0 };

/** What is known of a log's end when it is opened. */
interface RecoveredEnd {
  readonly end: LogEnd;
  readonly epochs: Epochs;
  readonly configurations: readonly Configuration[];
  readonly committed: number;
}

export class DirectoryLog {
  /** Oldest first, at least one; the last is the one written to. */
  readonly segments: Segment[];
  readonly salt: number;
  readonly clusterId: string;
  /** Of the last durable frame. */
  lastIndex: number;
  lastPosition: number;
  lastEpoch: number;
  #committed: number;
  /** Of its frames, the lists of replicas that are newer than the one in the mark; oldest first. */
  configurations: readonly Configuration[];

  /** Is told of a segment in which a reader has met damage, or a place that the disk cannot read. */
  onDamaged: (segment: Segment) => void = () => undefined;

  /** How often its end was taken back: what readers have read ahead may be another log's since. */
  cuts = 0;
  readonly #epochs: Epochs;
  readonly #reader: FrameReader;

  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #reserve: RoomReserve;
  readonly #preparer: SegmentPreparer;
  readonly #stall: Stall;
  /** The next segment's file, header and all, while its name is not durable yet. */
  #next: DiskFile | null = null;
  readonly #mark: Mark;
  /** The last segment's file and size. */
  #file: DiskFile;
  #fileBytes: number;

  /** The removal of the last segment that was trimmed is durable. */
  #isRemovalSynced = true;
  #isCutting = false;
  /** The one segment that it has is not there yet. */
  isBeginning = false;
  /** The frame at the disk. */
  #onDurable: ((error: JournalError | null) => void) | null = null;
  #frameLength = 0;
  #frameIndex = 0;
  #frameLastPosition = 0;
  #frameEpoch = 0;
  #frameConfiguration: Configuration | null = null;

  constructor(
    options: DirectoryLogOptions,
    mark: Mark,
    segments: Segment[],
    file: DiskFile,
    fileBytes: number,
    { end, epochs, configurations, committed }: RecoveredEnd,
  ) {
    const last = segments.at(-1);
    assert(last !== undefined, "a log has a segment to write to");
    this.segments = segments;
    this.salt = last.salt;
    this.clusterId = last.clusterId;
    this.lastIndex = end.lastIndex;
    this.lastPosition = end.lastPosition;
    this.lastEpoch = end.lastEpoch;
    this.#committed = committed;
    this.#epochs = epochs;
    this.configurations = configurations.filter(({ index }) => index > mark.facts.membersIndex);
    this.#reader = new FrameReader(this);
    this.#disk = options.disk;
    this.#directory = options.directory;
    this.#segmentBytes = options.segmentBytes;
    this.#reserve = options.reserve;
    this.#preparer = preparerFor(options);
    this.#stall = new Stall(options.clock);
    this.#mark = mark;
    this.#file = file;
    this.#fileBytes = fileBytes;
    this.verify();
  }

  get isWriting(): boolean {
    return this.#onDurable !== null;
  }

  /** Index of the first frame kept, or of the next one. */
  get first(): number {
    return this.segments[0].firstIndex;
  }

  /** The last durable frame. */
  get last(): { readonly index: number; readonly epoch: number } {
    return { index: this.lastIndex, epoch: this.lastEpoch };
  }

  /** The epoch of a frame that is kept, or of the one before the first; null of any other. */
  epochOf(index: number): number | null {
    const [{ firstIndex, previousEpoch }] = this.segments;
    if (index === firstIndex - 1) return previousEpoch;
    return index < firstIndex || index > this.lastIndex ? null : this.#epochs.epochOf(index);
  }

  /** The last frame whose epoch is this one or a lower one; 0 when none is kept. */
  lastUpTo(epoch: number): number {
    const index = this.#epochs.lastUpTo(epoch, this.lastIndex);
    return index < this.first ? 0 : index;
  }

  get facts(): ReplicaFacts {
    return this.#mark.facts;
  }

  /**
   * Index of the last frame that is durable here and known to be committed; only grows. The mark lags behind it: a later
   * open may find an earlier one.
   */
  get committed(): number {
    return this.#committed;
  }

  set committed(index: number) {
    assert(index >= this.#committed, "what is committed stays so");
    assert(index <= this.lastIndex, "what is known to be committed is durable");
    this.#committed = index;
  }

  get firstPosition(): number {
    return this.segments[0].firstPosition;
  }

  /**
   * Who is told, as `JournalListener.onStalled`, that a frame waits because the next segment cannot be made for now. While
   * nobody is, such a frame fails.
   */
  set onStalled(listener: (reason: JournalError | null) => void) {
    this.#stall.onStalled = listener;
  }

  /** A frame that waits for the next segment has one more attempt, and later ones have one. */
  endStall(): void {
    this.#stall.end();
  }

  /**
   * Writes the sealed frame at the beginning of `bytes`, which `header` tells of and which must continue the log. One frame
   * at a time: recovery relies on it. After a failure the log takes no more; its end is unknown until it is opened again.
   *
   * @param onDurable - called in a later turn: null when the frame is durable
   */
  append(bytes: Buffer, header: FrameHeader, onDurable: (error: JournalError | null) => void): void {
    assert(this.#onDurable === null, "one frame at the disk at a time");
    assert(!this.#isCutting, "nothing is appended to an end that is being taken back");
    assert(!this.isBeginning, "nothing is appended to a log that is being begun anew");
    assert(continues(header, this), "a frame continues the log");
    if (header.epoch > this.lastEpoch) assert(header.kind === KIND_BARRIER, "an epoch begins with a barrier");
    this.#onDurable = onDurable;
    this.#frameLength = header.length;
    this.#frameIndex = header.index;
    this.#frameLastPosition = header.lastPosition;
    this.#frameEpoch = header.epoch;
    this.#frameConfiguration = configurationIn(bytes, 0, header);
    if (this.#frameConfiguration !== null) {
      const before = this.configurations.at(-1)?.index ?? 0;
      assert(before <= header.committed, "a list of replicas changes when the one before is committed");
    }
    const check = this.#mark.follow(this);
    if (check === null) this.#place(bytes);
    else void this.#placeChecked(check, bytes);
  }

  async #placeChecked(check: Promise<void>, bytes: Buffer): Promise<void> {
    await check;
    const { failure } = this.#mark;
    if (failure === null) this.#place(bytes);
    else this.#end(failure);
  }

  /** Writes the frame into the segment that it belongs into. */
  #place(bytes: Buffer): void {
    const active = this.#active;
    const length = this.#frameLength;
    // A segment's name is its first frame, so one that holds none cannot have a successor: it grows for a large frame.
    if (active.end + length <= this.#fileBytes || active.lastIndex < active.firstIndex) {
      this.#write(bytes);
    } else {
      const rolling = this.#stall.untilDone(() => this.#roll());
      void rolling.then((reason) => (reason === null ? this.#write(bytes) : this.#end(reason)));
    }
  }

  /**
   * Removes the segments whose records all lie before `position` and are known to be committed, oldest first; never the one
   * written to, nor one whose frames a cut may take back, nor one that is kept for another replica. The mark tells of it before, and each name is gone durably before
   * the next goes, so a crash cannot leave a hole.
   */
  async trim(position: number, lacked: readonly number[] = [], keptBytesMax = 0): Promise<void> {
    assert(!this.isBeginning, "a log that is being begun anew has nothing to trim");
    assert(position <= this.lastPosition + 1, "what is not durable is not trimmed");
    const { segments } = this;
    const covered = segments.findLast(
      ({ firstPosition, firstIndex }, i) => i === 0 || (firstPosition <= position && firstIndex <= this.committed),
    );
    assert(covered !== undefined, "a log has a segment to write to");
    const kept = firstKept(segments, covered, lacked, keptBytesMax);
    if (kept === segments[0] && this.#isRemovalSynced) return;
    // First, so that an open never misses what was trimmed.
    await this.#mark.set(this, kept);
    while (segments[0] !== kept) {
      const [oldest] = segments.splice(0, 1);
      assert(oldest.lastPosition < position, "trimming takes only records before the position");
      assert(oldest.lastPosition + 1 === this.firstPosition, "trimming leaves no hole");
      try {
        await this.#syncRemoval();
        await this.#disk.remove(oldest.path).catch(ignoreMissing);
      } catch (error) {
        // It is still there: the next trim begins with it.
        segments.unshift(oldest);
        throw ioError(oldest.path, "removing the segment", error);
      }
      this.#isRemovalSynced = false;
      this.#epochs.trimBefore(this.first);
    }
    await this.#syncRemoval().catch((error: unknown) => {
      throw ioError(this.#directory, "removing segments", error);
    });
  }

  /** Nobody reads a segment whose name is gone, though a crash may bring that back: the next one goes when it cannot any more. */
  async #syncRemoval(): Promise<void> {
    if (!this.#isRemovalSynced) await this.#disk.syncDirectory(this.#directory);
    this.#isRemovalSynced = true;
  }

  /**
   * Forgets all frames behind `index`, durably. None of them may be known to be committed. What a crash leaves of them is a
   * beginning of them, with a torn frame at most. After a failure the log takes no more until it is opened again.
   *
   * @param onDurable - called in a later turn: null when they are gone
   */
  cutBehind(index: number, onDurable: (error: JournalError | null) => void): void {
    assert(this.#onDurable === null && !this.#isCutting, "one act at a time changes the log");
    assert(index >= this.committed, "what is known to be committed is not cut");
    assert(index >= this.first - 1 && index <= this.lastIndex, "frames that there are can be cut");
    this.#isCutting = true;
    void this.#cut(index, onDurable);
  }

  /**
   * Drops all frames, and goes on as a log that has none and begins there; the facts become durable with that. None of those
   * that go may be known to be committed and lie behind the beginning. A crash leaves either what was there, or the new log.
   * After a failure the log takes no more until it is opened again.
   *
   * @param onDurable - called in a later turn: null when it has begun
   */
  beginAnew(beginning: Beginning, facts: ReplicaFacts, onDurable: (error: JournalError | null) => void): void {
    assert(this.#onDurable === null && !this.#isCutting && !this.isBeginning, "one act at a time changes the log");
    assert(this.committed < beginning.firstIndex - 1, "what is known to be committed is not dropped");
    assert(beginning.firstIndex > this.first, "a log begins anew behind its beginning");
    assert(beginning.firstPosition >= this.firstPosition, "positions only grow");
    this.isBeginning = true;
    void this.#beginAnew(beginning, facts).then(
      () => onDurable(null),
      (error: unknown) => onDurable(ioError(this.#directory, "beginning anew", error)),
    );
  }

  /** Reads copies of the sealed frames from `from` to `last` at most: `bytesMax` of them, or one. */
  read(from: number, last: number, bytesMax: number): Promise<Buffer[]> {
    assert(last <= this.lastIndex, "only what is durable is read");
    return this.#reader.read(from, last, bytesMax);
  }

  /** Asserts that the segments continue one another and end with what the log says of itself. */
  verify(): void {
    for (const [index, segment] of this.segments.entries()) {
      verifySegment(segment);
      if (index === 0) continue;
      const before = this.segments[index - 1];
      assert(before.lastIndex >= before.firstIndex, "a segment with a successor holds a frame");
      assert(segment.firstIndex === before.lastIndex + 1, "a segment begins behind the frame before it");
      assert(segment.firstPosition === before.lastPosition + 1, "a segment begins behind the record before it");
      assert(segment.number === before.number + 1, "segments are numbered without gaps");
      assert(segment.previousEpoch >= before.previousEpoch, "epochs only grow");
      assert(segment.salt === this.salt, "all segments of a journal have one salt");
      assert(segment.clusterId === this.clusterId, "all segments of a journal are of one cluster");
    }
    assert(this.#active.lastIndex === this.lastIndex, "the log ends where its last segment does");
    assert(this.#active.lastPosition === this.lastPosition, "the log ends where its last segment does");
    assert(this.committed <= this.lastIndex, "what is known to be committed is durable");
    assert(this.lastEpoch >= this.#active.previousEpoch, "epochs only grow");
  }

  openForReading(segment: Segment): Promise<DiskFile> {
    return this.#disk.openForReading(segment.path);
  }

  /** For frames that are durable already, whose bytes are written again. */
  openForWriting(segment: Segment): Promise<DiskFile> {
    return this.#disk.openForWriting(segment.path);
  }

  /** The segment after `segment`, or null when it is the last. Trimmed segments have the first kept one after them. */
  successor(segment: Segment): Segment | null {
    return this.segments.find((other) => other.number > segment.number) ?? null;
  }

  /** Makes durable in the mark what the log holds. */
  mark(): Promise<void> {
    return this.#mark.set(this, this.segments[0]);
  }

  /** Makes facts durable that must not be forgotten. */
  remember(facts: ReplicaFacts, onDurable: (error: JournalError | null) => void): void {
    void this.#remember(facts).then(onDurable);
  }

  async #remember(facts: ReplicaFacts): Promise<JournalError | null> {
    try {
      await this.#mark.remember(this, facts);
      this.configurations = this.configurations.filter(({ index }) => index > facts.membersIndex);
      return null;
    } catch (error) {
      return ioError(this.#directory, "writing the mark", error);
    }
  }

  /** Releases the files. Nothing may be at the disk. */
  async close(): Promise<void> {
    assert(this.#onDurable === null, "the last append has ended");
    try {
      await this.#preparer.close();
      await this.#next?.close();
      await this.#file.close();
      // What it does not tell of then is durable all the same.
      await this.mark().catch(() => undefined);
    } finally {
      await this.#mark.close();
    }
  }

  get #active(): Segment {
    return this.segments[this.segments.length - 1];
  }

  async #beginAnew(beginning: Beginning, facts: ReplicaFacts): Promise<void> {
    await this.#discardNext();
    const header = beginningHeader(beginning, this.#active.number, this);
    const path = join(this.#directory, segmentName(header.firstIndex));
    this.segments.splice(0, this.segments.length, emptySegment(header, path));
    this.lastIndex = header.firstIndex - 1;
    this.lastPosition = header.firstPosition - 1;
    this.lastEpoch = header.previousEpoch;
    this.#committed = this.lastIndex;
    this.configurations = [];
    this.#epochs.clear();
    this.#reader.clear();
    this.cuts++;
    // First, so that an open knows what it finds for what it is.
    const { previousEpoch, clusterId } = header;
    await this.#mark.beginAnew(this, facts, { previousEpoch, clusterId });
    await removeSegments(this.#disk, this.#directory);
    this.#next = await beginSegment(await this.#preparer.take(), header);
    await nameSegment(this.#disk, this.#directory, this.#next, header);
    const left = this.#file;
    this.#file = this.#next;
    this.#next = null;
    this.#fileBytes = this.#segmentBytes;
    await left.close().catch(() => undefined);
    await this.#mark.endBeginning(this);
    this.isBeginning = false;
    this.verify();
  }

  async #cut(index: number, onDurable: (error: JournalError | null) => void): Promise<void> {
    const failure = await this.#forgetBehind(index).then(
      () => null,
      (error: unknown) => ioError(this.#directory, "cutting the end", error),
    );
    this.#isCutting = false;
    onDurable(failure);
  }

  async #forgetBehind(index: number): Promise<void> {
    await this.#discardNext();
    const kept = this.segments.findLast(({ firstIndex }) => firstIndex <= index) ?? this.segments[0];
    const places = await this.#placesFrom(kept, index);
    const isActive = kept === this.#active;
    const removed = this.segments.splice(this.segments.indexOf(kept) + 1);
    this.#endAt(kept, places[0]);
    // First, so that an open never misses what is cut.
    await this.#mark.lower(this);
    for (const { path } of removed.toReversed()) await this.#remove(path);
    if (!isActive) await this.#goBackTo(kept);
    // Frame by frame, as of two that one write takes back a crash may leave the later one.
    for (let i = places.length - 1; i > 0; i--) {
      await zeroBackwards(this.#file, places[i - 1].offset, places[i].offset);
    }
    this.verify();
  }

  /** Where the frames behind `index` in a segment begin, and where the last one ends. */
  async #placesFrom(segment: Segment, index: number): Promise<FramePosition[]> {
    const file = await this.openForReading(segment);
    try {
      const scanner = new FrameScanner(file, segment, segment.end, RECOVERY_READ_BYTES);
      const places = scanner.lastIndex === index ? [scanner.position] : [];
      while (await scanner.fill()) while (scanner.next()) if (scanner.lastIndex >= index) places.push(scanner.position);
      if (scanner.offset === segment.end) return places;
      throw corrupt(segment.path, scanner.offset, `intact frame ${scanner.lastIndex + 1} was here`);
    } finally {
      await file.close();
    }
  }

  #endAt(segment: Segment, { offset, lastIndex, lastPosition, lastEpoch }: FramePosition): void {
    segment.end = offset;
    segment.lastIndex = lastIndex;
    segment.lastPosition = lastPosition;
    this.lastIndex = lastIndex;
    this.lastPosition = lastPosition;
    this.lastEpoch = lastEpoch;
    this.#epochs.cutBehind(lastIndex);
    this.configurations = this.configurations.filter(({ index }) => index <= lastIndex);
    this.#reader.cutBehind(lastIndex);
    this.cuts++;
  }

  /** Makes the last segment the one written to. */
  async #goBackTo({ path }: Segment): Promise<void> {
    const file = await this.#disk.openForWriting(path);
    const left = this.#file;
    this.#file = file;
    this.#fileBytes = (await file.size()).bytes;
    await left.close().catch(() => undefined);
  }

  /** A next segment that could not be named follows frames that there may not be any more. */
  async #discardNext(): Promise<void> {
    const file = this.#next;
    if (file === null) return;
    this.#next = null;
    await file.close();
    await this.#remove(file.path);
  }

  async #remove(path: string): Promise<void> {
    await this.#disk.remove(path).catch(ignoreMissing);
    await this.#disk.syncDirectory(this.#directory);
  }

  #write(bytes: Buffer): void {
    const { end, firstIndex, lastIndex, path } = this.#active;
    assert(this.#file.path === path, "the file written to is that of the last segment");
    assert(end >= SEGMENT_HEADER_BYTES, "frames lie behind the segment's header");
    assert(lastIndex === this.lastIndex, "the log ends where its last segment does");
    const fits = end + this.#frameLength <= this.#fileBytes;
    if (lastIndex >= firstIndex) assert(fits, "only a segment without frames grows");
    this.#file.write(bytes, this.#frameLength, end, this.#onWritten);
  }

  readonly #onWritten = (error: Error | null, count: number): void => {
    const active = this.#active;
    const failure = writeFailure(this.#file, this.#frameLength, active.end, error, count) ?? this.#mark.failure;
    if (failure === null) {
      assert(this.#frameLastPosition >= this.lastPosition, "positions only grow");
      assert(this.#frameEpoch >= this.lastEpoch, "epochs only grow");
      active.end += this.#frameLength;
      active.lastIndex = this.#frameIndex;
      active.lastPosition = this.#frameLastPosition;
      this.lastIndex = this.#frameIndex;
      this.lastPosition = this.#frameLastPosition;
      this.lastEpoch = this.#frameEpoch;
      this.#epochs.add(this.#frameEpoch, this.#frameIndex);
      const configuration = this.#frameConfiguration;
      // One that has begun anew may know a list before its frame.
      const isNews = configuration !== null && configuration.index > this.facts.membersIndex;
      if (isNews) this.configurations = [...this.configurations, configuration];
      this.#fileBytes = Math.max(this.#fileBytes, active.end);
      this.#preparer.advance(active.end);
    }
    this.#end(failure);
  };

  #end(error: JournalError | null): void {
    const onDurable = this.#onDurable;
    assert(onDurable !== null, "a frame was at the disk");
    this.#onDurable = null;
    onDurable(error);
  }

  /**
   * Makes the next segment the last, as far as the attempt before has not come. Resolves to the reason when it cannot; no
   * byte of the frame that asked for it is written by then, so it may be tried again.
   */
  async #roll(): Promise<JournalError | null> {
    const { number, clusterId, lastIndex } = this.#active;
    assert(lastIndex === this.lastIndex, "a segment is left behind its last frame");
    const header = {
      salt: this.salt,
      clusterId,
      number: number + 1,
      firstIndex: this.lastIndex + 1,
      firstPosition: this.lastPosition + 1,
      previousEpoch: this.lastEpoch,
    };
    let segment: Segment;
    try {
      this.#next ??= await beginSegment(await this.#preparer.take(), header);
      segment = await nameSegment(this.#disk, this.#directory, this.#next, header);
    } catch (error) {
      const reason = ioError(this.#directory, "making the next segment", error);
      // Room was set aside for this. Whether it is given back shows at the next attempt.
      if (reason.isNoRoom) await this.#reserve.release().catch(() => false);
      return reason;
    }
    const full = this.#file;
    this.#file = this.#next;
    this.#next = null;
    this.#fileBytes = this.#segmentBytes;
    this.segments.push(segment);
    this.verify();
    // All that it holds is durable, whatever comes of closing it.
    await full.close().catch(() => undefined);
    return null;
  }
}

/** Opens the log in a directory, which is made when it is missing, and brings its end in order. */
export async function openDirectoryLog(options: DirectoryLogOptions): Promise<DirectoryLog> {
  const mark = await openMark(options);
  let log: DirectoryLog;
  try {
    log = await (mark.found.begunAnew === null
      ? findLog(options, mark)
      : goOnWithBeginning(options, mark, mark.found.begunAnew));
  } catch (error) {
    await mark.close();
    throw error;
  }
  try {
    // Where a loss was accepted, the mark tells of more than there is.
    await (log.lastIndex < mark.found.lastIndex ? mark.lower(log) : log.mark());
    if (!mark.facts.isWhole) await mark.remember(log, { ...mark.facts, isWhole: true });
  } catch (error) {
    await log.close();
    throw error;
  }
  return log;
}

async function findLog(options: DirectoryLogOptions, mark: Mark): Promise<DirectoryLog> {
  const recovered = await recoverLog(options, mark.found, repairOf(options, mark));
  return recovered.segments.length === 0 ? makeLog(options, mark) : continueLog(options, mark, recovered);
}

/** The log was being begun anew when its process ended: none of the segments holds a frame of it. */
async function goOnWithBeginning(
  options: DirectoryLogOptions,
  mark: Mark,
  { previousEpoch, clusterId }: BegunAnew,
): Promise<DirectoryLog> {
  const { disk, directory } = options;
  const { salt, oldestNumber: number, oldestFirst: firstIndex, lastPosition } = mark.found;
  if (options.clusterId !== null && options.clusterId !== clusterId)
    throw ofCluster(directory, clusterId, options.clusterId);
  await removeSegments(disk, directory);
  const beginning = { number, firstIndex, firstPosition: lastPosition + 1, previousEpoch };
  const log = await makeLog({ ...options, newSalt: salt, newClusterId: clusterId, beginning }, mark);
  await mark.endBeginning(log);
  return log;
}

/** From before anything is put back until all is, the replica does not vote, whatever ends this process. */
function repairOf({ askForFrames, onRepaired }: DirectoryLogOptions, mark: Mark): LogRepair | null {
  const { found, facts } = mark;
  // One that has no others, or was never listed with them, is not theirs.
  if (askForFrames === undefined || facts.members.length <= 1 || found.newestNumber === 0) return null;
  return {
    ask: askForFrames,
    begin: async () => {
      if (mark.facts.isWhole) await mark.remember(markedLog(found), { ...facts, isWhole: false });
    },
    onRepaired: (frames) => onRepaired?.(frames),
    promised: facts.promised,
  };
}

/** The log as the mark tells of it: while it is repaired, that stays so. */
function markedLog(found: Extent): MarkedLog {
  const { salt, end, lastIndex, lastPosition, committed } = found;
  const oldest = { number: found.oldestNumber, firstIndex: found.oldestFirst, end, lastIndex, lastPosition };
  const newest = { ...oldest, number: found.newestNumber, firstIndex: found.newestFirst };
  return { segments: [oldest, newest], salt, lastIndex, lastPosition, committed, isWriting: false };
}

async function makeLog(options: DirectoryLogOptions, mark: Mark): Promise<DirectoryLog> {
  const { disk, directory, segmentBytes } = options;
  const header = {
    salt: options.newSalt,
    clusterId: options.newClusterId,
    ...(options.beginning ?? FIRST),
  };
  const file = await beginSegment(await preparerFor(options).take(), header);
  try {
    const segment = await nameSegment(disk, directory, file, header);
    const end = startOf(header);
    return new DirectoryLog(options, mark, [segment], file, segmentBytes, {
      end,
      epochs: new Epochs(),
      configurations: [],
      committed: end.lastIndex,
    });
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function continueLog(options: DirectoryLogOptions, mark: Mark, recovered: RecoveredLog): Promise<DirectoryLog> {
  const { disk, segmentBytes } = options;
  const { segments } = recovered;
  const last = segments[segments.length - 1];
  const file = await disk.openForWriting(last.path);
  try {
    const { bytes } = await file.size();
    assert(last.end <= bytes, "frames lie within their file");
    if (bytes < segmentBytes) await file.resize(segmentBytes);
    return new DirectoryLog(options, mark, segments, file, Math.max(bytes, segmentBytes), recovered);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function preparerFor({ disk, clock, directory, segmentBytes, reserve }: DirectoryLogOptions): SegmentPreparer {
  return new SegmentPreparer(disk, clock, directory, segmentBytes, reserve);
}

/** Of the first segment of a log that begins anew. Not numbered as the first of a journal is: without its mark it is not whole. */
function beginningHeader(
  { firstIndex, firstPosition, previousEpoch }: Beginning,
  lastNumber: number,
  { salt, clusterId }: Pick<SegmentHeader, "salt" | "clusterId">,
): SegmentHeader {
  return { salt, clusterId, number: Math.min(lastNumber + 1, firstIndex), firstIndex, firstPosition, previousEpoch };
}

/** Removes all segments, durably. */
async function removeSegments(disk: Disk, directory: string): Promise<void> {
  for (const name of await disk.list(directory)) {
    if (isSegmentName(name)) await disk.remove(join(directory, name)).catch(ignoreMissing);
  }
  await disk.syncDirectory(directory);
}

/** Gives a prepared file its header, durably. A file that this failed for is not written again, and closed. */
async function beginSegment(file: DiskFile, header: SegmentHeader): Promise<DiskFile> {
  try {
    await writeDurably(file, encodeSegmentHeader(header), SEGMENT_HEADER_BYTES, 0);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Gives a file that has its header its name, and then makes the name durable. May be called again when it failed: unlike a
 * file's content, a name that a directory's sync could not make durable stays for the next sync to do.
 */
async function nameSegment(disk: Disk, directory: string, file: DiskFile, header: SegmentHeader): Promise<Segment> {
  const path = join(directory, segmentName(header.firstIndex));
  if (file.path !== path) {
    await disk.rename(file.path, path);
    file.path = path;
  }
  await disk.syncDirectory(directory);
  return emptySegment(header, path);
}

function verifySegment({ number, firstIndex, lastIndex, firstPosition, lastPosition, end }: Segment): void {
  assert(number >= 1, "segments are numbered from 1");
  assert(firstIndex >= number, "each segment before holds a frame");
  assert(firstPosition >= 1, "positions count from 1");
  if (firstIndex === 1) assert(firstPosition === 1, "a journal begins with record 1");
  assert(lastIndex >= firstIndex - 1, "a segment holds no frame before its first");
  assert(lastPosition >= firstPosition - 1, "a segment holds no record before its first");
  const frames = lastIndex - firstIndex + 1;
  const records = lastPosition - firstPosition + 1;
  const bytesMin = SEGMENT_HEADER_BYTES + frames * FRAME_HEADER_BYTES + records * RECORD_HEADER_BYTES;
  assert(end >= bytesMin, "each frame and each record takes room");
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
