/** A journal in memory: it keeps the contract, and commits, holds back and fails as it is told. */
import { systemTurns } from "../../server/clock.ts";
import type { Turns } from "../../server/clock.ts";
import type { Journal, JournalListener, RecordRun } from "../../journal/journal.ts";
import { JournalError } from "../../journal/journal.ts";
import { checkPosition, closed, failed, tooLarge, trimmed } from "../../journal/journal-errors.ts";
import { RECORD_BYTES_MAX } from "../../journal/limits.ts";

/** What survives of a memory journal: give it to the next one to "open it again". */
export class MemoryStore {
  /** The committed records from `first` on. */
  readonly records: Buffer[] = [];
  first = 1;
  /** Of the writer that opened it last. */
  epoch = 0;
}

/** A run of a reader has at most so many records, so that a short test sees several. */
const RUN_RECORDS_MAX = 3;

/** Records commit in a later turn of the loop. */
export class MemoryJournal implements Journal {
  readonly epoch: number;
  appended: number;
  committed: number;
  pendingBytes = 0;

  readonly #store: MemoryStore;
  readonly #listener: JournalListener;
  readonly #turns: Turns;
  /** Appended, not committed. */
  #pending: Buffer[] = [];
  #turnScheduled = false;
  #held = false;
  #nextFailure: { readonly error: Error; readonly survivors: number } | null = null;

  #isDoubted = false;
  #reads: ((failure: JournalError | null) => void)[] = [];
  #failure: JournalError | null = null;
  #closing: Promise<void> | null = null;
  #settled = false;
  #waiters: (() => void)[] = [];

  constructor(listener: JournalListener, store: MemoryStore = new MemoryStore(), turns: Turns = systemTurns) {
    this.#listener = listener;
    this.#turns = turns;
    this.#store = store;
    this.epoch = ++store.epoch;
    this.committed = store.first - 1 + store.records.length;
    this.appended = this.committed;
  }

  get first(): number {
    return this.#store.first;
  }

  /** Nothing commits until `release`. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#schedule();
  }

  /** Nothing commits until `resume`, and the listener is told so. */
  stall(reason: JournalError): void {
    this.#held = true;
    this.#listener.onStalled?.(reason);
  }

  resume(): void {
    this.#listener.onStalled?.(null);
    this.release();
  }

  /** The next commit fails instead; that many of its records are there all the same when it is opened again. */
  failNext(error: Error, survivors = 0): void {
    this.#nextFailure = { error, survivors };
  }

  /** The reign is over for this reason, in this turn. */
  end(failure: JournalError): void {
    this.#failure = failure;
    this.#tellReads(failure);
    this.#listener.onFailed(failure);
    this.#wake();
  }

  append(record: Uint8Array): number {
    if (this.#failure !== null) throw failed(this.#failure);
    if (this.#closing !== null) throw closed();
    if (record.length > RECORD_BYTES_MAX) throw tooLarge(record.length, RECORD_BYTES_MAX);
    this.#pending.push(Buffer.from(record));
    this.pendingBytes += record.length;
    this.appended++;
    this.#schedule();
    return this.appended;
  }

  /** Nothing is certain of this reign until `confirmReads`. */
  doubt(): void {
    this.#isDoubted = true;
  }

  /** All who have asked meanwhile are told, and who asks from now on has his answer at once. */
  confirmReads(): void {
    this.#isDoubted = false;
    this.#tellReads(null);
  }

  get isCurrent(): boolean {
    return this.#failure === null && !this.#isDoubted;
  }

  confirm(tell: (failure: JournalError | null) => void): boolean {
    if (this.isCurrent) return true;
    if (this.#failure === null) this.#reads.push(tell);
    else tell(this.#failure);
    return false;
  }

  read(position: number): AsyncIterable<RecordRun> {
    this.#checkKept(position);
    return this.#runs(position, this.committed);
  }

  tail(position: number, signal: AbortSignal): AsyncIterable<RecordRun> {
    this.#checkKept(position);
    return this.#follow(position, signal);
  }

  trim(position: number): Promise<void> {
    checkPosition(position);
    if (this.#closing !== null) return Promise.reject(closed());
    const store = this.#store;
    const count = Math.min(position, this.committed + 1) - store.first;
    if (count > 0) {
      store.records.splice(0, count);
      store.first += count;
    }
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#failure === null && this.committed < this.appended) await this.#change();
    this.#settled = true;
    this.#wake();
  }

  #checkKept(position: number): void {
    checkPosition(position);
    if (position < this.first) throw trimmed(position, this.first);
  }

  #schedule(): void {
    if (this.#turnScheduled || this.#held || this.#pending.length === 0) return;
    this.#turnScheduled = true;
    this.#turns.later(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#turnScheduled = false;
    if (this.#held) return;
    const batch = this.#pending;
    this.#pending = [];
    if (this.#nextFailure === null) {
      this.#store.records.push(...batch);
      this.committed += batch.length;
      for (const record of batch) this.pendingBytes -= record.length;
      this.#listener.onCommitted(this.committed);
    } else {
      const { error, survivors } = this.#nextFailure;
      this.#store.records.push(...batch.slice(0, survivors));
      this.end(new JournalError("ERR_JOURNAL_IO", error.message, { cause: error }));
    }
    this.#wake();
  };

  #tellReads(failure: JournalError | null): void {
    const reads = this.#reads;
    this.#reads = [];
    for (const tell of reads) tell(failure);
  }

  async *#runs(position: number, last: number): AsyncGenerator<RecordRun, void, undefined> {
    for (let next = position; next <= last;) {
      if (next < this.first) throw trimmed(next, this.first);
      const start = next - this.first;
      const end = Math.min(start + RUN_RECORDS_MAX, last + 1 - this.first);
      const records = this.#store.records.slice(start, end).map((record) => Buffer.from(record));
      yield { first: next, count: records.length, bytes: (i) => records[i] };
      next += records.length;
      // A caller that kept a record without copying it shall see that it must not.
      for (const record of records) record.fill(0xdb);
    }
  }

  async *#follow(position: number, signal: AbortSignal): AsyncGenerator<RecordRun, void, undefined> {
    const wake = (): void => this.#wake();
    signal.addEventListener("abort", wake);
    try {
      let next = position;
      while (!signal.aborted) {
        for await (const run of this.#runs(next, this.committed)) {
          next = run.first + run.count;
          yield run;
          if (signal.aborted) return;
        }
        if (this.committed >= next) continue;
        if (this.#settled) return;
        await this.#change();
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
