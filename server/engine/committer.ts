/**
 * One reign over the journal: proposals go to it, and what it commits is executed by the applier. What is more than the
 * journal takes waits in the write queue. A reign ends once and for good; the next one has a committer of its own.
 */
import assert from "node:assert/strict";
import type { Journal, JournalListener, RecordRun } from "../../journal/journal.ts";
import { JournalError } from "../../journal/journal.ts";
import { RECORD_BYTES_MAX } from "../../journal/limits.ts";
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Partition } from "../../partitions/state/partition.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import type { Copies } from "../../partitions/txn/copies.ts";
import type { Clock, Timer, Turns } from "../clock.ts";
import type { Counters } from "../metrics/counters.ts";
import {
  JOURNAL_BYTES_MAX,
  JOURNAL_GROWTH_BYTES_MAX,
  JOURNAL_PROPOSALS_MAX,
  PENDING_BYTES_MAX,
  PROPOSALS_MAX,
  PROPOSAL_TIMEOUT_MS,
  STALL_MS,
} from "../limits.ts";
import type { Applier } from "./applier.ts";
import { refuseUser } from "./command.ts";
import type { AnyCommandKind, CommandKind } from "./command.ts";
import { Proposal } from "./proposal.ts";
import type { Waiter } from "./proposal.ts";
import { withIdentity } from "./record.ts";
import {
  journalFailed,
  LEADER_CHANGED,
  reasonOf,
  REQUEST_TIMED_OUT,
  REQUEST_TOO_LARGE,
  SERVER_STOPPED,
  TOO_MANY_REQUESTS,
} from "./refusals.ts";
import type { WaitingProposal, WriteQueue } from "./write-queue.ts";

/** How often waiting proposals are looked at. */
const EXPIRY_CHECK_MS = 1_000;

/** The journal's own trouble, in words that name no file. */
export interface Trouble {
  /**
   * Writes wait until it has passed; another writer has the journal, and this one never again; or they are refused until the
   * next reign.
   */
  readonly state: "stalled" | "fenced" | "failed";
  readonly reason: string;
}

export interface CommitterOptions {
  readonly keyspace: Keyspace;
  readonly applier: Applier;
  /** Of partitions, and with null of what has no key. */
  readonly queue: WriteQueue<Partition | null>;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly counters: Counters;
  /**
   * Why a command that adds bytes may have no record, or null. For it and all that is in the journal's hands memory is set aside.
   *
   * @param growthBytes what they may add, together
   */
  readonly refuseGrowth: (growthBytes: number, copies: Copies | null) => Refusal | null;
  /** The journal failed and took the reign with it. */
  readonly onFailed: (error: Error) => void;
  /** The journal cannot write for now, or with null: it writes again. */
  readonly onStalled: (reason: Error | null) => void;
}

export class Committer implements JournalListener {
  readonly #keyspace: Keyspace;
  readonly #applier: Applier;
  readonly #queue: WriteQueue<Partition | null>;
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #counters: Counters;
  readonly #refuseGrowth: CommitterOptions["refuseGrowth"];
  readonly #onFailed: (error: Error) => void;
  readonly #onStalled: (reason: Error | null) => void;
  readonly #run = new OwnRun();
  #journal: Journal | null = null;
  /** Position up to which the journal has told this reign what is committed. */
  #told = 0;
  #failure: Refusal | null = null;
  #trouble: Trouble | null = null;
  #timer: Timer | null = null;

  constructor(options: CommitterOptions) {
    this.#keyspace = options.keyspace;
    this.#applier = options.applier;
    this.#queue = options.queue;
    this.#clock = options.clock;
    this.#turns = options.turns;
    this.#counters = options.counters;
    this.#refuseGrowth = options.refuseGrowth;
    this.#onFailed = options.onFailed;
    this.#onStalled = options.onStalled;
  }

