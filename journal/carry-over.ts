/**
 * Carries a journal of a former format over into the present one. Records keep their positions and epochs; they are packed
 * into full frames, as all of them are committed.
 *
 *     journal/*.seg, MARK    the former one
 *     journal/zone-a.tmp/    the present one while it is written
 *     journal/zone-a/        the present one: complete as soon as it has that name, and then the former one is removed
 *
 * A crash at any step leaves one of the two complete, and the next open goes on.
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { FRAME_HEADER_BYTES, KIND_BARRIER, KIND_RECORDS } from "./frame.ts";
import { corrupt, ioError } from "./journal-errors.ts";
import { FRAME_BYTES_SOFT } from "./limits.ts";
import type { Frame } from "./quorum/frame-arena.ts";
import { FrameArena } from "./quorum/frame-arena.ts";
import { appendCommitted } from "./replica/append-committed.ts";
import type { DirectoryLog, DirectoryLogOptions } from "./replica/directory-log.ts";
import { openDirectoryLog } from "./replica/directory-log.ts";
import type { Disk, DiskFile } from "./replica/disk.ts";
import { namesIn } from "./replica/disk.ts";
import type { Extent } from "./replica/mark.ts";
import { MARK_NAME, readMark, UNNAMED_MARK } from "./replica/mark.ts";
import { missingOlderMark, readOlderMark, readOlderSegments, saltOf } from "./replica/older-format.ts";
import { durably } from "./replica/replica-log.ts";
import { RESERVE_NAME, RoomReserve } from "./replica/room-reserve.ts";
import { isSegmentName, UNNAMED_SEGMENT } from "./replica/segment.ts";
import { meetLoss } from "./replica/wholeness.ts";

export interface CarryOverOptions extends Omit<DirectoryLogOptions, "reserve" | "beginning"> {
  /** Of the one replica that the journal has then. */
  readonly zone: string;
  /** Told now and then how many records have been written, and of how many, where that is known. */
  readonly onCarriedOver: (records: number, of: number | null) => void;
}

interface FormerOptions extends CarryOverOptions {
  /** The directory above. */
  readonly older: string;
}

/** Whatever lies where a former format had it, which is the directory above, becomes what the present one has, in `directory`. */
export async function carryOver(options: CarryOverOptions): Promise<void> {
  const older = dirname(options.directory);
  await carryOverFrom({ ...options, older }).catch((error: unknown) => {
    throw ioError(older, "carrying the journal over", error);
  });
}

async function carryOverFrom(options: FormerOptions): Promise<void> {
  const { disk, older, directory } = options;
  const names = await namesIn(disk, older);
  if (!names.some((name) => isSegmentName(name) || name === MARK_NAME)) return;
  // Nobody who knows the former format alone writes to it meanwhile.
  const mark = names.includes(MARK_NAME) ? await disk.openLocked(join(older, MARK_NAME)) : null;
  try {
    const marked = await readOlderMark(mark);
    const isCarried = (await namesIn(disk, directory)).includes(MARK_NAME);
    if (isCarried) await checkSame(options, marked);
    else await carry(options, mark, marked);
    await removeOlder(disk, older, names);
  } finally {
    await mark?.close();
  }
}

/** What is left of a journal that was carried over has the salt that it gave to the other. */
async function checkSame({ disk, older, directory }: FormerOptions, marked: Extent): Promise<void> {
  const { salt } = await readMark(disk, directory);
  const [oldest] = (await disk.list(older)).filter(isSegmentName).toSorted();
  const found = oldest === undefined ? marked.salt : await saltOf(disk, join(older, oldest));
  if (found === salt || found === 0) return;
  throw corrupt(
    join(older, oldest ?? MARK_NAME),
    12,
    `not of the journal that is in ${directory}; one of them must go`,
  );
}

