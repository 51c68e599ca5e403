/**
 * Finds out what a directory holds after any end of its last writer, and makes its end clean.
 *
 * A writer has one frame at the disk at a time, so a crash leaves intact frames, then at most one torn frame, then
 * zeros. The torn frame was never acknowledged; it is cut. Whatever cannot have come about that way is damage to
 * committed records, and is refused: a segment that does not continue the one before, a frame that does not reach the
 * next segment's beginning, a frame that is not intact though a later header is, an end or a beginning short of the mark,
 * an end short of what the mark knows to be committed. (What a frame says to be committed lies before it.)
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Configuration } from "./configuration.ts";
import { configurationIn } from "./configuration.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { readFully, writeDurably } from "./disk.ts";
import { FrameHeader, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, readFrame } from "../frame.ts";
import { Epochs } from "./epochs.ts";
import { findGap } from "./find-gap.ts";
import { FrameScanner, startOf } from "./frame-scanner.ts";
import type { AskForFrames, Gap } from "./gap.ts";
import { fillGap } from "./gap.ts";
import type { AcceptLoss } from "../journal.ts";
import { JournalError } from "../journal.ts";
import { corrupt, ioError } from "../journal-errors.ts";
import { RECOVERY_READ_BYTES, REPAIR_READ_BYTES } from "../limits.ts";
import { headerAgain, writeHeader } from "./header-again.ts";
import { zeroBackwards } from "./zeros.ts";
import { laterFrame } from "./later-frame.ts";
import type { LogEnd } from "./log-end.ts";
import type { Extent } from "./mark.ts";
import { PatientFile } from "./patient-file.ts";
import type { Segment } from "./segment.ts";
import {
  decodeSegmentHeader,
  emptySegment,
  firstIndexOf,
  isSegmentName,
  SEGMENT_HEADER_BYTES,
  UNNAMED_SEGMENT,
} from "./segment.ts";
import { checkPlace } from "./segment-place.ts";
import { meetLoss, missingBeginning, missingEnd, missingSegment, refuse } from "./wholeness.ts";

export interface RecoveredLog {
  /** Oldest first; empty in a new directory. */
  readonly segments: Segment[];
  readonly end: LogEnd;
  readonly epochs: Epochs;
  /** Lists of replicas that its frames bring. */
  readonly configurations: Configuration[];
  /** Highest committed index that mark and frames tell of. */
  readonly committed: number;
}

/** File systems give room in units of this, or of more. */
const BLOCK_BYTES = 4096;

export interface RecoveryOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** The cluster the segments must belong to, or null to take any. */
  readonly clusterId: string | null;
  readonly acceptLoss: AcceptLoss | null;
}

/** Puts back what is not intact. */
export interface LogRepair {
  readonly ask: AskForFrames;
  /** Called before anything is written. */
  begin(): Promise<void>;
  onRepaired(frames: number): void;
  /** A frame of a greater epoch is of a reign that began without this replica. */
  readonly promised: number;
}

/**
 * Reads and checks all segments of a directory, which hold at least what is marked, and cuts the torn tail of the last.
 *
 * @param repair null to refuse frames that are damaged
 */
