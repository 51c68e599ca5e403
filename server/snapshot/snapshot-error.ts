/** What can be wrong with a snapshot, or with the writing of one, made in one place so that a code has one text. */
export type SnapshotErrorCode =
  /** Of another format version; the text has the file, the version found and the one supported. */
  | "ERR_SNAPSHOT_FORMAT"
  /** Another cluster's. */
  | "ERR_SNAPSHOT_CLUSTER"
  /** Damaged; the text has the file, and where. */
  | "ERR_SNAPSHOT_CORRUPT"
  /** There is no mark: it was never completed. */
  | "ERR_SNAPSHOT_INCOMPLETE"
  /** There is one of that position. */
  | "ERR_SNAPSHOT_EXISTS"
  /** The process may not have the addresses that it takes. */
  | "ERR_SNAPSHOT_NO_ADDRESSES"
  /** The disk is full. */
  | "ERR_SNAPSHOT_NO_SPACE"
  /** The file system failed; `cause` is its error. */
  | "ERR_SNAPSHOT_IO"
  /** A zone whose replica is in another process does not do what it is asked; `cause` is why. */
  | "ERR_SNAPSHOT_ZONE"
  /** The thread ended of something that it did not expect. */
  | "ERR_SNAPSHOT_THREAD"
  /** Whoever asked for it does not want it any more. */
  | "ERR_SNAPSHOT_CANCELLED";

export class SnapshotError extends Error {
  readonly code: SnapshotErrorCode;

  constructor(code: SnapshotErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SnapshotError";
    this.code = code;
  }

  /** Whether it is the snapshot's bytes: it will be no better another time. */
  get isDamage(): boolean {
    return this.code === "ERR_SNAPSHOT_CORRUPT" || this.code === "ERR_SNAPSHOT_FORMAT";
  }
}

export function otherFormat(path: string, found: number, supported: number): SnapshotError {
  const text = `${path}: a snapshot of format ${found}; this version reads format ${supported}`;
  return new SnapshotError("ERR_SNAPSHOT_FORMAT", text);
}

/** @param position that it must have at least */
export function missing(path: string, position: number): SnapshotError {
  return new SnapshotError(
    "ERR_SNAPSHOT_INCOMPLETE",
    `${path}: no zone has a sound snapshot of position ${position} or later`,
  );
}

export function noAddresses(): SnapshotError {
  const text = "snapshots need more addresses than a process with a limit has: start it without ulimit -v or LimitAS=";
  return new SnapshotError("ERR_SNAPSHOT_NO_ADDRESSES", text);
}

export function otherFacts(path: string): SnapshotError {
  const text = `${path}: a snapshot that another version has written, with facts that this one does not know`;
  return new SnapshotError("ERR_SNAPSHOT_FORMAT", text);
}

export function otherCluster(path: string, found: string, own: string): SnapshotError {
  return new SnapshotError("ERR_SNAPSHOT_CLUSTER", `${path}: a snapshot of cluster ${found}, and not of ${own}`);
}

/** @param where such as `at offset 4096`, or `chunk 7` */
export function corrupt(path: string, where: string, what: string): SnapshotError {
  return new SnapshotError("ERR_SNAPSHOT_CORRUPT", `${path}: corrupt ${where}: ${what}`);
}

/** A disk gives other bytes than it was given. */
export function readOtherwise(path: string, from: number, to: number): SnapshotError {
  const text = `${path}: between offsets ${from} and ${to} other bytes are read than were written`;
  return new SnapshotError("ERR_SNAPSHOT_IO", text);
}

/** @param error what its connection has told */
export function zoneFailed(zone: string, error: Error): SnapshotError {
  return new SnapshotError("ERR_SNAPSHOT_ZONE", `zone ${zone}: ${error.message}`, { cause: error });
}

export function incomplete(path: string): SnapshotError {
  return new SnapshotError("ERR_SNAPSHOT_INCOMPLETE", `${path}: no snapshot was completed here: the mark is missing`);
}

export function exists(path: string): SnapshotError {
  return new SnapshotError("ERR_SNAPSHOT_EXISTS", `${path}: there is a snapshot of this position`);
}

export function noSpace(path: string, cause: unknown): SnapshotError {
  return new SnapshotError("ERR_SNAPSHOT_NO_SPACE", `${path}: no space is left on the disk`, { cause });
}

export function cancelled(path: string): SnapshotError {
  return new SnapshotError("ERR_SNAPSHOT_CANCELLED", `${path}: cancelled`);
}

export function threadEnded(path: string, how: string, cause?: unknown): SnapshotError {
  return new SnapshotError("ERR_SNAPSHOT_THREAD", `${path}: the thread ended: ${how}`, { cause });
}

/** Wraps what the file system or LMDB threw; a snapshot's own error says enough already. A mistake in here is no failure of a disk. */
export function ioError(path: string, act: string, error: unknown): SnapshotError {
  if (error instanceof SnapshotError) return error;
  if (!(error instanceof Error && isOfSystem(error))) throw error;
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") return noSpace(path, error);
  return new SnapshotError("ERR_SNAPSHOT_IO", `${path}: ${act} failed: ${error.message}`, { cause: error });
}

export function isThere(error: unknown): boolean {
  return codeOf(error) === "EEXIST";
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}

/** Of a file system that was mounted so. */
export function isReadOnly(error: unknown): boolean {
  return codeOf(error) === "EROFS";
}

/** Node's have a number beside their code, and LMDB's code is a number. */
function isOfSystem(error: Error): boolean {
  return "errno" in error || typeof codeOf(error) === "number";
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}
