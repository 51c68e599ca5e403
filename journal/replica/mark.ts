/**
 * What a log is known to hold, written beside its segments: where it begins, and how far it was durable a moment ago. An
 * open holds what it finds against that, as frames alone cannot tell a log that has lost its ends from a shorter one.
 * The mark lags behind the log by `MARK_LAG_MS`, so that no frame waits for it: it never tells of more than is durable.
 *
 * The file is also what the writer's lock is on: without it the log does not open, so nobody takes it for a stale lock. No
 * frame is written unless the file had its name not longer than `MARK_LAG_MS` before.
 * It begins as an empty SQLite database, as SQLite has the kernel's locks and asks for that; this part never changes.
 * Two slots follow, in blocks of their own. The next state is written over the older one, so that one is always whole.
 * What must not be forgotten or was taken back is written to both before it counts: a slot that is read in place of a
 * damaged one may tell less, and nothing wrong.
 *
 * A log that is begun anew is what its mark says from the moment that this is durable: no frame behind `lastIndex`, whatever
 * segments there are. While they go and the new one is made, the mark says so too, with what the new one's header needs, and
 * an open goes on with it.
 *
 *   offset   size   field
 *        0   4096   an SQLite database of one empty page
 *     4096   4096   first slot
 *     8192   4096   second slot; the one with the greater sequence counts
 *
 * A slot, little-endian. All zero is none.
 *
 *   offset  size  field
 *        0     8  magic            "plinth-m"
 *        8     4  version          2
 *       12     4  salt             of the log, 0 when nothing is known of it
 *       16     8  sequence         1, 2, 3 …
 *       24     8  oldestNumber     of the first segment that trimming has left, 0 when nothing is known
 *       32     8  oldestFirst      index of its first frame; its name
 *       40     8  newestNumber     of the segment written to, 0 when nothing is known
 *       48     8  newestFirst      index of its first frame; its name
 *       56     8  end              offset in it behind the last frame that was durable
 *       64     8  lastIndex        of the last frame that was durable
 *       72     8  lastPosition     of the last record that was durable
 *       80     8  committed        index of the last frame that was known to be committed, <= lastIndex
 *       88     8  replicaId        made at random with the directory
 *       96     8  promisedEpoch    no frame of a lower one is taken
 *      104     8  promisedWriter   the process that it was promised to
 *      112     4  leaseMsMax       the longest lease that was ever granted, ms
 *      116     1  isWhole          0 while something that was committed is missing or damaged, else 1
 *      117     1  memberCount      0 to 5
 *      118     2  zero
 *      120     8  membersIndex     of the configuration frame that the members come from
 *      128   200  members          five times: zone (32 bytes, filled up with zeros), replicaId (8); zeros behind the last
 *      328     8  previousEpoch    of the frame before the first while the log is being begun anew, else 0
 *      336    16  clusterId        of the log while it is being begun anew, else zeros
 *      352     …  zeros            to 508
 *      508     4  crc              zlib.crc32 of bytes 0 … 508
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Disk, DiskFile } from "./disk.ts";
import { namesIn, readFully, writeDurably } from "./disk.ts";
import { readUint64, writeUint64 } from "../frame.ts";
import { decodeMembers, encodeMembers } from "./configuration.ts";
import type { ReplicaFacts } from "./facts.ts";
import { MEMBERS_MAX, newFacts } from "./facts.ts";
import type { AcceptLoss } from "../journal.ts";
import { JournalError } from "../journal.ts";
import { corrupt, incomplete, ioError, REMEDY } from "../journal-errors.ts";
import { MARK_LAG_MS } from "../limits.ts";
import type { Clock, Timer } from "../time.ts";
import type { Segment } from "./segment.ts";
import { isSegmentName } from "./segment.ts";

export const MARK_NAME = "MARK";
/** While the file is made. What a crash leaves of it is made anew. */
export const UNNAMED_MARK = "MARK.tmp";

const VERSION = 2;
const MAGIC = Buffer.from("plinth-m", "latin1");
const PAGE_BYTES = 4096;
const SLOT_OFFSETS = [PAGE_BYTES, 2 * PAGE_BYTES] as const;
const FILE_BYTES = 3 * PAGE_BYTES;
/** What of a slot is written: a sector, which is written as a whole or not at all by most disks. */
const SLOT_BYTES = 512;
const CRC_OFFSET = 508;
const MEMBERS_OFFSET = 128;
const BEGUN_OFFSET = 328;
const CLUSTER_ID_BYTES = 16;

