/**
 * Where snapshots of the keyspace are kept, as the engine sees it: whoever keeps them knows files and threads, and nothing of
 * keys. A snapshot is what the keyspace was when it had executed the journal up to a position.
 */
import type { Buffer } from "node:buffer";
import type { KeyspaceFacts } from "../../partitions/state/keyspace-facts.ts";

/** What is known of a snapshot that is complete: it was read back, and is what was written. */
export interface SnapshotInfo {
  /** Of the last record executed. */
  readonly position: number;
  readonly revision: number;
  /** How many versions of keys it has. */
  readonly versions: number;
  /** Of its file. */
  readonly bytes: number;
  /** Unix ms, when it was begun: for people. */
  readonly takenAtMs: number;
}

/** What the keyspace is besides its keys, and what the journal was then. */
export interface SnapshotFacts {
  readonly position: number;
  readonly takenAtMs: number;
  readonly keyspace: KeyspaceFacts;
}

/** One that is read. */
export interface StoredSnapshot {
  readonly info: SnapshotInfo;
  readonly facts: SnapshotFacts;
  /** Images behind their lengths (SnapshotSource), whole ones. A piece is valid until the next one is asked for. */
  pieces(): AsyncIterable<Buffer>;
}

/** One that is written, piece by piece. */
export interface SnapshotWriting {
  /** Whether more can be given. Where not, `onRoom` is called when it is so, or when there will be none. */
  readonly hasRoom: boolean;
  onRoom: () => void;
  /** Memory for images, each behind its length: so many bytes or more, good until the end of the turn. */
  reserve(bytes: number): Buffer;
  /** What was reserved begins with so many bytes of whole images. The first is of this key. */
  commit(bytes: number, count: number, key: Buffer): void;
  /**
   * All was given. Resolves when it is complete, and was read back.
   *
   * @throws Error why there is none
   */
  finish(): Promise<SnapshotInfo>;
  /** Nothing is left of it when this resolves. */
  cancel(): Promise<void>;
}

export interface SnapshotShelf {
  /**
   * The newest that is sound, of those that go no further than a position. What is not is passed over, and told of.
   *
   * @throws SnapshotError where one cannot be looked at for now
   */
  newest(positionMax: number): Promise<StoredSnapshot | null>;
  /** Begins one, when none is under way. */
  begin(facts: SnapshotFacts): Promise<SnapshotWriting>;
  /** Removes what is not needed any more. Resolves to the position of the oldest that is: the journal is needed from there on. */
  tidyUp(): Promise<number>;
}
