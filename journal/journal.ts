/**
 * The journal's interface: a durable, totally ordered log of opaque records.
 *
 * Positions count records from 1 without gaps. `committed <= appended` always. A record is committed when it is durable
 * on a quorum; only then may its effects be seen by anyone. The prefix property holds: when a record is committed, so
 * are all before it. Records are never changed after they were appended.
 *
 * Whoever reads needs no reign. There is one writer; its reign has a number, the epoch. It learns of commits through its
 * `JournalListener`, always in a later turn of the event loop than the append.
 */

/** The journal as far as it can be read. */
export interface JournalReader {
  /** Position of the last committed record, 0 when there is none. */
  readonly committed: number;
  /** Position of the first record still kept: 1 until the journal was trimmed. */
  readonly first: number;

  /**
   * Reads the committed records from `position` to the end as it was when the read began, a frame's at a time.
   *
   * @throws JournalError code `ERR_TRIMMED` when `position` lies before `first`
   */
  read(position: number): AsyncIterable<RecordRun>;

  /** Reads from `position` on and then follows new commits, until the signal aborts or the journal closes. */
  tail(position: number, signal: AbortSignal): AsyncIterable<RecordRun>;
}

/**
 * Committed records that follow one another, at least one: as far as they were asked for, those of a frame, or of some that were
 * read together. Valid until the iterator is asked for the next run: whoever keeps bytes copies them.
 */
export interface RecordRun {
  /** Position of the first record. */
  readonly first: number;
  readonly count: number;
  /** The bytes of the record at `first + i`. */
  bytes(i: number): Buffer;
}

/** One writer's reign. */
export interface Journal extends JournalReader {
  /** This reign's number: above that of every writer before. */
  readonly epoch: number;
  /** Position of the last record appended, 0 when there is none. */
  readonly appended: number;
  /** Bytes appended and not yet committed: what the writer bounds its own intake by. */
  readonly pendingBytes: number;

  /**
   * Adds a record to the open batch and returns its position. The bytes are copied before this returns. The batch is
   * sent when the flush before it has ended, or when it is full.
   *
   * @throws JournalError code `ERR_JOURNAL_FAILED` after a failed write or sync, `ERR_JOURNAL_CLOSED` after close,
   *   `ERR_RECORD_TOO_LARGE` beyond `RECORD_BYTES_MAX`
   */
  append(record: Uint8Array): number;

  /**
   * Whether what was executed may be shown to who asked before this call: no other reign can have committed anything since.
   * Where that is not certain the answer is false, and `tell` is called in a later turn: with null when it is, or with the
   * reason why it will not be. A reign that is over tells so at once.
   */
  confirm(tell: (failure: JournalError | null) => void): boolean;

  /** Whether `confirm` would say so now; where it is the lock of a directory that says so, no clock is looked at. */
  readonly isCurrent: boolean;

  /**
   * Allows the journal to forget records before `position`. Whole segments go; later records stay readable. Who still reads
   * before that is told `ERR_TRIMMED`.
   */
  trim(position: number): Promise<void>;

  /** Waits for what was appended to be committed (or to have failed), then releases files and locks. */
  close(): Promise<void>;
}

/**
 * A journal that this process may read, wait for and write, wherever its replicas are. It is open from the beginning to the
 * end of the process; reigns begin and end meanwhile.
 */
export interface JournalStore {
  /** 32 hex digits: that of the journal that was found, or made. */
  readonly clusterId: string;
  /** Position of the last record that is known here to be committed, whoever wrote it; 0 when none is known yet. */
  readonly committed: number;
  /** Who writes while this one waits, as it calls itself; empty when that is not known. */
  readonly writer: string;

  /**
   * What others commit, from `position` on, until the signal aborts: for who waits as a standby. It takes no reign and
   * disturbs no one, goes on by itself when replicas come and go, and never yields what is not committed. Where nobody else
   * can write it only waits.
   *
   * @throws JournalError code `ERR_TRIMMED` when no replica reaches back so far
   */
  follow(position: number, signal: AbortSignal): AsyncIterable<RecordRun>;

  /**
   * Resolves to true when nobody writes, and to false when the signal aborts before that. Looking disturbs no one. At once
   * where nobody else can write.
   */
  untilVacant(signal: AbortSignal): Promise<boolean>;

  /**
   * Begins a reign, whoever writes, and resolves when it may serve: all records found are committed then, and the listener
   * hears only of those appended later. One reign at a time: the one before is closed.
   *
   * @throws JournalError what keeps it from beginning; with `isPassing` when another attempt may succeed
   */
  takeOver(listener: JournalListener): Promise<Journal>;