export async function recoverLog(
  options: RecoveryOptions,
  marked: Extent,
  repair: LogRepair | null,
): Promise<RecoveredLog> {
  const { disk, directory, clusterId, acceptLoss } = options;
  const segments: Segment[] = [];
  let end: LogEnd = { lastIndex: 0, lastPosition: 0, lastEpoch: 0 };
  const epochs = new Epochs();
  const configurations: Configuration[] = [];
  let { committed } = marked;
  const paths = await segmentPaths(disk, directory);
  if (paths.length === 0) refuse(missingBeginning(directory, undefined, marked));
  for (const [index, path] of paths.entries()) {
    const isLast = index === paths.length - 1;
    const file = await openSegment(disk, path, isLast, repair !== null);
    try {
      const segment = await readSegmentHeader(file, path).catch(async (error: unknown) => {
        if (repair === null || !(error instanceof JournalError && error.code === "ERR_JOURNAL_CORRUPT")) throw error;
        const header = await headerAgain(file, segments.at(-1), end, marked, clusterId);
        if (header === null) throw unreadableIn(file) ?? error;
        await repair.begin();
        await writeHeader(file, header);
        return emptySegment(header, path);
      });
      checkPlace(segment, segments.at(-1), end, clusterId);
      if (index === 0) refuse(missingBeginning(directory, segment, marked));
      // Where all is missing that trimming had left, there is nothing to go on with.
      const acceptMissing = segment.number < marked.oldestNumber ? null : acceptLoss;
      if (isLast) await meetLoss(missingSegment(directory, segment, marked), acceptMissing);
      const size = await file.size();
      let position = startOf(segment);
      let lastFrameStart = SEGMENT_HEADER_BYTES;
      const scan = async (readBytes: number): Promise<void> => {
        const scanner = new FrameScanner(file, segment, size.bytes, readBytes, position);
        while (await scanner.fill()) {
          while (scanner.next()) {
            lastFrameStart = scanner.offset - scanner.frame.length;
            epochs.add(scanner.frame.epoch, scanner.frame.index);
            committed = Math.max(committed, scanner.frame.committed);
            const configuration = configurationIn(scanner.bytes, scanner.frameStart, scanner.frame);
            if (configuration !== null) configurations.push(configuration);
          }
        }
        position = scanner.position;
      };
      await scan(RECOVERY_READ_BYTES);
      if (repair !== null) {
        const lastIndex = isLast ? Math.max(marked.lastIndex, committed) : firstIndexOf(paths[index + 1]) - 1;
        const search = { file, segment, end: size.bytes, lastIndex, mayHoldMore: isLast };
        let gap = await findGap(search, position);
        // What this replica has promised, and lost with its end, cannot be in the way of a reign that began without it.
        while (gap !== null && (gap.next !== null || position.lastEpoch <= repair.promised)) {
          await refill(file, segment.salt, gap, repair);
          await scan(REPAIR_READ_BYTES);
          if (position.offset === gap.offset) {
            // Of a block that cannot be read they are a part, and others will give more.
            if (file instanceof PatientFile && file.failure !== null) throw file.failure;
            throw corrupt(path, gap.offset, "written again, and still not intact");
          }
          gap = await findGap(search, position);
        }
        if (!isLast) await zeroBackwards(file, position.offset, await endOfData(file, position.offset, size.bytes));
      }
      segment.lastIndex = position.lastIndex;
      segment.lastPosition = position.lastPosition;
      segment.end = position.offset;
      const { bytes } = await file.size();
      assert(segment.end <= bytes, "frames lie within their file");
      assert(lastFrameStart <= segment.end, "the last frame ends where the frames do");
      end = position;
      segments.push(segment);
      // Whether a frame was there that the mark does not tell of yet, nobody knows.
      if (isLast && file instanceof PatientFile && file.unreadableEnd > position.offset) throw file.failure;
      if (isLast)
        await makeEndClean(file, segment, end, lastFrameStart, size, async () => {
          if (repair === null) await meetLoss(missingEnd(segment, marked), acceptLoss);
        });
    } finally {
      await file.close();
    }
  }
  assert(end.lastIndex === (segments.at(-1)?.lastIndex ?? 0), "a log ends where its last segment does");
  // A loss that was accepted takes what was committed with it.
  return { segments, end, epochs, configurations, committed: Math.min(committed, end.lastIndex) };
}

/** Who may have to write into it opens it for that. */
async function openSegment(disk: Disk, path: string, isLast: boolean, isRepaired: boolean): Promise<DiskFile> {
  if (isRepaired) return new PatientFile(await disk.openForWriting(path));
  return isLast ? disk.openForWriting(path) : disk.openForReading(path);
}

/** What the disk said of a block that it could not read; null when it has given all. */
function unreadableIn(file: DiskFile): JournalError | null {
  if (!(file instanceof PatientFile) || file.failure === null) return null;
  return ioError(file.path, "reading", file.failure);
}

async function refill(file: DiskFile, salt: number, gap: Gap, repair: LogRepair): Promise<void> {
  const unreadable = unreadableIn(file);
  const frames = await repair.ask(unreadable === null ? gap : { ...gap, unreadable });
  await repair.begin();
  repair.onRepaired(await fillGap(file, salt, gap, frames));
}

