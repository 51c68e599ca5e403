/**
 * The one place where commands are executed: committed records in the journal's order, whoever wrote them. A writer, a
 * member that follows, and a replay at start are the same loop:
 *
 *     run of records ──► for each: the proposal expected there, else decoded ──► execute ──► effects ──► waiter
 *                    └─► after the last: watchers are told, once
 *
 * What takes long, such as a delete of a million keys, is executed in slices with other work between them, and the run stops
 * with it: readers go on with the revision before, and what is committed after it waits in its order.
 *
 * Nothing is executed before it is committed, so memory is never rolled back and no reader or watcher sees what a crash
 * could take away (C1).
 */
import assert from "node:assert/strict";
import type { RecordRun } from "../../journal/journal.ts";
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { Refusal } from "../../partitions/refusals.ts";
import { NoMemoryError } from "../../partitions/store/block-pool.ts";
import { LongChange } from "../../partitions/txn/long-change.ts";
import type { Clock } from "../clock.ts";
import { CHANGE_SLICE_KEYS } from "../limits.ts";
import type { Counters } from "../metrics/counters.ts";
import type { EventLog } from "./event-log.ts";
import { refuseUser } from "./command.ts";
import type { AnyCommandKind, EffectTargets } from "./command.ts";
import { PendingGrowth } from "./pending-growth.ts";
import type { Proposal } from "./proposal.ts";
import { decodeRecord } from "./record.ts";
import type { SlowRuns } from "./slow-runs.ts";

/** The executed front of the queue is cut off when it is longer than this and outweighs the rest. */
const EXECUTED_KEPT_MAX = 1_024;

/** V8's words when there is no memory for a buffer. */
const ALLOCATION_FAILED = "Array buffer allocation failed";

export interface ApplierOptions {
  readonly keyspace: Keyspace;
  readonly effects: EffectTargets;
  readonly counters: Counters;
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: EventLog;
  readonly slowRuns: SlowRuns;
  /** After all commands of a run, when watchers have been told, before the event loop goes on. */
  readonly onRunEnd: () => void;
}

/** What is executed in slices. */
interface Executing {
  readonly change: LongChange<unknown>;
  readonly position: number;
  readonly kind: AnyCommandKind;
  readonly request: unknown;
  readonly identity: Identity | null;
  /** Null when it is not this member's. */
  readonly proposal: Proposal | null;
  readonly startedMs: number;
}

export class Applier {
  /** Of the proposals of this member that have not been executed yet. */
  readonly growth = new PendingGrowth();
  readonly #keyspace: Keyspace;
  readonly #effects: EffectTargets;
  readonly #counters: Counters;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #log: EventLog;
  readonly #slowRuns: SlowRuns;
  readonly #onRunEnd: () => void;
  #applied = 0;
  #replayedBytes = 0;
  /** In the order of their positions. Those before `#head` have been executed. */
  #expected: Proposal[] = [];
  #head = 0;
  #isCounting = false;
  #executing: Executing | null = null;
  /** An execution has thrown, and left something half done. */
  #isBroken = false;

  constructor(options: ApplierOptions) {
    this.#keyspace = options.keyspace;
    this.#effects = options.effects;
    this.#counters = options.counters;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#slowRuns = options.slowRuns;
    this.#onRunEnd = options.onRunEnd;
  }

  /** Position of the last executed record. */
  get applied(): number {
    return this.#applied;
  }

  /** Bytes of the records that were executed and are no proposals of this member. */
  get replayedBytes(): number {
    return this.#replayedBytes;
  }

