/**
 * Where a write becomes true: the request goes to the journal, and when its record has committed it is executed and
 * answered, in the journal's order. Nothing is executed before it is durable, so memory is never rolled back and no
 * reader or watcher sees what a crash could take away.
 */
import assert from "node:assert/strict";
import type { Journal, JournalListener } from "../../journal/journal.ts";
import { JournalError } from "../../journal/journal.ts";
import { RECORD_BYTES_MAX } from "../../journal/limits.ts";
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Clock, Timer } from "../clock.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Command, Outcome } from "./record.ts";
import { execute, refuseUser, withIdentity } from "./record.ts";
import { PENDING_BYTES_MAX, PROPOSALS_MAX, PROPOSAL_TIMEOUT_MS } from "../limits.ts";
import {
  journalFailed,
  REQUEST_TIMED_OUT,
  REQUEST_TOO_LARGE,
  SERVER_STOPPED,
  TOO_MANY_REQUESTS,
} from "../api/statuses.ts";
import type { Status } from "../transport/service.ts";

/** Who waits for a proposal. Exactly one of the two is called, once, and never before `propose` has returned. */
export interface Waiter {
  /** The record is committed and executed. `outcome` is the response without header, or the refusal. */
  onApplied(outcome: Outcome): void;
  /** The proposal did not commit in time, or the journal failed: whether it took effect is unknown. */
  onLost(status: Status): void;
}

/** How often waiting proposals are looked at. */
const EXPIRY_CHECK_MS = 1_000;

class Proposal {
  readonly command: Command;
  readonly identity: Identity | null;
  readonly proposedAtMs: number;
  /** Null once it was told that the outcome is unknown. */
  waiter: Waiter | null;

  constructor(command: Command, identity: Identity | null, waiter: Waiter, proposedAtMs: number) {
    this.command = command;
    this.identity = identity;
    this.waiter = waiter;
    this.proposedAtMs = proposedAtMs;
  }
}

export interface CommitterEvents {
  /** Every command, in order, right after it was executed. */
  onExecuted(command: Command, outcome: Outcome): void;
  /** After all commands that one commit brought, before the event loop goes on. */
  onBatchEnd(): void;
}

export class Committer implements JournalListener {
  readonly #keyspace: Keyspace;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #events: CommitterEvents;
  #journal: Journal | null = null;
  /** Proposals in journal order: the first has the position `#applied + 1`. */
  #queue: Proposal[] = [];
  #head = 0;
  #applied = 0;
  #failure: Status | null = null;
  #timer: Timer | null = null;

  constructor(keyspace: Keyspace, clock: Clock, counters: Counters, events: CommitterEvents) {
    this.#keyspace = keyspace;
    this.#clock = clock;
    this.#counters = counters;
    this.#events = events;
  }

  /** Takes over a journal whose committed records have all been executed on the keyspace already. */
  start(journal: Journal): void {
    assert(this.#journal === null, "a committer has one journal");
    assert(journal.appended === journal.committed, "the journal is at rest when it is handed over");
    this.#journal = journal;
    this.#applied = journal.committed;
  }

  /** Position of the last executed record. */
  get applied(): number {
    return this.#applied;
  }

  /** Position of the last record given to the journal. */
  get appended(): number {
    return this.#journal === null ? 0 : this.#journal.appended;
  }

  /** Proposals whose record has not committed yet. */
  get pending(): number {
    return this.#queue.length - this.#head;
  }

  /** Why writes are refused for good, or null while they are taken. */
  get failure(): Status | null {
    return this.#failure;
  }

  /**
   * Hands a command to the journal.
   *
   * @param record the command's request as `recordOf` gives it; the kind is set here
   * @param identity the user on whose behalf, or null for nobody
   * @returns null when the command is on its way and the waiter will be told; else why it is refused, and nothing happened
   */
  propose(command: Command, record: Buffer, waiter: Waiter, identity: Identity | null = null): Status | null {
    if (this.#failure !== null) return this.#failure;
    const journal = this.#journal;
    if (journal === null) return SERVER_STOPPED;
    if (this.pending >= PROPOSALS_MAX || journal.pendingBytes >= PENDING_BYTES_MAX) return TOO_MANY_REQUESTS;
    record[0] = command.kind;
    const bytes = identity === null ? record : withIdentity(record, identity);
    if (bytes.length > RECORD_BYTES_MAX) return REQUEST_TOO_LARGE;
    // It is decided when it is executed. But who may not write at all must not make the journal grow, which is for ever.
    const denied = refuseUser(this.#keyspace, command, identity);
    if (denied !== null) return denied;
    let position;
    try {
      position = journal.append(bytes);
    } catch (error) {
      if (error instanceof JournalError) return journalFailed(error);
      throw error;
    }
    this.#queue.push(new Proposal(command, identity, waiter, this.#clock.nowMs()));
    assert(position === this.#applied + this.pending, "the queue mirrors the journal's uncommitted records");
    this.#timer ??= this.#clock.after(EXPIRY_CHECK_MS, () => this.#expire());
    return null;
  }

  onCommitted(committed: number): void {
    assert(committed >= this.#applied && committed <= this.#applied + this.pending, "commits follow appends");
    while (this.#applied < committed) {
      const proposal = this.#queue[this.#head++];
      this.#applied++;
      const outcome = execute(this.#keyspace, proposal.command, proposal.identity, proposal.waiter !== null);
      this.#events.onExecuted(proposal.command, outcome);
      proposal.waiter?.onApplied(outcome);
    }
    this.#dropExecuted();
    this.#events.onBatchEnd();
  }

  onFailed(error: Error): void {
    this.#lose(journalFailed(error));
    this.#events.onBatchEnd();
  }

  /** Refuses further writes. Those in the journal's hands are answered when it is closed. */
  stop(): void {
    this.#failure ??= SERVER_STOPPED;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #lose(status: Status): void {
    this.#failure = status;
    for (let i = this.#head; i < this.#queue.length; i++) this.#abandon(this.#queue[i], status);
    this.#queue = [];
    this.#head = 0;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #abandon(proposal: Proposal, status: Status): void {
    const { waiter } = proposal;
    if (waiter === null) return;
    proposal.waiter = null;
    this.#counters.proposalsFailed++;
    waiter.onLost(status);
  }

  /** Tells waiters that waited too long. Their records stay in the queue, since they may still commit. */
  #expire(): void {
    const oldest = this.#clock.nowMs() - PROPOSAL_TIMEOUT_MS;
    for (let i = this.#head; i < this.#queue.length && this.#queue[i].proposedAtMs < oldest; i++) {
      this.#abandon(this.#queue[i], REQUEST_TIMED_OUT);
    }
    this.#timer = this.pending === 0 ? null : this.#clock.after(EXPIRY_CHECK_MS, () => this.#expire());
  }

  /** The executed front of the queue is cut off when it outweighs the rest, so that each entry is moved at most once. */
  #dropExecuted(): void {
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head > 1_024 && this.#head > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}