  /** Releases all that the store has open. Its reign is closed before. */
  close(): Promise<void>;
}

/** How a journal tells its writer what became of the records. */
export interface JournalListener {
  /** Every record up to and including `committed` is durable on a quorum. Positions only grow. */
  onCommitted(committed: number): void;
  /**
   * A write or sync failed. Nothing after the last committed position will be acknowledged by this journal; whether
   * those records survived is known only after it was opened again. Called at most once.
   */
  onFailed(error: Error): void;
  /**
   * The journal cannot write for now: the machine lacks something that it may have again, and no byte of the frame in hand
   * has been written. What was appended waits, and may still be appended. Called with the reason when that begins, and with
   * null when it has passed; a failure ends it as well.
   */
  onStalled?(reason: JournalError | null): void;
}

/** What a machine may have again without anybody touching the journal: descriptors, memory, room on the disk. */
const PASSING: ReadonlySet<string> = new Set([
  "EAGAIN",
  "EDQUOT",
  "EINTR",
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "ENOSPC",
]);

/** Failures of a reign, or of an attempt to begin one, after which another attempt may succeed. */
const PASSING_CODES: ReadonlySet<string> = new Set([
  "ERR_JOURNAL_NO_QUORUM",
  "ERR_JOURNAL_OUTGROWN",
  "ERR_JOURNAL_OUTRUN",
]);

/** A chain of causes may be a ring. */
const CAUSES_MAX = 8;

/**
 * Is told of a loss that an open has found, before anything is written; resolves when the journal is to go on with what is
 * left, and rejects when not. It is asked about a mark that is missing, and about what the mark tells of at the journal's
 * end. A loss of its beginning, or in its midst, is refused without asking.
 */
export type AcceptLoss = (loss: JournalError) => Promise<void>;

/**
 * An operational failure of the journal: what happened and where, with a stable code.
 *
 * - of calls: `ERR_JOURNAL_FAILED`, `ERR_JOURNAL_CLOSED`, `ERR_RECORD_TOO_LARGE`, `ERR_TRIMMED`
 * - of the disk, at open or through `onFailed`: `ERR_JOURNAL_IO`
 * - of what an open or a read finds: `ERR_JOURNAL_CORRUPT` (with file and offset), `ERR_JOURNAL_FORMAT` (another version
 *   of the format), `ERR_JOURNAL_CLUSTER` (another cluster's files), `ERR_JOURNAL_INCOMPLETE` (a file that was made is
 *   missing), `ERR_JOURNAL_LOCKED` (another owner has it open), `ERR_JOURNAL_REPLICAS` (made with other replicas)
 * - of a reign: `ERR_JOURNAL_FENCED` (another writer has taken over), `ERR_JOURNAL_OUTGROWN` (another must follow, by the
 *   same writer)
 * - of a reign that did not begin: `ERR_JOURNAL_NO_QUORUM` (no majority of the replicas answers), `ERR_JOURNAL_OUTRUN`
 *   (another writer has come further)
 * - of a replica in another process: `ERR_REPLICA_DOWN` (why it cannot be spoken to)
 */
export class JournalError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "JournalError";
    this.code = code;
  }

  /** The system's own code of what failed, such as `ENOSPC`; null when no call of the system did. */
  get errno(): string | null {
    let errno: string | null = null;
    let { cause } = this;
    for (let i = 0; i < CAUSES_MAX && cause instanceof Error; i++) {
      if (!(cause instanceof JournalError) && "code" in cause && typeof cause.code === "string") errno = cause.code;
      ({ cause } = cause);
    }
    return errno;
  }

  /** Whether the same may succeed later, when nobody repairs anything but the machine has room again. */
  get isPassing(): boolean {
    const { code, errno } = this;
    return PASSING_CODES.has(code) || (errno !== null && PASSING.has(errno));
  }

  /** Whether bytes on a disk are not what they were, or are not given any more: others may have them. */
  get isDamage(): boolean {
    return this.code === "ERR_JOURNAL_CORRUPT" || this.errno === "EIO";
  }

  /** Whether another writer has taken the journal over. */
  get isFenced(): boolean {
    return this.code === "ERR_JOURNAL_FENCED";
  }

  /** Whether room on the disk is what is missing. */
  get isNoRoom(): boolean {
    const { errno } = this;
    return errno === "ENOSPC" || errno === "EDQUOT";
  }
}
