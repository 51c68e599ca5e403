/**
 * Reads a journal of format version 1 or 2, whose segments lie beside a mark of version 1 or beside none, with all that an
 * open of those versions checked. It changes nothing. Integers are little-endian; the version of a segment is 2 when it
 * holds a frame of more than 4 MiB.
 *
 *     segment     0 magic "plinth-j", 8 version u32, 12 salt u32, 16 clusterId, 32 number u64, 40 firstPosition u64 (its
 *                 name), 48 previousEpoch u64, 60 crc of bytes 0 … 60; frames from 4096 on
 *     frame       0 length u32, 4 crc of bytes 8 … length seeded with the salt, 8 epoch u64, 16 previousPosition u64,
 *                 24 previousEpoch u64, 32 lastPosition u64, 40 committed position u64, 48 for each record u32 length, bytes
 *     mark slot   0 magic "plinth-m", 8 version u32, 12 salt u32, 16 sequence u64, 24 oldestNumber u64,
 *                 32 oldestPosition u64, 40 newestNumber u64, 48 newestPosition u64, 56 end u64, 64 lastPosition u64,
 *                 76 crc of bytes 0 … 76; at 4096 and 8192
 */
import { basename, join } from "node:path";
import { crc32 } from "node:zlib";
import { readUint64 } from "../frame.ts";
import type { AcceptLoss } from "../journal.ts";
import { JournalError } from "../journal.ts";
import { corrupt, incomplete, REMEDY } from "../journal-errors.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { readFully } from "./disk.ts";
import type { Extent } from "./mark.ts";
import { MARK_NAME, UNKNOWN_EXTENT } from "./mark.ts";
import { isSegmentName, segmentName } from "./segment.ts";
import { meetLoss, missingBeginning, missingEnd, missingSegment, refuse } from "./wholeness.ts";

const SEGMENT_MAGIC = Buffer.from("plinth-j", "latin1");
const MARK_MAGIC = Buffer.from("plinth-m", "latin1");
const SEGMENT_HEADER_BYTES = 4096;
const FRAME_HEADER_BYTES = 48;
const RECORD_HEADER_BYTES = 4;
const SLOT_OFFSETS = [4096, 8192] as const;
const MARK_BYTES = 12_288;
/** Largest frame of version 2. */
const FRAME_BYTES_MAX = FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + 64 * 1024 * 1024 + 64 * 1024;

/** What the mark tells; what names the segments is a position there. Nothing when there is no mark. */
export async function readOlderMark(file: DiskFile | null): Promise<Extent> {
  if (file === null) return UNKNOWN_EXTENT;
  const bytes = Buffer.alloc(MARK_BYTES);
  await readFully(file, bytes, MARK_BYTES, 0);
  let newest: Extent | null = null;
  let sequence = 0;
  for (const offset of SLOT_OFFSETS) {
    const slot = bytes.subarray(offset, offset + 80);
    if (!slot.subarray(0, 8).equals(MARK_MAGIC)) continue;
    const version = slot.readUInt32LE(8);
    if (version !== 1) throw unknownVersion(file.path, "mark of", version, 1);
    if (crc32(slot.subarray(0, 76)) !== slot.readUInt32LE(76) || readUint64(slot, 16) <= sequence) continue;
    sequence = readUint64(slot, 16);
    newest = {
      ...UNKNOWN_EXTENT,
      salt: slot.readUInt32LE(12),
      oldestNumber: readUint64(slot, 24),
      oldestFirst: readUint64(slot, 32),
      newestNumber: readUint64(slot, 40),
      newestFirst: readUint64(slot, 48),
      end: readUint64(slot, 56),
      lastPosition: readUint64(slot, 64),
    };
  }
  if (newest === null) throw corrupt(file.path, SLOT_OFFSETS[0], `neither slot of the mark is intact; ${REMEDY}`);
  return newest;
}

/** What is wrong with a mark that must be there and is not. */
export function missingOlderMark(directory: string): JournalError {
  return incomplete(join(directory, MARK_NAME), "the journal's mark is missing");
}