  /** Begins to take proposals. All committed records of the journal, whose listener this is, have been executed. */
  start(journal: Journal): void {
    assert(this.#journal === null, "a reign has one journal");
    assert(journal.appended === journal.committed, "the journal is at rest when a reign begins");
    assert(journal.committed === this.#applier.applied, "all that is committed has been executed");
    assert(this.#applier.pending === 0, "nothing of an earlier reign is expected any more");
    assert(this.#queue.length === 0, "nothing of an earlier reign waits");
    this.#journal = journal;
    this.#told = journal.committed;
  }

  /** The number of this reign, 0 before it has begun. */
  get epoch(): number {
    return this.#journal === null ? 0 : this.#journal.epoch;
  }

  /** Position of the last record given to the journal. */
  get appended(): number {
    return this.#journal === null ? 0 : this.#journal.appended;
  }

  /** Position of the last record that the journal has told to be committed. */
  get committed(): number {
    return this.#journal === null ? 0 : this.#journal.committed;
  }

  /** Why this reign refuses writes for good, or null while they are taken. */
  get failure(): Refusal | null {
    return this.#failure;
  }

  /** What keeps the journal from being written, or null when nothing does. */
  get trouble(): Trouble | null {
    return this.#trouble;
  }

  /** As `Proposer.propose`. */
  propose<Request, Response>(
    kind: CommandKind<Request, Response>,
    request: Request,
    record: Buffer,
    waiter: Waiter<Response>,
    identity: Identity | null,
  ): Refusal | null {
    assert(record[0] === kind.code, "a record is of its command's kind");
    const failure = this.#failure;
    if (failure !== null) {
      // That the server stops is nobody's failure.
      if (failure !== SERVER_STOPPED) this.#counters.proposalsFailed++;
      return failure;
    }
    const journal = this.#journal;
    if (journal === null) return SERVER_STOPPED;
    const queue = this.#queue;
    const pending = this.#applier.pending + queue.length;
    if (pending >= PROPOSALS_MAX || journal.pendingBytes + queue.bytes >= PENDING_BYTES_MAX) {
      queue.countRefused(this.#ownerOf(kind, request));
      return TOO_MANY_REQUESTS;
    }
    const bytes = identity === null ? record : withIdentity(record, identity);
    if (bytes.length > RECORD_BYTES_MAX) return REQUEST_TOO_LARGE;
    // It is decided when it is executed. But who may not write at all must not make the journal grow, which is for ever.
    const denied = refuseUser(this.#keyspace, kind, request, identity);
    if (denied !== null) return denied;
    const nowMs = this.#clock.nowMs();
    if (queue.length === 0 && this.#hasRoom(journal)) {
      return this.#append(journal, kind, request, bytes, identity, waiter, nowMs);
    }
    const broughtBytes = kind.growth(request);
    const copies = broughtBytes === 0 ? null : kind.copies(this.#keyspace, request);
    const growth = { broughtBytes, copiedBytes: copies?.bytes ?? 0, copies };
    const waiting = { kind, request, record: bytes, identity, waiter, proposedAtMs: nowMs, ...growth };
    return queue.add(this.#ownerOf(kind, request), waiting) ? null : TOO_MANY_REQUESTS;
  }

  #append(
    journal: Journal,
    kind: AnyCommandKind,
    request: unknown,
    record: Buffer,
    identity: Identity | null,
    waiter: Waiter,
    proposedAtMs: number,
  ): Refusal | null {
    const applier = this.#applier;
    const { growth } = applier;
    const broughtBytes = kind.growth(request);
    const copies = broughtBytes === 0 ? null : kind.copies(this.#keyspace, request);
    // Each key is put once, so that what is before this makes what it copies larger by no more than its values.
    const copiedBytes = copies === null ? 0 : copies.bytes + growth.valueBytes;
    if (broughtBytes > 0) {
      const refused = this.#refuseGrowth(growth.bytes + broughtBytes + copiedBytes, copies);
      if (refused !== null) return refused;
    }
    let position;
    try {
      position = journal.append(record);
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      this.#counters.proposalsFailed++;
      return journalFailed(error);
    }
    applier.expect(
      new Proposal(position, kind, request, identity, waiter, proposedAtMs, broughtBytes, copiedBytes, copies),
    );
    assert(position === applier.applied + applier.pending, "every record of a reign is expected");
    if (this.#timer === null) this.#expireLater();
    return null;
  }

  /** Whose queue a command waits in: that of its first key's partition. */
  #ownerOf(kind: AnyCommandKind, request: unknown): Partition | null {
    const key = kind.firstKey(request);
    return key === null ? null : this.#keyspace.partitionOf(key);
  }

  #hasRoom({ pendingBytes }: Journal): boolean {
    const { pending, growth } = this.#applier;
    return (
      pending < JOURNAL_PROPOSALS_MAX && pendingBytes < JOURNAL_BYTES_MAX && growth.bytes < JOURNAL_GROWTH_BYTES_MAX
    );
  }

  /** What waits is appended as far as the journal has room. */
  #appendWaiting(): void {
    const journal = this.#journal;
    const queue = this.#queue;
    if (journal === null || queue.length === 0) return;
    while (this.#failure === null && this.#hasRoom(journal)) {
      const next = queue.take();
      if (next === null) return;
      const { kind, request, record, identity, waiter, proposedAtMs } = next;
      const refused = this.#append(journal, kind, request, record, identity, waiter, proposedAtMs);
      if (refused !== null) waiter.onApplied(refused);
    }
    assert(queue.length === 0 || this.#applier.pending > 0, "who waits is woken by a commit");
  }

  /** Tells those that have no record yet: nothing has happened. */
  #refuseWaiting(waiting: readonly WaitingProposal[], reason: Refusal): void {
    for (const { waiter } of waiting) {
      this.#counters.proposalsFailed++;
      waiter.onApplied(reason);
    }
  }

  onCommitted(committed: number): void {
    const applier = this.#applier;
    assert(committed > this.#told, "commits grow");
    assert(committed <= applier.applied + applier.pending, "commits follow appends");
    const proposedAtMs = applier.proposedAtMs(this.#told + 1);
    this.#counters.journalCommitSeconds.observe((this.#clock.nowMs() - proposedAtMs) / 1_000);
    this.#told = committed;
    // What takes long is ended first, and then goes on with this.
    if (!applier.isExecuting) this.#executeCommitted();
  }

  /** Executes what is committed, and in later turns what takes long of it. */
  #executeCommitted(): void {
    const applier = this.#applier;
    if (applier.applied < this.#told) {
      this.#run.first = applier.applied + 1;
      this.#run.count = this.#told - applier.applied;
      applier.apply(this.#run);
    }
    if (applier.isExecuting) this.#turns.later(() => this.#goOn());
    this.#appendWaiting();
  }

  /** What has begun is ended, whatever becomes of the reign. Behind it, a journal that failed has nobody who expects anything. */
  #goOn(): void {
    if (!this.#applier.goOn()) this.#turns.later(() => this.#goOn());
    else if (this.#trouble === null || this.#trouble.state === "stalled") this.#executeCommitted();
  }

  onFailed(error: Error): void {
    const isFenced = error instanceof JournalError && error.isFenced;
    this.#failure = isFenced ? LEADER_CHANGED : journalFailed(error);
    this.#trouble = { state: isFenced ? "fenced" : "failed", reason: reasonOf(error) };
    this.#cancelTimer();
    this.#onFailed(error);
    this.#refuseWaiting(this.#queue.takeAll(), this.#failure);
    this.#applier.abandonAll(this.#failure);
  }

  onStalled(reason: Error | null): void {
    this.#trouble = reason === null ? null : { state: "stalled", reason: reasonOf(reason) };
    this.#onStalled(reason);
  }

  /** Refuses further writes, and those that wait. Those in the journal's hands are answered when it is closed. */
  stop(): void {
    this.#failure ??= SERVER_STOPPED;
    this.#cancelTimer();
    this.#refuseWaiting(this.#queue.takeAll(), this.#failure);
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #expireLater(): void {
    const dueMs = this.#clock.nowMs() + EXPIRY_CHECK_MS;
    this.#timer = this.#clock.after(EXPIRY_CHECK_MS, () => this.#expire(dueMs));
  }

  #expire(dueMs: number): void {
    const now = this.#clock.nowMs();
    // Behind a stall stands what the journal has committed meanwhile: it is heard before somebody is given up.
    if (now - dueMs <= STALL_MS) this.#giveUpOlder(now - PROPOSAL_TIMEOUT_MS);
    this.#timer = null;
    if (this.#applier.pending > 0) this.#expireLater();
  }

  /** What has a record may still take effect; what waits for one has been too much. */
  #giveUpOlder(proposedBeforeMs: number): void {
    this.#refuseWaiting(this.#queue.takeOlder(proposedBeforeMs), TOO_MANY_REQUESTS);
    this.#applier.abandonOlder(proposedBeforeMs, this.#told, REQUEST_TIMED_OUT);
  }
}

/** Records that this reign appended: all are expected, so nobody reads them back. One object for all commits. */
class OwnRun implements RecordRun {
  first = 1;
  count = 0;

  bytes(): never {
    assert.fail("a reign expects every record it appended");
  }
}