/** Of a log that is being begun anew: what its first segment's header needs, beside its extent. */
export interface BegunAnew {
  /** Of the frame before the first; not 0. */
  readonly previousEpoch: number;
  /** 32 hex digits. */
  readonly clusterId: string;
}

/** What a log was known to hold. */
export interface Extent {
  readonly salt: number;
  readonly oldestNumber: number;
  /** What the name of the oldest segment says: the index of its first frame. */
  readonly oldestFirst: number;
  readonly newestNumber: number;
  readonly newestFirst: number;
  readonly end: number;
  readonly lastIndex: number;
  readonly lastPosition: number;
  /** Index of the last frame that was known to be committed. */
  readonly committed: number;
  /** Segments that are there are none of its; null for a log whose segments are. */
  readonly begunAnew: BegunAnew | null;
}

/** Of a log of which nothing is known: it was never made, or by a program without marks. */
export const UNKNOWN_EXTENT: Extent = {
  salt: 0,
  oldestNumber: 0,
  oldestFirst: 0,
  newestNumber: 0,
  newestFirst: 0,
  end: 0,
  lastIndex: 0,
  lastPosition: 0,
  committed: 0,
  begunAnew: null,
};

type MarkedSegment = Pick<Segment, "number" | "firstIndex" | "end" | "lastIndex" | "lastPosition">;

/** The log as far as the mark tells of it. */
export interface MarkedLog {
  readonly segments: readonly MarkedSegment[];
  readonly salt: number;
  readonly lastIndex: number;
  readonly lastPosition: number;
  readonly committed: number;
  /** A frame is at the disk. */
  readonly isWriting: boolean;
}

export class Mark {
  /** What the last writer left. */
  readonly found: Extent;
  /** As both slots tell them. */
  facts: ReplicaFacts;
  /** A write of it failed for good: it takes no more until it is opened again. What may pass is tried again. */
  failure: JournalError | null = null;

  readonly #disk: Disk;
  readonly #file: DiskFile;
  readonly #clock: Clock;
  readonly #slot = Buffer.alloc(SLOT_BYTES);
  /** Of the last slot that is whole. */
  #sequence: number;
  #oldestNumber: number;
  #oldestFirst: number;
  #begunAnew: BegunAnew | null;
  /** As they are written from now on. */
  #nextFacts: ReplicaFacts;
  /** Runs while frames are written: then the next one is not the first after a rest. */
  #timer: Timer | null = null;
  /** Where the log ended that was written down last. */
  #number = 0;
  #end = 0;
  #committed = 0;
  /** The write at the disk, one at a time; it does not reject. */
  #writing: Promise<JournalError | null> | null = null;
  /** The look at its name, one at a time; it does not reject. */
  #looking: Promise<void> | null = null;

  constructor(disk: Disk, file: DiskFile, clock: Clock, slot: Slot) {
    this.#disk = disk;
    this.#file = file;
    this.#clock = clock;
    this.#sequence = slot.sequence;
    this.found = slot.extent;
    this.#oldestNumber = slot.extent.oldestNumber;
    this.#oldestFirst = slot.extent.oldestFirst;
    this.#begunAnew = slot.extent.begunAnew;
    this.facts = slot.facts;
    this.#nextFacts = slot.facts;
  }

