/** Frames that are written to a log outside of a reign: nobody else has to have them, so each is committed when it is durable. */
import type { FrameKind } from "../frame.ts";
import { FrameHeader, sealFrame } from "../frame.ts";
import type { DirectoryLog } from "./directory-log.ts";
import { durably } from "./replica-log.ts";

export interface CommittedFrame {
  /** Room for the header, and the body behind it. */
  readonly bytes: Buffer;
  readonly length: number;
  readonly kind: FrameKind;
  readonly epoch: number;
  /** How many it has. */
  readonly records: number;
}

/** Seals it as the log's next frame, and makes it durable. */
export async function appendCommitted(
  log: DirectoryLog,
  { bytes, length, kind, epoch, records }: CommittedFrame,
): Promise<void> {
  const header = new FrameHeader();
  header.length = length;
  header.kind = kind;
  header.epoch = epoch;
  header.index = log.lastIndex + 1;
  header.previousEpoch = log.lastEpoch;
  header.previousPosition = log.lastPosition;
  header.lastPosition = log.lastPosition + records;
  header.committed = log.lastIndex;
  sealFrame(bytes, header, log.salt);
  await durably((done) => log.append(bytes, header, done));
  log.committed = log.lastIndex;
}
