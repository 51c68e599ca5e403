/**
 * The journal on one directory: a record is committed when it is durable there.
 *
 * Group commit: one frame is at the disk, and what is appended meanwhile becomes the next one. When nothing is at the
 * disk, the frame closes at the end of the turn of the event loop, so that it takes along all that arrived in it. Two
 * frames at the disk were measured: no faster at 64 and 512 appenders, and recovery could not tell a crash from damage.
 */
import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { dirname, resolve } from "node:path";
import { Batch } from "./batch.ts";
import { carryOver } from "./carry-over.ts";
import type { Disk } from "./replica/disk.ts";
import { nodeDisk } from "./replica/disk.ts";
import type { DirectoryLog, DirectoryLogOptions } from "./replica/directory-log.ts";
import { openDirectoryLog } from "./replica/directory-log.ts";
import { FrameHeader, FRAME_HEADER_BYTES, KIND_BARRIER, KIND_RECORDS, sealFrame } from "./frame.ts";
import type { AcceptLoss, Journal, JournalListener, RecordRun } from "./journal.ts";
import { JournalError } from "./journal.ts";
import type { Clock, Turns } from "./time.ts";
import { checkPosition, closed, failed, ioError, tooLarge } from "./journal-errors.ts";
import {
  FRAME_BYTES_SOFT,
  RECORD_BYTES_MAX,
  SEGMENT_BYTES_DEFAULT,
  SEGMENT_BYTES_MIN,
  SPARE_BATCHES_MAX,
} from "./limits.ts";
import { LogCursor } from "./replica/log-cursor.ts";
import { LogRuns } from "./replica/log-runs.ts";
import { RoomReserve } from "./replica/room-reserve.ts";
import { SEGMENT_HEADER_BYTES } from "./replica/segment.ts";

export interface DirectoryJournalOptions {
  /** Made when it is missing. It is locked while it is open: two writers in one directory destroy the journal. */
  readonly directory: string;
  /**
   * A journal of a former format that lies in the directory above is carried over: told now and then how many records have
   * been, and of how many, where that is known. Without, it is not looked for.
   */
  readonly onCarriedOver?: (records: number, of: number | null) => void;
  /** A journal was made here once, so none is made; false unless given. */
  readonly mustExist?: boolean;
  /** Every loss is refused unless given. */
  readonly acceptLoss?: AcceptLoss;
  readonly listener: JournalListener;
  /** 32 hex digits. A new journal is made for it (for a random one without), an existing one must belong to it. */
  readonly clusterId?: string;
  /** Size of the files from now on; 64 MiB unless given. */
  readonly segmentBytes?: number;
  /** For metrics: one durable write took so long, from the call to its end, and carried so much. */
  readonly onFlush?: (milliseconds: number, bytes: number, records: number) => void;
  /**
   * The journal has failed before: it is opened only when there is room on the disk beyond what is set aside, so that it
   * does not fail at once of what it failed of before.
   */
  readonly isAgain?: boolean;
  readonly disk?: Disk;
  readonly clock: Clock;
  readonly turns: Turns;
  /** The wall clock, Unix ms: what frames tell people. Nothing is decided by it. */
  readonly wallMs: () => number;
}

export class DirectoryJournal implements Journal {
  /** This writer's reign: one more than that of any writer before. */
  readonly epoch: number;
  appended: number;
  committed: number;
  pendingBytes = 0;

  readonly #log: DirectoryLog;
  readonly #listener: JournalListener;
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #wallMs: () => number;
  readonly #onFlush: DirectoryJournalOptions["onFlush"];
  readonly #batchBytes: number;
  readonly #header = new FrameHeader();

  #open: Batch;
  /** Full batches behind the one at the disk, oldest first. */
  readonly #full: Batch[] = [];
  readonly #spare: Batch[] = [];
  /** The batch at the disk. */
  #flying: Batch | null = null;
  #flyingSince = 0;
  #turnScheduled = false;

  #failure: JournalError | null = null;
  #closing: Promise<void> | null = null;
  /** Closing, and nothing more will commit. */
  #settled = false;
  /** Called at the next commit, at a failure and at close. */
  #waiters: (() => void)[] = [];
  #trimming: Promise<void> = Promise.resolve();