/** The segments' paths in order. Names a crash left half-made or half-removed are settled first. */
async function segmentPaths(disk: Disk, directory: string): Promise<string[]> {
  const names = await disk.list(directory);
  if (names.includes(UNNAMED_SEGMENT)) await disk.remove(join(directory, UNNAMED_SEGMENT));
  // The last writer may have been killed between a rename and the sync that makes it durable.
  await disk.syncDirectory(directory);
  return names
    .filter(isSegmentName)
    .toSorted()
    .map((name) => join(directory, name));
}

async function readSegmentHeader(file: DiskFile, path: string): Promise<Segment> {
  const block = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const count = await readFully(file, block, SEGMENT_HEADER_BYTES, 0);
  return emptySegment(decodeSegmentHeader(block.subarray(0, count), path), path);
}

/**
 * Makes durable what the last segment holds, and zeros what follows. A writer that was killed, not powered off, may have
 * left a frame, or a part of one, in the page cache only: it reads as intact and would be lost with the power. The one
 * frame of which nobody saw the write return is the last; its bytes are written again.
 */
async function makeEndClean(
  file: DiskFile,
  segment: Segment,
  logEnd: LogEnd,
  lastFrameStart: number,
  { bytes: size, allocated }: { readonly bytes: number; readonly allocated: number },
  meetMissingEnd: () => Promise<void>,
): Promise<void> {
  const { end } = segment;
  assert(lastFrameStart >= SEGMENT_HEADER_BYTES, "frames lie behind the segment's header");
  // A crash leaves bytes within one frame of the end. The look beyond is for greater damage; a file with no block behind
  // its frames is spared it, as it would read 64 MiB of nothing at each start of a small server.
  const isSparse = allocated <= Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES;
  const garbageEnd = await endOfData(file, end, isSparse ? Math.min(size, end + FRAME_BYTES_MAX) : size);
  if (garbageEnd > end) await refuseLaterFrame(file, segment, logEnd, garbageEnd, size);
  await meetMissingEnd();
  if (garbageEnd > end) await zeroBackwards(file, end, garbageEnd);
  const lastFrame = Buffer.alloc(end - lastFrameStart);
  if (lastFrame.length > 0) {
    const count = await readFully(file, lastFrame, lastFrame.length, lastFrameStart);
    // It is read once more, and the disk may give other bytes this time: those are not made durable in its place. Which of
    // them it has another attempt shows, as where the system has forgotten what a failed write left in memory.
    if (!readFrame(lastFrame, 0, count, segment.salt, new FrameHeader())) {
      const other = Object.assign(new Error("EIO: the disk gives other bytes than before"), { code: "EIO" });
      throw ioError(segment.path, `reading the last frame again, at offset ${lastFrameStart},`, other);
    }
    await writeDurably(file, lastFrame, lastFrame.length, lastFrameStart);
  }
}

/** Offset behind the last byte from `start` on that is not zero. */
async function endOfData(file: DiskFile, start: number, size: number): Promise<number> {
  const chunk = Buffer.allocUnsafeSlow(Math.max(1, Math.min(RECOVERY_READ_BYTES, size - start)));
  const zeros = Buffer.alloc(chunk.length);
  let end = start;
  for (let offset = start; offset < size; offset += chunk.length) {
    const count = await readFully(file, chunk, Math.min(chunk.length, size - offset), offset);
    if (chunk.compare(zeros, 0, count, 0, count) === 0) continue;
    let last = count - 1;
    while (chunk[last] === 0) last--;
    end = offset + last + 1;
  }
  return end;
}

/** Refuses the segment when a later frame is intact: then the bytes behind its end were acknowledged records. */
async function refuseLaterFrame(
  file: DiskFile,
  segment: Segment,
  logEnd: LogEnd,
  garbageEnd: number,
  size: number,
): Promise<void> {
  // A header may end with zeros, so it may reach beyond the last byte that is not.
  const bytes = Buffer.alloc(Math.min(size, garbageEnd + FRAME_HEADER_BYTES) - segment.end);
  await readFully(file, bytes, bytes.length, segment.end);
  const refusal = laterFrame(bytes, segment, logEnd);
  if (refusal !== null) throw refusal;
}
