/**
 * What is kept beside the frames of a zone, as the journal sees it: files of snapshots, each with a mark that says what it is,
 * byte by byte. The journal moves them and knows nothing of what is in them; who keeps them knows how they lie on the disk. Both
 * ends of a connection have this shape: here the files are far, and there they are at hand.
 */

/** One that is being taken in. */
export interface FileIntake {
  /** What comes next of the file: `FILE_PIECE_BYTES`, or what is left. */
  write(bytes: Buffer): Promise<void>;
  /** All was given. Resolves when the file is durable, and was found to be what its mark says: from then on it is kept. */
  complete(): Promise<void>;
  /** Nothing is left of it. Does nothing once it is complete, or when another was begun. */
  abandon(): Promise<void>;
}

/** Each of them throws an Error with a `code` where the disk or the bytes are to blame, with `isDamage` where it is the bytes. */
export interface FileStore {
  /** Positions of those that are complete. */
  list(): Promise<readonly number[]>;
  /** The mark of one, as it lies on the disk. */
  mark(position: number): Promise<Buffer>;
  /** `FILE_PIECE_BYTES` of its file from an offset on, or what is left. */
  read(position: number, offset: number): Promise<Buffer>;
  /** Takes one in, in the place of what there is of that position. One at a time: one that is under way is abandoned. */
  begin(position: number, mark: Buffer): Promise<FileIntake>;
  remove(position: number): Promise<void>;
}