  constructor(log: DirectoryLog, options: DirectoryJournalOptions, segmentBytes: number) {
    this.#log = log;
    this.#listener = options.listener;
    this.#clock = options.clock;
    this.#turns = options.turns;
    this.#wallMs = options.wallMs;
    this.#onFlush = options.onFlush;
    this.#batchBytes = Math.min(FRAME_BYTES_SOFT, segmentBytes - SEGMENT_HEADER_BYTES);
    this.#open = new Batch(this.#batchBytes);
    this.epoch = log.lastEpoch;
    this.appended = log.lastPosition;
    this.committed = log.lastPosition;
    this.#header.kind = KIND_BARRIER;
    log.onStalled = (reason) => this.#listener.onStalled?.(reason);
    assert(this.epoch >= 1, "a writer has a reign");
    assert(this.first <= this.appended + 1, "the first record kept is one that there is, or the next");
  }

  get first(): number {
    return this.#log.firstPosition;
  }

  get clusterId(): string {
    return this.#log.clusterId;
  }

  append(record: Uint8Array): number {
    if (this.#failure !== null) throw failed(this.#failure);
    if (this.#closing !== null) throw closed();
    if (record.length > RECORD_BYTES_MAX) throw tooLarge(record.length, RECORD_BYTES_MAX);
    if (!this.#open.fits(record.length)) {
      if (this.#open.recordCount > 0) this.#full.push(this.#open);
      else this.#recycle(this.#open);
      this.#open = this.#batchFor(record.length);
    }
    this.#open.add(record);
    this.pendingBytes += record.length;
    this.appended++;
    if (this.#flying === null && !this.#turnScheduled) {
      this.#turnScheduled = true;
      this.#turns.later(this.#endTurn);
    }
    return this.appended;
  }

  read(position: number): AsyncIterable<RecordRun> {
    checkPosition(position);
    return new LogRuns(new LogCursor(this.#log, position), this.committed);
  }

  tail(position: number, signal: AbortSignal): AsyncIterable<RecordRun> {
    checkPosition(position);
    return this.#follow(new LogCursor(this.#log, position), signal);
  }

  trim(position: number): Promise<void> {
    checkPosition(position);
    if (this.#closing !== null) return Promise.reject(closed());
    // What is not committed cannot be forgotten; one segment is always kept.
    const upTo = Math.min(position, this.committed + 1);
    const trimming = this.#trimming.then(() => this.#log.trim(upTo));
    this.#trimming = trimming.catch(() => undefined);
    return trimming;
  }

  /** Asserts that all counters and queues agree: each record appended is committed or in one batch, and no other is. */
  verify(): void {
    this.#log.verify();
    assert(this.committed <= this.appended, "only what was appended is committed");
    const isBusy = this.#flying !== null || this.#turnScheduled;
    if (this.#full.length > 0) assert(isBusy, "no full batch waits while nothing will send it");
    if (this.#failure !== null) return;
    const batches = [...this.#full, this.#open];
    if (this.#flying !== null) batches.unshift(this.#flying);
    let records = 0;
    let bytes = 0;
    for (const batch of batches) {
      batch.verify();
      records += batch.recordCount;
      bytes += batch.recordBytes;
    }
    assert(this.committed === this.#log.lastPosition, "what is durable is committed");
    assert(this.appended === this.committed + records, "each appended record is committed or in a batch");
    assert(this.pendingBytes === bytes, "the pending bytes are those in the batches");
    for (const spare of this.#spare) {
      assert(spare.recordCount === 0, "a spare batch is empty");
      assert(!batches.includes(spare), "a spare batch is not in use");
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  readonly #endTurn = (): void => {
    this.#turnScheduled = false;
    if (this.#flying === null) this.#flush();
  };

  /** Sends the oldest batch, when there is one with records. */
  #flush(): void {
    let batch = this.#full.shift();
    if (batch === undefined) {
      if (this.#open.recordCount === 0) return;
      batch = this.#open;
      this.#open = this.#batchFor(0);
    }
    this.#send(batch);
  }

  #send(batch: Batch): void {
    assert(this.#flying === null, "one batch at the disk at a time");
    assert(this.committed === this.#log.lastPosition, "what is durable is committed");
    const header = this.#header;
    assert(header.committed <= this.#log.lastIndex, "the committed index does not go back");
    header.length = batch.length;
    header.kind = batch.recordCount === 0 ? KIND_BARRIER : KIND_RECORDS;
    follow(header, this.#log);
    header.epoch = this.epoch;
    header.lastPosition += batch.recordCount;
    header.wallMs = this.#wallMs();
    assert(header.lastPosition <= this.appended, "only what was appended is sent");
    this.#flying = batch;
    this.#flyingSince = this.#clock.nowMs();
    sealFrame(batch.frame, header, this.#log.salt);
    this.#log.append(batch.frame, header, this.#onDurable);
  }

  readonly #onDurable = (error: JournalError | null): void => {
    const batch = this.#flying;
    assert(batch !== null, "a batch was at the disk");
    this.#flying = null;
    if (error !== null) {
      this.#fail(error);
      return;
    }
    const { length, recordCount } = batch;
    const milliseconds = this.#clock.nowMs() - this.#flyingSince;
    assert(this.#log.lastPosition === this.committed + recordCount, "the durable frame is the batch that was sent");
    this.committed = this.#log.lastPosition;
    this.#log.committed = this.#log.lastIndex;
    this.pendingBytes -= batch.recordBytes;
    assert(this.committed <= this.appended, "only what was appended is committed");
    assert(this.pendingBytes >= 0, "pending bytes are counted once");
    if (this.committed === this.appended) assert(this.pendingBytes === 0, "nothing is pending when all is committed");
    this.#recycle(batch);
    // The disk works on while the listener does.
    this.#flush();
    this.#onFlush?.(milliseconds, length, recordCount);
    if (recordCount > 0) this.#listener.onCommitted(this.committed);
    this.#wake();
  };

  #fail(error: JournalError): void {
    this.#failure = error;
    this.#full.length = 0;
    this.#open.clear();
    this.#listener.onFailed(error);
    this.#wake();
  }

  async #close(): Promise<void> {
    this.#log.endStall();
    await this.#settle();
    this.#settled = true;
    this.#wake();
    await this.#trimming;
    assert(this.#flying === null, "nothing is at the disk when the files are released");
    if (this.#failure === null) {
      assert(this.committed === this.appended, "a journal closes with all records committed");
      assert(this.#header.kind === KIND_BARRIER, "the last frame says that all before it was committed");
    }
    await this.#log.close();
  }

  /** Waits for the appended records, then writes down that all of them are committed, for the next open to know. */
  async #settle(): Promise<void> {
    while (this.#failure === null && this.committed < this.appended) await this.#change();
    if (this.#failure === null && this.#header.kind === KIND_RECORDS) {
      this.#send(this.#batchFor(0));
      while (this.#flying !== null) await this.#change();
    }
  }

  #batchFor(recordBytes: number): Batch {
    const bytes = Batch.bytesFor(recordBytes);
    if (bytes > this.#batchBytes) return new Batch(bytes);
    return this.#spare.pop() ?? new Batch(this.#batchBytes);
  }

  #recycle(batch: Batch): void {
    if (batch.frame.length !== this.#batchBytes || this.#spare.length === SPARE_BATCHES_MAX) return;
    batch.clear();
    this.#spare.push(batch);
  }

  async *#follow(cursor: LogCursor, signal: AbortSignal): AsyncGenerator<RecordRun, void, undefined> {
    const wake = (): void => this.#wake();
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        const { committed } = this;
        const run = cursor.take(committed);
        if (run !== null) {
          yield run;
          continue;
        }
        if (await cursor.load(committed)) continue;
        if (this.committed > committed) continue;
        if (this.#settled) return;
        await this.#change();
      }
    } finally {
      signal.removeEventListener("abort", wake);
      await cursor.close();
    }
  }

  /** Resolves at the next commit, failure or close; sometimes for no reason, so whoever waits looks again. */
  #change(): Promise<void> {
    return new Promise((resolveChange) => this.#waiters.push(resolveChange));
  }

  #wake(): void {
    const waiters = this.#waiters;
    if (waiters.length === 0) return;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}

/**
 * Opens the journal in a directory: checks what is there, cuts the torn end that a crash may have left, and begins a new
 * epoch durably. All records found are committed then; the listener hears only of those appended later.
 *
 * @throws JournalError `ERR_JOURNAL_CORRUPT` for damage no crash explains, `ERR_JOURNAL_FORMAT` for files of another
 *   format version, `ERR_JOURNAL_CLUSTER` for files of another cluster, `ERR_JOURNAL_INCOMPLETE` when a file that was made
 *   is missing, `ERR_JOURNAL_LOCKED` when another owner has it open, `ERR_JOURNAL_IO` when the disk fails
 */
export async function openDirectoryJournal(options: DirectoryJournalOptions): Promise<DirectoryJournal> {
  const { disk = nodeDisk, clock, clusterId = null, segmentBytes = SEGMENT_BYTES_DEFAULT } = options;
  const { mustExist = false, acceptLoss = null } = options;
  assert(clusterId === null || /^[0-9a-f]{32}$/.test(clusterId), "a cluster id is 32 lower-case hex digits");
  assert(Number.isSafeInteger(segmentBytes) && segmentBytes >= SEGMENT_BYTES_MIN, "segmentBytes below the minimum");
  const directory = resolve(options.directory);
  const made = {
    newClusterId: clusterId ?? randomBytes(16).toString("hex"),
    newSalt: randomInt(1, 2 ** 32),
    newReplicaId: randomInt(1, 2 ** 48 - 1),
  };
  const reserve = new RoomReserve(disk, directory, segmentBytes);
  const { onCarriedOver } = options;
  if (onCarriedOver !== undefined) {
    const older = dirname(directory);
    await carryOver({
      disk,
      clock,
      directory,
      older,
      segmentBytes,
      clusterId,
      ...made,
      mustExist,
      acceptLoss,
      onCarriedOver,
    }).catch((error: unknown) => {
      throw ioError(older, "carrying the journal over", error);
    });
  }
  const open = (): Promise<DirectoryLog> =>
    openLog(
      { disk, clock, directory, segmentBytes, clusterId, ...made, mustExist, acceptLoss, reserve },
      options.wallMs,
    );
  if (options.isAgain === true) {
    await reserve.prove().catch((error: unknown) => {
      throw ioError(directory, "looking for room", error);
    });
  }
  const log = await open().catch(async (error: unknown) => {
    if (!(error instanceof JournalError && error.isNoRoom)) throw error;
    // What was set aside is for this.
    await reserve.release().catch(() => false);
    return open();
  });
  return new DirectoryJournal(log, options, segmentBytes);
}

/** Opens the log and begins the next epoch. */
async function openLog(options: DirectoryLogOptions, wallMs: () => number): Promise<DirectoryLog> {
  let log: DirectoryLog;
  try {
    log = await openDirectoryLog(options);
  } catch (error) {
    throw ioError(options.directory, "opening the journal", error);
  }
  const { lastPosition, lastEpoch } = log;
  try {
    await appendBarrier(log, wallMs());
  } catch (error) {
    await log.close();
    throw error;
  }
  assert(log.lastEpoch > lastEpoch, "each reign has a greater epoch");
  assert(log.lastPosition === lastPosition, "a barrier takes no position");
  return log;
}

/** Begins the next epoch with a frame that holds nothing but it. */
function appendBarrier(log: DirectoryLog, wallMs: number): Promise<void> {
  const header = new FrameHeader();
  header.length = FRAME_HEADER_BYTES;
  header.kind = KIND_BARRIER;
  follow(header, log);
  header.epoch = log.lastEpoch + 1;
  header.wallMs = wallMs;
  const frame = Buffer.alloc(FRAME_HEADER_BYTES);
  sealFrame(frame, header, log.salt);
  return new Promise((resolveDurable, reject) => {
    log.append(frame, header, (error) => {
      if (error !== null) return reject(error);
      log.committed = log.lastIndex;
      resolveDurable();
    });
  });
}

/** Has a frame follow the last one of the log, which is committed: this journal is a quorum of one. */
function follow(header: FrameHeader, log: DirectoryLog): void {
  header.index = log.lastIndex + 1;
  header.previousEpoch = log.lastEpoch;
  header.previousPosition = log.lastPosition;
  header.lastPosition = log.lastPosition;
  header.committed = log.lastIndex;
}
