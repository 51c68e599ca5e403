/** Opens the log of one replica, as a journal does, and drives it with frames of one record. */
import type { FrameKind } from "../../../journal/frame.ts";
import { FrameHeader, FRAME_HEADER_BYTES, KIND_BARRIER, KIND_RECORDS, sealFrame } from "../../../journal/frame.ts";
import type { Disk } from "../../../journal/replica/disk.ts";
import type { DirectoryLog, DirectoryLogOptions } from "../../../journal/replica/directory-log.ts";
import { durably } from "../../../journal/replica/replica-log.ts";
import { openDirectoryLog } from "../../../journal/replica/directory-log.ts";
import { RoomReserve } from "../../../journal/replica/room-reserve.ts";
import { systemClock } from "../../../server/clock.ts";

export const logDirectory = "/journal";

export function openLog(disk: Disk, options: Partial<DirectoryLogOptions> = {}): Promise<DirectoryLog> {
  const segmentBytes = 8192;
  return openDirectoryLog({
    disk,
    clock: systemClock,
    directory: logDirectory,
    segmentBytes,
    clusterId: null,
    newClusterId: "00112233445566778899aabbccddeeff",
    newSalt: 77,
    newReplicaId: 4711,
    reserve: new RoomReserve(disk, logDirectory, segmentBytes),
    mustExist: false,
    acceptLoss: null,
    ...options,
  });
}

/** Seals the frame that must follow: of that record or that body, or a barrier. */
export function nextFrame(
  log: DirectoryLog,
  epoch: number,
  record: Buffer | null,
  committed: number,
  kind: FrameKind = record === null ? KIND_BARRIER : KIND_RECORDS,
): [Buffer, FrameHeader] {
  const start = FRAME_HEADER_BYTES + (kind === KIND_RECORDS ? 4 : 0);
  const frame = Buffer.alloc(start + (record?.length ?? 0));
  const header = Object.assign(new FrameHeader(), {
    length: frame.length,
    kind,
    epoch,
    index: log.lastIndex + 1,
    previousEpoch: log.lastEpoch,
    previousPosition: log.lastPosition,
    lastPosition: log.lastPosition + (kind === KIND_RECORDS ? 1 : 0),
    committed,
  });
  if (record !== null && kind === KIND_RECORDS) frame.writeUInt32LE(record.length, FRAME_HEADER_BYTES);
  record?.copy(frame, start);
  sealFrame(frame, header, log.salt);
  return [frame, header];
}

export async function appendFrame(
  log: DirectoryLog,
  epoch: number,
  record: Buffer | null,
  committed = 0,
  kind?: FrameKind,
): Promise<Buffer> {
  const [frame, header] = nextFrame(log, epoch, record, committed, kind);
  await durably((onDone) => log.append(frame, header, onDone));
  return frame;
}