  /**
   * Called for each frame before it is written: from then on the mark follows the log, until that rests.
   *
   * @returns null when the frame may be written, or what must have ended without a failure before: for the first frame after
   *   a rest, a look whether the lock is still that of the journal
   */
  follow(log: MarkedLog): Promise<void> | null {
    if (this.failure !== null) return Promise.resolve();
    if (this.#timer !== null) return null;
    this.#startTimer(log);
    return this.#checkName();
  }

  /**
   * Makes durable what the log holds now.
   *
   * @param oldest - the first segment that it will still hold from now on: those before it may go
   */
  async set(log: MarkedLog, oldest: MarkedSegment): Promise<void> {
    if (oldest.number > this.#oldestNumber) {
      this.#oldestNumber = oldest.number;
      this.#oldestFirst = oldest.firstIndex;
    }
    while (this.#writing !== null) await this.#writing;
    const failure = this.failure ?? (await this.#write(log));
    if (failure !== null) throw failure;
  }

  /** Makes durable that the log holds less than it did. */
  async lower(log: MarkedLog): Promise<void> {
    const [oldest] = log.segments;
    for (const _ of SLOT_OFFSETS) await this.set(log, oldest);
  }

  /** Makes facts durable that must not be forgotten. */
  async remember(log: MarkedLog, facts: ReplicaFacts): Promise<void> {
    assert(facts.replicaId === this.facts.replicaId, "a replica keeps its name");
    assert(facts.promised >= this.facts.promised, "promised epochs only grow");
    assert(facts.leaseMsMax >= this.facts.leaseMsMax, "a lease that was granted is not forgotten");
    this.#nextFacts = facts;
    await this.lower(log);
    // What is written into a file that has lost its name is forgotten.
    await this.#checkName();
    if (this.failure !== null) throw this.failure;
    this.facts = facts;
  }

  /**
   * Makes durable that the log is another one, which has no frame: its first segment is the one that it has now, and is not
   * there yet.
   */
  async beginAnew(log: MarkedLog, facts: ReplicaFacts, begunAnew: BegunAnew): Promise<void> {
    const [{ number, firstIndex }] = log.segments;
    assert(begunAnew.previousEpoch > 0, "a log that is begun anew follows frames");
    assert(log.committed === log.lastIndex, "a log is begun anew behind what is committed");
    this.#begunAnew = begunAnew;
    this.#oldestNumber = number;
    this.#oldestFirst = firstIndex;
    await this.remember(log, facts);
  }

  /** Makes durable that the segment is there, and no other. Before that nothing is written into it. */
  async endBeginning(log: MarkedLog): Promise<void> {
    assert(log.lastIndex < log.segments[0].firstIndex, "no frame is written while a log is being begun anew");
    this.#begunAnew = null;
    await this.lower(log);
  }

  /** Releases the file and its lock. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#writing;
    await this.#looking;
    await this.#file.close();
  }

  #isBehind({ segments, committed }: MarkedLog): boolean {
    const { number, end } = segments[segments.length - 1];
    return number !== this.#number || end !== this.#end || committed !== this.#committed;
  }

  #startTimer(log: MarkedLog): void {
    this.#timer = this.#clock.after(MARK_LAG_MS, () => {
      this.#timer = null;
      if (this.failure !== null || (!this.#isBehind(log) && !log.isWriting)) return;
      this.#startTimer(log);
      void this.#checkName();
      // A disk that is slower than the lag is not given more to do.
      if (this.#isBehind(log) && this.#writing === null) void this.#write(log);
    });
  }

  /** Who removes the mark, or puts another one in its place, lets a second writer in. */
  #checkName(): Promise<void> {
    // A disk that does not answer is not asked again: each look would hold a thread.
    this.#looking ??= this.#lookAtName();
    return this.#looking;
  }

  async #lookAtName(): Promise<void> {
    const { path } = this.#file;
    try {
      if (!(await this.#disk.isNameOf(path, this.#file)))
        throw incomplete(path, "removed or replaced while it was locked");
    } catch (error) {
      this.failure ??= ioError(path, "looking at the mark", error);
    }
    this.#looking = null;
  }

  #write(log: MarkedLog): Promise<JournalError | null> {
    assert(this.#writing === null, "one write of the mark at a time");
    const newest = log.segments.at(-1);
    assert(newest !== undefined, "a log has a segment to write to");
    const { lastIndex, lastPosition, committed } = log;
    assert(newest.lastIndex === lastIndex, "a log ends where its last segment does");
    assert(newest.lastPosition === lastPosition, "a log ends where its last segment does");
    assert(this.#oldestNumber <= newest.number, "trimming leaves a segment");
    const sequence = this.#sequence + 1;
    encodeSlot(
      this.#slot,
      sequence,
      {
        salt: log.salt,
        oldestNumber: this.#oldestNumber,
        oldestFirst: this.#oldestFirst,
        newestNumber: newest.number,
        newestFirst: newest.firstIndex,
        end: newest.end,
        lastIndex,
        lastPosition,
        committed,
        begunAnew: this.#begunAnew,
      },
      this.#nextFacts,
    );
    this.#writing = this.#writeSlot(sequence, newest.number, newest.end, committed);
    return this.#writing;
  }

  async #writeSlot(sequence: number, number: number, end: number, committed: number): Promise<JournalError | null> {
    let failure: JournalError | null = null;
    try {
      await writeDurably(this.#file, this.#slot, SLOT_BYTES, SLOT_OFFSETS[sequence % 2]);
      this.#sequence = sequence;
      this.#number = number;
      this.#end = end;
      this.#committed = committed;
    } catch (error) {
      // The slot may be torn. So it is the next to be written again, and the other one stays.
      failure = ioError(this.#file.path, "writing the mark", error);
      if (!failure.isPassing) this.failure = failure;
    }
    this.#writing = null;
    return failure;
  }
}

export interface MarkOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  /** A log was made here: directory and mark are not made. */
  readonly mustExist: boolean;
  readonly acceptLoss: AcceptLoss | null;
  /** Of a replica that is made. */
  readonly newReplicaId: number;
}

/**
 * Opens the mark of the log in a directory, with its lock. Directory and mark are made where they are missing.
 *
 * @throws JournalError `ERR_JOURNAL_INCOMPLETE` when it must exist and does not, `ERR_JOURNAL_LOCKED` when another owner
 *   has it, `ERR_JOURNAL_CORRUPT` when no slot of it is intact, `ERR_JOURNAL_FORMAT` when another version wrote it
 */
export async function openMark(options: MarkOptions): Promise<Mark> {
  const { disk, clock, directory, mustExist, acceptLoss, newReplicaId } = options;
  if (mustExist) await checkMade(disk, directory, acceptLoss);
  await disk.makeDirectory(directory);
  const path = join(directory, MARK_NAME);
  if (!(await disk.list(directory)).includes(MARK_NAME)) await makeMark(disk, directory, newReplicaId);
  const file = await disk.openLocked(path);
  try {
    return new Mark(disk, file, clock, await readSlot(file));
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What the mark in a directory that no process has open tells; nothing when there is none. */
export async function readMark(disk: Disk, directory: string): Promise<Extent> {
  const slot = await readNewestSlot(disk, directory);
  return slot?.extent ?? UNKNOWN_EXTENT;
}

/** What the replica in a directory that no process has open must not forget; null when there is no mark. */
export async function readFacts(disk: Disk, directory: string): Promise<ReplicaFacts | null> {
  const slot = await readNewestSlot(disk, directory);
  return slot?.facts ?? null;
}

async function readNewestSlot(disk: Disk, directory: string): Promise<Slot | null> {
  if (!(await disk.list(directory)).includes(MARK_NAME)) return null;
  const file = await disk.openForReading(join(directory, MARK_NAME));
  try {
    return await readSlot(file);
  } finally {
    await file.close();
  }
}

async function checkMade(disk: Disk, directory: string, acceptLoss: AcceptLoss | null): Promise<void> {
  const names = await namesIn(disk, directory);
  if (names.includes(MARK_NAME)) return;
  if (!names.some(isSegmentName)) {
    throw incomplete(directory, "the journal that was made here is missing: is its volume mounted?");
  }
  const loss = incomplete(join(directory, MARK_NAME), "the journal's mark is missing");
  if (acceptLoss === null) throw loss;
  await acceptLoss(loss);
}

async function makeMark(disk: Disk, directory: string, replicaId: number): Promise<void> {
  const bytes = Buffer.alloc(FILE_BYTES);
  encodeEmptyDatabase(bytes);
  encodeSlot(bytes.subarray(SLOT_OFFSETS[1]), 1, UNKNOWN_EXTENT, newFacts(replicaId));
  const file = await disk.create(join(directory, UNNAMED_MARK));
  try {
    await writeDurably(file, bytes, FILE_BYTES, 0);
  } finally {
    await file.close();
  }
  await disk.rename(join(directory, UNNAMED_MARK), join(directory, MARK_NAME));
  await disk.syncDirectory(directory);
}

interface Slot {
  readonly sequence: number;
  readonly extent: Extent;
  readonly facts: ReplicaFacts;
}

/** The newest slot that is whole. */
async function readSlot(file: DiskFile): Promise<Slot> {
  const bytes = Buffer.alloc(FILE_BYTES);
  await readFully(file, bytes, FILE_BYTES, 0);
  let newest: Slot | null = null;
  for (const offset of SLOT_OFFSETS) {
    const slot = decodeSlot(bytes.subarray(offset, offset + SLOT_BYTES), file.path);
    if (slot !== null && (newest === null || slot.sequence > newest.sequence)) newest = slot;
  }
  if (newest === null) throw corrupt(file.path, SLOT_OFFSETS[0], `neither slot of the mark is intact; ${REMEDY}`);
  return newest;
}

function encodeSlot(bytes: Buffer, sequence: number, extent: Extent, facts: ReplicaFacts): void {
  assert(extent.oldestNumber <= extent.newestNumber, "segments are numbered in order");
  assert(extent.oldestFirst <= extent.newestFirst, "indexes grow with the segments");
  assert(extent.committed <= extent.lastIndex, "what is known to be committed is durable");
  bytes.fill(0, 0, SLOT_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(extent.salt, 12);
  writeUint64(bytes, sequence, 16);
  writeUint64(bytes, extent.oldestNumber, 24);
  writeUint64(bytes, extent.oldestFirst, 32);
  writeUint64(bytes, extent.newestNumber, 40);
  writeUint64(bytes, extent.newestFirst, 48);
  writeUint64(bytes, extent.end, 56);
  writeUint64(bytes, extent.lastIndex, 64);
  writeUint64(bytes, extent.lastPosition, 72);
  writeUint64(bytes, extent.committed, 80);
  encodeFacts(bytes, facts);
  if (extent.begunAnew !== null) {
    writeUint64(bytes, extent.begunAnew.previousEpoch, BEGUN_OFFSET);
    bytes.write(extent.begunAnew.clusterId, BEGUN_OFFSET + 8, "hex");
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_OFFSET)), CRC_OFFSET);
}

function decodeSlot(bytes: Buffer, path: string): Slot | null {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION) {
    const text = `${path}: mark of version ${version}, this program supports version ${VERSION}`;
    throw new JournalError("ERR_JOURNAL_FORMAT", text);
  }
  if (crc32(bytes.subarray(0, CRC_OFFSET)) !== bytes.readUInt32LE(CRC_OFFSET)) return null;
  return {
    sequence: readUint64(bytes, 16),
    extent: {
      salt: bytes.readUInt32LE(12),
      oldestNumber: readUint64(bytes, 24),
      oldestFirst: readUint64(bytes, 32),
      newestNumber: readUint64(bytes, 40),
      newestFirst: readUint64(bytes, 48),
      end: readUint64(bytes, 56),
      lastIndex: readUint64(bytes, 64),
      lastPosition: readUint64(bytes, 72),
      committed: readUint64(bytes, 80),
      begunAnew: decodeBegunAnew(bytes),
    },
    facts: decodeFacts(bytes),
  };
}

function decodeBegunAnew(bytes: Buffer): BegunAnew | null {
  const previousEpoch = readUint64(bytes, BEGUN_OFFSET);
  if (previousEpoch === 0) return null;
  const clusterId = bytes.toString("hex", BEGUN_OFFSET + 8, BEGUN_OFFSET + 8 + CLUSTER_ID_BYTES);
  return { previousEpoch, clusterId };
}

function encodeFacts(bytes: Buffer, facts: ReplicaFacts): void {
  const { members } = facts;
  assert(members.length <= MEMBERS_MAX, "the mark has room for the members");
  writeUint64(bytes, facts.replicaId, 88);
  writeUint64(bytes, facts.promised, 96);
  writeUint64(bytes, facts.writer, 104);
  bytes.writeUInt32LE(facts.leaseMsMax, 112);
  bytes.writeUInt8(facts.isWhole ? 1 : 0, 116);
  bytes.writeUInt8(members.length, 117);
  writeUint64(bytes, facts.membersIndex, 120);
  encodeMembers(bytes, MEMBERS_OFFSET, members);
}

function decodeFacts(bytes: Buffer): ReplicaFacts {
  return {
    replicaId: readUint64(bytes, 88),
    promised: readUint64(bytes, 96),
    writer: readUint64(bytes, 104),
    leaseMsMax: bytes.readUInt32LE(112),
    isWhole: bytes.readUInt8(116) === 1,
    members: decodeMembers(bytes, MEMBERS_OFFSET, bytes.readUInt8(117)),
    membersIndex: readUint64(bytes, 120),
  };
}

/** What SQLite writes for a database without a table: https://sqlite.org/fileformat2.html, "The Database Header". */
function encodeEmptyDatabase(page: Buffer): void {
  page.write("SQLite format 3\0", 0, "latin1");
  page.writeUInt16BE(PAGE_BYTES, 16);
  // Format versions 1 (no write-ahead log), no reserved space, and the payload fractions that are always these.
  page.set([1, 1, 0, 64, 32, 32], 18);
  // One page, as of the first change of the file: SQLite looks at nothing behind it.
  page.writeUInt32BE(1, 24);
  page.writeUInt32BE(1, 28);
  page.writeUInt32BE(1, 92);
  // Schema format 4, text in UTF-8, then who wrote it: "plin", and an SQLite version that has all this.
  page.writeUInt32BE(4, 44);
  page.writeUInt32BE(1, 56);
  page.write("plin", 68, "latin1");
  page.writeUInt32BE(3_045_000, 96);
  // An empty leaf of the schema's table, whose cells would begin at the page's end.
  page.writeUInt8(13, 100);
  page.writeUInt16BE(PAGE_BYTES, 105);
}