function unknownVersion(path: string, what: string, version: number, supported: number): JournalError {
  const text = `${path}: ${what} version ${version}, this program supports version ${supported}`;
  return new JournalError("ERR_JOURNAL_FORMAT", text);
}

/** Walks the frames of a segment. */
export class OlderSegment {
  readonly path: string;
  readonly salt: number;
  readonly clusterId: string;
  readonly number: number;
  readonly firstPosition: number;
  readonly previousEpoch: number;
  /** Of the frames that `next` has come by. */
  end = SEGMENT_HEADER_BYTES;
  lastPosition: number;
  lastEpoch: number;
  readonly lastIndex = 0;
  readonly #bytes: Buffer;
  #frameStart = SEGMENT_HEADER_BYTES;

  constructor(path: string, bytes: Buffer) {
    if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) {
      throw corrupt(path, 0, "not the header of a journal segment");
    }
    const version = bytes.readUInt32LE(8);
    if (version !== 1 && version !== 2) throw unknownVersion(path, "journal format", version, 3);
    if (crc32(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60)) {
      throw corrupt(path, 0, "the segment header fails its checksum");
    }
    this.path = path;
    this.salt = bytes.readUInt32LE(12);
    this.clusterId = bytes.toString("hex", 16, 32);
    this.number = readUint64(bytes, 32);
    this.firstPosition = readUint64(bytes, 40);
    this.previousEpoch = readUint64(bytes, 48);
    if (!Number.isSafeInteger(this.firstPosition) || segmentName(this.firstPosition) !== basename(path)) {
      throw corrupt(path, 40, `the segment begins with record ${this.firstPosition}, its name says otherwise`);
    }
    this.lastPosition = this.firstPosition - 1;
    this.lastEpoch = this.previousEpoch;
    this.#bytes = bytes;
  }

  /** Moves to the next frame. False behind the last intact one. */
  next(): boolean {
    const bytes = this.#bytes;
    const length = intactLength(bytes, this.end, this.salt);
    if (length === 0) return false;
    const previousPosition = readUint64(bytes, this.end + 16);
    if (previousPosition !== this.lastPosition || readUint64(bytes, this.end + 24) !== this.lastEpoch) return false;
    this.lastEpoch = readUint64(bytes, this.end + 8);
    this.lastPosition = readUint64(bytes, this.end + 32);
    this.#frameStart = this.end;
    this.end += length;
    return true;
  }

  /** The records of the frame. */
  *records(): Generator<Buffer, void, undefined> {
    for (let offset = this.#frameStart + FRAME_HEADER_BYTES; offset < this.end;) {
      const start = offset + RECORD_HEADER_BYTES;
      offset = start + this.#bytes.readUInt32LE(offset);
      yield this.#bytes.subarray(start, offset);
    }
  }

  /** Refuses other bytes behind the frames when a later frame is among them: then they were acknowledged records. */
  checkRest(): void {
    const bytes = this.#bytes;
    for (let offset = this.end; offset + FRAME_HEADER_BYTES <= bytes.length; offset++) {
      if (intactLength(bytes, offset, this.salt) === 0) continue;
      if (readUint64(bytes, offset + 16) < this.lastPosition) continue;
      const text = `a damaged frame behind record ${this.lastPosition}; an intact one follows at offset ${offset}`;
      throw corrupt(this.path, this.end, text);
    }
  }
}