  /** The keyspace was made of a snapshot, in which what is committed up to a position was executed. */
  begin(position: number): void {
    assert(this.#applied === 0 && this.#executing === null && this.pending === 0, "nothing was executed yet");
    this.#applied = position;
  }

  /** Whether something has begun that takes long: `goOn` is to be called until it is done. */
  get isExecuting(): boolean {
    return this.#executing !== null;
  }

  /** Proposals of this member that have not been executed yet. */
  get pending(): number {
    return this.#expected.length - this.#head;
  }

  /** When one of those was proposed, which have positions that follow one another. */
  proposedAtMs(position: number): number {
    assert(this.pending > 0, "a proposal is pending");
    const proposal = this.#expected[this.#head + position - this.#expected[this.#head].position];
    assert(proposal.position === position, "what is pending follows one another");
    return proposal.proposedAtMs;
  }

  /** From now on what is executed counts as load. What was committed before the start does not. */
  startCounting(): void {
    this.#isCounting = true;
  }

  /** The proposal's waiter is told when its position is executed, and what stands there need not be decoded. */
  expect(proposal: Proposal): void {
    assert(proposal.position > this.#applied, "what is expected is still to come");
    const last = this.#expected.at(-1);
    assert(last === undefined || proposal.position > last.position, "proposals are expected in the journal's order");
    this.#expected.push(proposal);
    this.growth.add(proposal);
  }

  /**
   * Executes committed records, which follow the last executed one, up to the first that takes long: that has begun then, and
   * `goOn` ends it. What is behind it is to be given again.
   */
  apply(run: RecordRun): void {
    assert(run.first === this.#applied + 1, "runs follow one another");
    assert(this.#executing === null, "nothing is executed beside what takes long");
    const startedMs = this.#clock.nowMs();
    for (let i = 0; i < run.count && this.#executing === null; i++) {
      const position = run.first + i;
      const proposal = this.#head < this.#expected.length ? this.#expected[this.#head] : null;
      // A record counts as applied when it has been: one that cannot be decoded is not passed over by the next attempt.
      if (proposal !== null && proposal.position === position) {
        const { kind, request, identity, waiter } = proposal;
        const outcome = this.#execute(kind, request, identity, waiter !== null);
        if (outcome instanceof LongChange) this.#begin(outcome, position, kind, request, identity, proposal);
        else this.#executed(position, proposal, outcome);
      } else {
        // Keyspace and decoders keep no views of the record, which is gone after its run.
        const record = run.bytes(i);
        const { kind, request, identity } = decodeRecord(record);
        const outcome = this.#execute(kind, request, identity, false);
        if (outcome instanceof LongChange) this.#begin(outcome, position, kind, request, identity, null);
        else this.#applied = position;
        this.#replayedBytes += record.length;
      }
    }
    const records = this.#applied + 1 - run.first;
    // What was executed before that which takes long can be seen at once.
    if (records > 0) this.#endRun(records, startedMs);
  }

  /**
   * Executes a slice of what takes long.
   *
   * @returns true when nothing is left of it
   */
  goOn(): boolean {
    if (this.#executing === null) return true;
    const { change, position, kind, request, identity, proposal, startedMs } = this.#executing;
    if (!this.#step(change)) return false;
    this.#executing = null;
    const { response } = change;
    this.#follow(kind, request, identity, response);
    if (proposal === null) this.#applied = position;
    else this.#executed(position, proposal, response);
    change.end();
    this.#endRun(1, startedMs);
    return true;
  }

  #begin(
    change: LongChange<unknown>,
    position: number,
    kind: AnyCommandKind,
    request: unknown,
    identity: Identity | null,
    proposal: Proposal | null,
  ): void {
    this.#executing = { change, position, kind, request, identity, proposal, startedMs: this.#clock.nowMs() };
  }

  /** A proposal's record has been executed. */
  #executed(position: number, proposal: Proposal, outcome: unknown): void {
    this.#applied = position;
    // Of one that was given up meanwhile nothing is expected any more.
    if (this.#expected[this.#head] === proposal) {
      this.#head++;
      this.growth.remove(proposal);
    }
    proposal.waiter?.onApplied(outcome);
  }

  /** Tells all who still wait that the outcome is unknown. What they proposed is executed if it stands in the journal. */
  abandonAll(reason: Refusal): void {
    const abandoned = this.#expected.slice(this.#head);
    this.#expected = [];
    this.#head = 0;
    this.growth.clear();
    for (const proposal of abandoned) this.#abandon(proposal, reason);
    this.#onRunEnd();
  }

  /**
   * The same for those that were proposed before a moment and are not committed. Their records may still commit at their
   * positions. What is committed waits for something that takes long, and its outcome will be certain.
   */
  abandonOlder(proposedBeforeMs: number, committed: number, reason: Refusal): void {
    for (let i = this.#head; i < this.#expected.length; i++) {
      // Some have waited longer for their record than those before them.
      const proposal = this.#expected[i];
      if (proposal.position <= committed) continue;
      if (proposal.proposedAtMs < proposedBeforeMs) this.#abandon(proposal, reason);
    }
  }

  #execute(kind: AnyCommandKind, request: unknown, identity: Identity | null, isAnswered: boolean): unknown {
    const keyspace = this.#keyspace;
    const refused = refuseUser(keyspace, kind, request, identity);
    if (refused !== null) return refused;
    assert(!this.#isBroken, "nobody goes on with what is half done");
    let outcome;
    try {
      outcome = kind.execute(keyspace, request, isAnswered);
    } catch (error) {
      throw this.#broken(error);
    }
    if (outcome instanceof Refusal || outcome instanceof LongChange) return outcome;
    this.#follow(kind, request, identity, outcome);
    return outcome;
  }

  #step(change: LongChange<unknown>): boolean {
    assert(!this.#isBroken, "nobody goes on with what is half done");
    try {
      return change.step(CHANGE_SLICE_KEYS);
    } catch (error) {
      throw this.#broken(error);
    }
  }

  /** What ends the process, whoever catches it: in words that say what to do when it is want of memory. */
  #broken(error: unknown): unknown {
    this.#isBroken = true;
    const isWant =
      error instanceof RangeError && (error instanceof NoMemoryError || error.message === ALLOCATION_FAILED);
    if (!isWant) return error;
    const text = "there is no memory to execute what is committed; it is executed at the next start, which needs more";
    return new Error(text, { cause: error });
  }

  /** What follows from a command that was executed. */
  #follow(kind: AnyCommandKind, request: unknown, identity: Identity | null, outcome: unknown): void {
    kind.effects(this.#effects, request, outcome);
    if (this.#isCounting) {
      kind.count(this.#counters, request, outcome);
      kind.tell(this.#log, request, outcome, identity);
    }
  }

  #abandon(proposal: Proposal, reason: Refusal): void {
    const { waiter } = proposal;
    if (waiter === null) return;
    proposal.waiter = null;
    this.#counters.proposalsFailed++;
    waiter.onLost(reason);
  }

  /** Where a run has proposals of this member, all its records are theirs. */
  #noticeSlow(records: number, startedMs: number, endedMs: number): void {
    const first = this.#head - records;
    const oldest = first >= 0 ? this.#expected[first] : null;
    if (!this.#slowRuns.isSlow(oldest, startedMs, endedMs)) return;
    const proposals = this.#expected.slice(Math.max(first, 0), this.#head);
    this.#slowRuns.tell({ records, applied: this.#applied, startedMs, endedMs }, proposals);
  }

  /** Events are queued in the turn that executes, so no progress can be sent before them (WP-01). */
  #endRun(records: number, startedMs: number): void {
    this.#keyspace.watchers.flush();
    this.#onRunEnd();
    if (this.#isCounting) this.#noticeSlow(records, startedMs, this.#clock.nowMs());
    this.#dropExecuted();
  }

  /** Each entry is moved at most once. */
  #dropExecuted(): void {
    if (this.#head === this.#expected.length) {
      this.#expected = [];
      this.#head = 0;
    } else if (this.#head > EXECUTED_KEPT_MAX && this.#head > this.#expected.length / 2) {
      this.#expected = this.#expected.slice(this.#head);
      this.#head = 0;
    }
  }
}