async function carry(options: FormerOptions, mark: DiskFile | null, marked: Extent): Promise<void> {
  const { disk, older, directory, mustExist, acceptLoss, segmentBytes, onCarriedOver } = options;
  if (mark === null && mustExist) await meetLoss(missingOlderMark(older), acceptLoss);
  const draft = `${directory}.tmp`;
  await clear(disk, draft);
  let writer: Writer | null = null;
  try {
    for await (const segment of readOlderSegments({ ...options, directory: older }, marked)) {
      const { salt, clusterId, number, firstPosition, previousEpoch } = segment;
      writer ??= new Writer(
        await openDirectoryLog({
          ...options,
          directory: draft,
          reserve: new RoomReserve(disk, draft, segmentBytes),
          mustExist: false,
          newClusterId: clusterId,
          newSalt: salt,
          // Frames had no index: as if each segment before had held one.
          beginning: { number, firstIndex: number, firstPosition, previousEpoch },
        }),
        Math.min(FRAME_BYTES_SOFT, segmentBytes / 2),
      );
      while (segment.next()) {
        if (segment.lastEpoch > writer.epoch) await writer.begin(segment.lastEpoch);
        for (const record of segment.records()) {
          if (!writer.fits(record)) await writer.flush(record);
          writer.add(record);
        }
      }
      await writer.flush();
      assert(writer.lastPosition === segment.lastPosition, "records keep their positions");
      onCarriedOver(writer.lastPosition, marked.lastPosition > 0 ? marked.lastPosition : null);
    }
    await writer?.finish(options.zone);
    await writer?.close();
  } catch (error) {
    // It may be room that it lacks.
    await writer?.close().catch(() => undefined);
    await clear(disk, draft).catch(() => undefined);
    throw error;
  }
  // Nothing was there but a mark that tells of nothing.
  if (writer === null) return;
  await disk.rename(draft, directory);
  await disk.syncDirectory(older);
}

async function clear(disk: Disk, directory: string): Promise<void> {
  for (const name of await namesIn(disk, directory)) await disk.remove(join(directory, name));
}

/** Removes the oldest segment first: what is left is refused by programs that know the former format. The lock goes last. */
async function removeOlder(disk: Disk, older: string, names: readonly string[]): Promise<void> {
  const besides = new Set([UNNAMED_SEGMENT, RESERVE_NAME, UNNAMED_MARK]);
  const segments = names.filter(isSegmentName).toSorted();
  for (const name of [...segments, ...names.filter((other) => besides.has(other))]) {
    await disk.remove(join(older, name));
    if (name === segments[0]) await disk.syncDirectory(older);
  }
  await disk.syncDirectory(older);
  if (!names.includes(MARK_NAME)) return;
  await disk.remove(join(older, MARK_NAME));
  await disk.syncDirectory(older);
}

/** Fills frames with records, and a log with frames. */
class Writer {
  readonly #log: DirectoryLog;
  readonly #arena: FrameArena;
  #frame: Frame;

  constructor(log: DirectoryLog, frameBytesMax: number) {
    this.#log = log;
    this.#arena = new FrameArena(frameBytesMax);
    this.#frame = this.#arena.open(0);
  }

  get epoch(): number {
    return this.#log.lastEpoch;
  }

  get lastPosition(): number {
    return this.#log.lastPosition;
  }

  async begin(epoch: number): Promise<void> {
    await this.flush();
    await this.#append(Buffer.alloc(FRAME_HEADER_BYTES), FRAME_HEADER_BYTES, epoch, 0);
  }

  fits(record: Buffer): boolean {
    return this.#frame.fits(record.length);
  }

  add(record: Buffer): void {
    this.#frame.add(record);
  }

  /** Writes the records taken so far; the next frame has room for this one. */
  async flush(next: Buffer | null = null): Promise<void> {
    const frame = this.#frame;
    if (frame.recordCount > 0) await this.#append(frame.bytes, frame.length, this.epoch, frame.recordCount);
    this.#arena.close(frame);
    frame.release();
    this.#frame = this.#arena.open(next?.length ?? 0);
  }

  /** Makes all of it durable, and what is known of it: one replica without a list would be one that nobody has taken in yet. */
  finish(zone: string): Promise<void> {
    const { facts } = this.#log;
    const members = [{ zone, replicaId: facts.replicaId }];
    return durably((done) => this.#log.remember({ ...facts, members }, done));
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  async #append(frame: Buffer, length: number, epoch: number, records: number): Promise<void> {
    const kind = records === 0 ? KIND_BARRIER : KIND_RECORDS;
    await appendCommitted(this.#log, { bytes: frame, length, kind, epoch, records });
  }
}
