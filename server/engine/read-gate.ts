/**
 * Linearizable reads ask here whether what was executed may be shown: whether nobody else can have committed something since
 * they came. Mostly that is so at once; else they wait until the journal's replicas have been asked, or until somebody may
 * say so again. None waits longer than etcd lets it wait for a leader.
 *
 *     isOpen ──► yes: read in this turn
 *            └─► no:  whenOpen(tell) ──► null: read now         when a majority has answered
 *                                    └─► refusal: fail the call  after a while, when the reign ends, when too many wait
 */
import type { Journal, JournalError } from "../../journal/journal.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import type { Clock, Timer } from "../clock.ts";
import { READS_WAITING_MAX, READ_TIMEOUT_MS, STALL_MS } from "../limits.ts";
import { LEADER_CHANGED, REQUEST_TIMED_OUT, SERVER_STOPPED, TOO_MANY_REQUESTS } from "./refusals.ts";

/** Null: what was executed may be shown. Else why it may not. */
export type TellReader = (refusal: Refusal | null) => void;

interface WaitingRead {
  readonly tell: TellReader;
  readonly sinceMs: number;
  readonly onTimeout: Refusal;
  /** Those of one number are asked for together. */
  readonly question: number;
}

/** How often waiting reads are looked at. */
const TIMEOUT_CHECK_MS = 250;

export class ReadGate {
  readonly #clock: Clock;
  /** Nobody else can write to the journal as long as this process is there: reads need no reign. */
  readonly #isAlone: boolean;
  #journal: Journal | null = null;
  /** In the order they came. */
  readonly #waiting = new Set<WaitingRead>();
  /** Of the next question to the journal. It has one at a time: what it is asked while nobody answers it keeps. */
  #question = 0;
  #isAsking = false;
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(clock: Clock, isAlone: boolean) {
    this.#clock = clock;
    this.#isAlone = isAlone;
  }

  /** Whether a read that has come may be answered in this turn. */
  get isOpen(): boolean {
    return this.#isAlone || (this.#journal !== null && this.#journal.isCurrent);
  }

  /** A reign has begun: who has waited for one asks it. */
  open(journal: Journal): void {
    this.#journal = journal;
    this.#isAsking = false;
    this.#ask(journal);
  }

  /** The reign is over. What came during it is refused: what it showed, another one may have changed. */
  shut(): void {
    this.#journal = null;
    this.#refuseAll(LEADER_CHANGED);
  }

  /** The server stops. */
  stop(): void {
    this.#isStopped = true;
    this.#journal = null;
    this.#refuseAll(SERVER_STOPPED);
  }

  /**
   * Calls `tell` when the read may be answered, in the turn in which that is so, or when it is not to be.
   *
   * @param onTimeout what it is refused with when nobody has said so for too long
   */
  whenOpen(tell: TellReader, onTimeout: Refusal = REQUEST_TIMED_OUT): void {
    if (this.#isStopped) return tell(SERVER_STOPPED);
    if (this.isOpen) return tell(null);
    if (this.#waiting.size >= READS_WAITING_MAX) return tell(TOO_MANY_REQUESTS);
    this.#waiting.add({ tell, sinceMs: this.#clock.nowMs(), onTimeout, question: this.#question });
    this.#timer ??= this.#checkLater();
    if (this.#journal !== null) this.#ask(this.#journal);
  }

  /** Asks for all that wait, unless the journal is being asked: who came since then is asked for next. */
  #ask(journal: Journal): void {
    if (this.#isAsking || this.#waiting.size === 0) return;
    const question = this.#question++;
    this.#isAsking = true;
    const told = (failure: JournalError | null): void => {
      // A reign that has ended shuts the gate, which tells all.
      if (failure !== null || journal !== this.#journal) return;
      this.#isAsking = false;
      this.#answer(question);
      this.#ask(journal);
    };
    if (journal.confirm(told)) told(null);
  }

  #answer(question: number): void {
    for (const read of this.#waiting) {
      if (read.question > question) return;
      this.#end(read, null);
    }
  }

  #end(read: WaitingRead, refusal: Refusal | null): void {
    if (this.#waiting.delete(read)) read.tell(refusal);
  }

  #refuseAll(refusal: Refusal): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#timer?.cancel();
    this.#timer = null;
    for (const { tell } of waiting) tell(refusal);
  }

  #checkLater(): Timer {
    const dueMs = this.#clock.nowMs() + TIMEOUT_CHECK_MS;
    return this.#clock.after(TIMEOUT_CHECK_MS, () => {
      const now = this.#clock.nowMs();
      // Behind a stall stands what the replicas have answered meanwhile.
      if (now - dueMs <= STALL_MS) this.#expire(now - READ_TIMEOUT_MS);
      this.#timer = this.#waiting.size > 0 ? this.#checkLater() : null;
    });
  }

  #expire(cameBeforeMs: number): void {
    for (const read of this.#waiting) {
      if (read.sinceMs > cameBeforeMs) return;
      this.#end(read, read.onTimeout);
    }
  }
}
