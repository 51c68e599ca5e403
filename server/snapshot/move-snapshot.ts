/**
 * Moves a snapshot from one zone to another, over whatever lies between them, at a rate. It begins at the beginning each time, and
 * holds one piece of it in memory.
 */
import type { Clock } from "../clock.ts";
import { decodeMark } from "./snapshot-mark.ts";
import { Pace } from "./pace.ts";

export interface SnapshotSource {
  mark(position: number): Promise<Buffer>;
  read(position: number, offset: number): Promise<Buffer>;
}

export interface SnapshotSink {
  begin(
    position: number,
    mark: Buffer,
  ): Promise<{
    write(bytes: Buffer): Promise<void>;
    complete(): Promise<void>;
    abandon(): Promise<void>;
  }>;
}

export interface Move {
  readonly position: number;
  readonly bytesPerSecond: number;
  readonly clock: Clock;
  /** For messages: where it is taken from. */
  readonly from: string;
  /** So many bytes of so many are there. May throw, which ends it. */
  readonly onMoved: (bytes: number, of: number) => void;
}

/** @throws what either end throws; nothing is left of it at the sink then */
export async function moveSnapshot(source: SnapshotSource, sink: SnapshotSink, move: Move): Promise<void> {
  const { position, bytesPerSecond, clock, from, onMoved } = move;
  const mark = await source.mark(position);
  const { fileBytes } = decodeMark(from, mark).info;
  const taking = await sink.begin(position, mark);
  try {
    let restMs = 0;
    const pace = new Pace(clock, { sleep: (milliseconds) => (restMs = milliseconds) }, bytesPerSecond);
    for (let moved = 0; moved < fileBytes;) {
      const piece = await source.read(position, moved);
      await taking.write(piece);
      moved += piece.length;
      onMoved(moved, fileBytes);
      restMs = 0;
      pace.spend(piece.length);
      if (restMs > 0) await new Promise<void>((resolve) => clock.after(restMs, resolve));
    }
    await taking.complete();
  } catch (error) {
    // Why it failed says more than what became of that.
    await taking.abandon().catch(() => undefined);
    throw error;
  }
}