/** Length of the intact frame at an offset; 0 when none is there. */
function intactLength(bytes: Buffer, offset: number, salt: number): number {
  if (bytes.length - offset < FRAME_HEADER_BYTES) return 0;
  const length = bytes.readUInt32LE(offset);
  if (length < FRAME_HEADER_BYTES || length > FRAME_BYTES_MAX || length > bytes.length - offset) return 0;
  const previousPosition = readUint64(bytes, offset + 16);
  const lastPosition = readUint64(bytes, offset + 32);
  if (readUint64(bytes, offset + 24) > readUint64(bytes, offset + 8)) return 0;
  if (readUint64(bytes, offset + 40) > previousPosition || lastPosition < previousPosition) return 0;
  const recordCount = lastPosition - previousPosition;
  if (recordCount > (length - FRAME_HEADER_BYTES) / RECORD_HEADER_BYTES) return 0;
  if (crc32(bytes.subarray(offset + 8, offset + length), salt) !== bytes.readUInt32LE(offset + 4)) return 0;
  let end = offset + FRAME_HEADER_BYTES;
  for (let i = 0; i < recordCount; i++) {
    if (offset + length - end < RECORD_HEADER_BYTES) return 0;
    end += RECORD_HEADER_BYTES + bytes.readUInt32LE(end);
  }
  return end === offset + length ? length : 0;
}

/** The salt of a segment's journal. */
export async function saltOf(disk: Disk, path: string): Promise<number> {
  return new OlderSegment(path, await readFile(disk, path, SEGMENT_HEADER_BYTES)).salt;
}

export interface OlderLogOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** The cluster the segments must belong to, or null to take any. */
  readonly clusterId: string | null;
  readonly acceptLoss: AcceptLoss | null;
}

/** The segments in order, each checked as far as it is not walked; whoever takes one walks it before the next. */
export async function* readOlderSegments(
  { disk, directory, clusterId, acceptLoss }: OlderLogOptions,
  marked: Extent,
): AsyncGenerator<OlderSegment, void, undefined> {
  const names = (await disk.list(directory)).filter(isSegmentName).toSorted();
  if (names.length === 0) refuse(missingBeginning(directory, undefined, marked));
  let before: OlderSegment | null = null;
  for (const name of names) {
    const path = join(directory, name);
    const segment = new OlderSegment(path, await readFile(disk, path));
    checkPlace(segment, before, clusterId);
    if (before === null) refuse(missingBeginning(directory, segment, marked));
    const isLast = name === names.at(-1);
    const acceptMissing = segment.number < marked.oldestNumber ? null : acceptLoss;
    if (isLast) await meetLoss(missingSegment(directory, segment, marked), acceptMissing);
    yield segment;
    while (segment.next());
    if (isLast) {
      segment.checkRest();
      await meetLoss(missingEnd(segment, marked), acceptLoss);
    }
    before = segment;
  }
}

function checkPlace(segment: OlderSegment, before: OlderSegment | null, clusterId: string | null): void {
  const { path, number, firstPosition, previousEpoch, salt } = segment;
  if (clusterId !== null && segment.clusterId !== clusterId) {
    const text = `${path}: belongs to cluster ${segment.clusterId}, not to ${clusterId}`;
    throw new JournalError("ERR_JOURNAL_CLUSTER", text);
  }
  if (before === null) {
    if (firstPosition >= 1 && number >= 1 && (number > 1 || (firstPosition === 1 && previousEpoch === 0))) return;
    throw corrupt(path, 32, `segment ${number} cannot begin with record ${firstPosition}`);
  }
  if (segment.clusterId !== before.clusterId || salt !== before.salt) {
    throw corrupt(path, 12, `not of the same journal as ${before.path}`);
  }
  if (number !== before.number + 1) {
    throw corrupt(path, 32, `segment ${number} follows segment ${before.number}: segments are missing between them`);
  }
  if (firstPosition !== before.lastPosition + 1 || previousEpoch !== before.lastEpoch) {
    const text = `records up to ${firstPosition - 1} (epoch ${previousEpoch}) must precede ${path}, but the intact frames end with record ${before.lastPosition} (epoch ${before.lastEpoch})`;
    throw corrupt(before.path, before.end, text);
  }
}

async function readFile(disk: Disk, path: string, bytesMax = Infinity): Promise<Buffer> {
  const file = await disk.openForReading(path);
  try {
    const size = Math.min(bytesMax, (await file.size()).bytes);
    const bytes = Buffer.allocUnsafeSlow(size);
    return bytes.subarray(0, await readFully(file, bytes, size, 0));
  } finally {
    await file.close();
  }
}
