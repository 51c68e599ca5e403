/**
 * What a replica needs of the frames that it keeps: a log in a directory, and a few facts that it must not forget. One
 * act at a time changes it; each callback comes in a later turn of the event loop.
 */
import type { FrameHeader } from "../frame.ts";
import type { JournalError } from "../journal.ts";
import type { Configuration } from "./configuration.ts";
import type { ReplicaFacts } from "./facts.ts";
import type { Beginning, FramePlace } from "./messages.ts";

export type Done = (error: JournalError | null) => void;

/** Waits for one of a log's acts. @throws JournalError why it failed */
export function durably(act: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    act((error) => (error === null ? resolve() : reject(error)));
  });
}

export interface ReplicaLog {
  /** Of the journal that the frames are of. */
  readonly clusterId: string;
  readonly salt: number;
  /** Index of the first frame kept. */
  readonly first: number;
  /** Position of the first record kept, or of the next one when none is. */
  readonly firstPosition: number;
  /** The last durable frame. */
  readonly last: FramePlace;
  /** Position of the last record in it or before it. */
  readonly lastPosition: number;
  readonly facts: ReplicaFacts;
  /** Of its frames, the lists of replicas that are newer than the one among the facts; oldest first. */
  readonly configurations: readonly Configuration[];
  /**
   * Index of the last frame that is durable here and known to be committed; only grows. Not durable at once: a later open
   * may find an earlier one.
   */
  committed: number;

  /** The epoch of a frame that is kept, or of the one before the first; null of any other. */
  epochOf(index: number): number | null;
  /** The last frame whose epoch is this one or a lower one; 0 when none is kept. */
  lastUpTo(epoch: number): number;

  /** Makes the facts durable. */
  remember(facts: ReplicaFacts, done: Done): void;
  /** Writes the sealed frame behind the last, which it must continue. */
  append(frame: Buffer, header: FrameHeader, done: Done): void;
  /** Forgets all frames behind `index`, durably. */
  cutBehind(index: number, done: Done): void;
  /** Reads frames from `from` on, up to `last`: one, and more as far as all have no more than `bytesMax`. */
  read(from: number, last: number, bytesMax: number): Promise<Buffer[]>;
  /**
   * Forgets whole segments whose records all lie before the position, except those from the first of these frames on that can
   * be kept with so many bytes.
   */
  trim(position: number, lacked: readonly number[], keptBytesMax: number): Promise<void>;
  /** Forgets all frames, and makes the facts durable with that: the log has none, and goes on there. */
  beginAnew(beginning: Beginning, facts: ReplicaFacts, done: Done): void;
}
